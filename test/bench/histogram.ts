/** Quantiles and a histogram of many samples, as text. */

/** `sorted` ascending; nearest rank, `q` 1 is the largest. NaN of nothing. */
export function sortedQuantile(sorted: Float64Array, q: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)] ?? NaN;
}

/**
 * How many of `sorted` are at most 1, 2, 4 ... ms and above the bound before; empty ones at both ends are
 * left out.
 */
export function octaves(sorted: ArrayLike<number>): { readonly boundMs: number; readonly count: number }[] {
  const found: { boundMs: number; count: number }[] = [];
  let index = 0;
  for (let boundMs = 1; index < sorted.length; boundMs *= 2) {
    const begin = index;
    while (index < sorted.length && sorted[index]! <= boundMs) index++;
    if (found.length > 0 || index > begin) found.push({ boundMs, count: index - begin });
  }
  return found;
}

export function octavesText(counts: readonly { readonly boundMs: number; readonly count: number }[]): string {
  return counts.map(({ boundMs, count }) => `<= ${boundMs} ms: ${count}`).join(", ");
}
