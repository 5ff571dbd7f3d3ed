/** Guesses the intended name for a name that does not exist. */

/** The name that differs least, if it differs little; null when none does. */
export function nearest(typed: string, names: readonly string[]): string | null {
  const most = Math.max(1, Math.floor(typed.length / 3));
  let best: { name: string; distance: number } | null = null;
  for (const name of names) {
    // It takes so many at the least: a very long word is not compared.
    if (typed.length - name.length > most) continue;
    const distance = name.startsWith(typed) && typed.length > 1 ? 1 : editDistance(typed, name);
    if (best === null || distance < best.distance) best = { name, distance };
  }
  return best !== null && best.distance <= most ? best.name : null;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn one into the other. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(last[j]! + 1, current[j - 1]! + 1, last[j - 1]! + same);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, before[j - 2]! + 1);
      current.push(cost);
    }
    before = last;
    last = current;
  }
  return last[b.length]!;
}
