/**
 * The times that a lease must leave for PostgreSQL to stop in (I1 in DESIGN.md). Brain and guard both count
 * with them: the brain derives the lease from them, the guard refuses and thaws by them.
 */

/** J: how late the guard's timer may fire. A suspended host is noticed within 250 ms of its return. */
export const J_MS = 250;
/**
 * K: from the trigger until no commit can be acknowledged. A freeze with 150 clients was measured at 18 to 78
 * ms.
 */
export const K_MS = 200;
/** J + K: with less than this left, nothing becomes a primary and nothing is thawed. */
export const STOP_BUDGET_MS = J_MS + K_MS;
/**
 * After a freeze, clients are kept waiting no longer than this: a dead primary refuses them, a frozen one
 * hangs them.
 */
export const MAX_FROZEN_MS = 10_000;
