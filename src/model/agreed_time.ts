/**
 * The time of day that most members have, for what is scheduled: an action that was ordered for tonight must
 * not take place now because the clock of one host is wrong. Pure. Nothing that keeps data safe goes by it.
 */

/** Clocks that are less apart agree: each acts by its own. */
export const FAR_MS = 60_000;

/**
 * What is to be added to this host's wall clock. `aheadMs`: of the other members' clocks, against this one.
 * It is the median, this clock included: with three clocks, one alone can be wrong by any amount and changes
 * nothing. Two that differ cannot tell which is right: then this one counts, as it does between two halves.
 */
export function agreedAheadMs(aheadMs: readonly number[]): number {
  const sorted = [0, ...aheadMs].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1]!, sorted[sorted.length >> 1]!];
  const median = low <= 0 && high >= 0 ? 0 : Math.abs(low) < Math.abs(high) ? low : high;
  return Math.abs(median) < FAR_MS ? 0 : median;
}
