/** How long the guard sleeps before it reads its clock again. Pure. */

/** Within this time of a deadline the clock is read every NEAR_TICK_MS: a timer only wakes. */
const NEAR_MS = 250;
const NEAR_TICK_MS = 50;
/**
 * No sleep is longer while a deadline is ahead: timers stand still while the host is suspended, the deadline
 * doesn't. Within the budget to stop; each wake-up costs a quarter of a millisecond of processor time.
 */
const FAR_TICK_MS = 250;

/** `leftMs`: until the deadline, which may be over. */
export function tickWaitMs(leftMs: number): number {
  return leftMs > NEAR_MS
    ? Math.min(leftMs - NEAR_MS, FAR_TICK_MS)
    : Math.min(Math.max(0, leftMs), NEAR_TICK_MS);
}
