/** Guesses the intended name for a name that does not exist. */
import { editDistance } from "../../src/lib/edit_distance.ts";

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
