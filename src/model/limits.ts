/**
 * Largest values of times. A number without one turns a slip of the hand into a wait for ever, and a timer of
 * the runtime fires at once when it is asked for more than 2^31 ms.
 */

const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;

/**
 * Longest lease that exists: the guard refuses to be armed further ahead, the holder counts on no more, and
 * leaders wait no longer, whatever ttl is logged.
 */
export const LONGEST_LEASE_MS = HOUR_S * 1000;
/** The greatest ttl, loop_wait and retry_timeout. */
export const MAX_TTL_S = HOUR_S;
/** The longest time that a timer waits for: below 2^31 ms. */
export const MAX_TIMEOUT_S = 7 * DAY_S;
/** The longest time that is only compared with a clock. */
export const MAX_AGE_S = 3650 * DAY_S;
/** The greatest count of things that are kept in memory or on disk. */
export const MAX_COUNT = 1_000_000;
/** The most entries that a person writes one by one: slots, hosts. */
export const MAX_ENTRIES = 1000;
/** PostgreSQL's own largest value of a time in ms. */
export const MAX_DELAY_MS = 2 ** 31 - 1;
/** The most bytes of a command that a shell runs: Linux takes 128 KiB as one argument. */
export const MAX_COMMAND_BYTES = 100_000;
