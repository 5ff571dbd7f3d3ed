/**
 * Limits how long a promotion may stand still. Pure.
 *
 * PostgreSQL leaves recovery by the work of one process (startup), which may wait without a limit: for a
 * disk, for a restore_command that hangs, for a query on the standby that conflicts with what it replays. A
 * long replay is no reason to give up, since another member has to do the same. Standing still is one.
 */
import { pauseAfter } from "../model/pause_after.ts";

/** How the failure of a promotion begins that the user's hook has refused. */
export const PRE_PROMOTE = "pre_promote";

const FIRST_LIMIT_MS = 4000;
const LAST_LIMIT_MS = 60_000;

/**
 * Without progress for so long, a promotion is given up. Longer after each failure in a row, so that members
 * whose promotions are all slow for one reason (a restore_command that takes long) do not pass the lock
 * around for ever.
 */
export function promotionLimitMs(failures: number): number {
  return pauseAfter(failures + 1, FIRST_LIMIT_MS, LAST_LIMIT_MS);
}
