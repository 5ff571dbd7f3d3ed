/** How often the page asks: nothing while nobody looks, and less and less while nobody answers. */

const USUAL_MS = 2000;
/** While a change is under way. */
const QUICK_MS = 500;
const LONGEST_MS = 10_000;

export interface Pace {
  readonly hidden: boolean;
  /** In a row, without an answer. */
  readonly failures: number;
  /** A change was asked for, and is not over. */
  readonly changing: boolean;
}

/** ms until the next question; null: none before the page is looked at. */
export function nextAskMs({ hidden, failures, changing }: Pace): number | null {
  if (hidden) return null;
  if (failures > 0) return Math.min(LONGEST_MS, USUAL_MS * 2 ** (failures - 1));
  return changing ? QUICK_MS : USUAL_MS;
}

/** An answer older than this is not shown as the present. */
export const STALE_AFTER_MS = 3 * USUAL_MS;
