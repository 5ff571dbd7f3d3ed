/**
 * The pause before another try: it grows with each failure in a row, by one rule for everything that is
 * tried again.
 */

/**
 * How long after the last failure, ms: `firstMs` after the first, twice as long after each one more, at most
 * `limitMs`.
 */
export function pauseAfter(failures: number, firstMs: number, limitMs: number): number {
  return failures <= 0 ? 0 : Math.min(limitMs, firstMs * 2 ** Math.min(failures - 1, 30));
}
