/**
 * Limits how long a shutdown of PostgreSQL may take, step by step: fast, immediate, kill. Pure.
 *
 * PostgreSQL waits without a limit for processes that it does not control: backends and background workers,
 * WAL senders whose receiver does not read, and, after its shutdown checkpoint, the archiver with the user's
 * archive_command. None of them may keep a cluster without a primary.
 */
import type { Shutdown } from "../model/postgres_view.ts";

/**
 * A primary that was told to end and has not begun its shutdown checkpoint after this long hangs on one of
 * its processes: backends end within milliseconds of the signal, a busy host with hundreds of them takes
 * about a second.
 *
 * Where the 10 s go within which another member is to write, measured with a load average of 10 on two cores:
 * up to 2 s for the CHECKPOINT of a checkpointer that hangs, ENDING_MS, IMMEDIATE_MS, and 0.3 to 1.5 s from
 * the last process to the next primary's first commit.
 */
export const ENDING_MS = 3000;
/**
 * Told to end at once (SIGQUIT), PostgreSQL kills its own children after 5 s, which is not waited for.
 * Backends that can end have told their clients within milliseconds.
 */
export const IMMEDIATE_MS = 500;
/**
 * The same time without progress is given to the processes left after the shutdown checkpoint, as long as the
 * lock waits for them.
 */
export const LEFTOVERS_MS = 4000;
/** Once another may write, the archiver has this long to finish; then its member rejoins. */
export const LEFTOVERS_AFTER_RELEASE_MS = 10_000;

/**
 * A shutdown checkpoint writes what clients have made dirty during the last CHECKPOINT before it, and takes
 * less than that one by far.
 */
const SHORT_CHECKPOINT_MS = 300;

/**
 * Whether one more CHECKPOINT is to prepare the stop, after those that took so long. Clients write meanwhile:
 * each finds what they have made dirty during the one before. One that was not half as long shows that they
 * write about as fast as it does, and that the next one would find as much.
 */
export function wantsCheckpoint(tookMs: readonly number[]): boolean {
  const last = tookMs.at(-1);
  if (last === undefined) return true;
  return last > SHORT_CHECKPOINT_MS && last <= (tookMs.at(-2) ?? Infinity) / 2;
}

export interface ShutdownLimits {
  /** It was a primary when it was told to end. */
  readonly primary: boolean;
  /** primary_stop_timeout; 0: not set. */
  readonly primaryStopTimeoutS: number;
  /** postgresql.pg_ctl_timeout: the limit of every step that has none of its own. */
  readonly pgCtlTimeoutS: number;
}

export interface ShutdownStep {
  readonly how: "immediate" | "kill";
  readonly why: string;
  /** Before the limits that the user has set: only when nothing is lost by it. */
  readonly early: boolean;
}

/**
 * The next step of a stop that is a part of a restart, or null: time alone ends its steps. What is left after
 * the shutdown checkpoint is ended, too.
 */
export function stepInPlace(
  shutdown: Shutdown,
  how: "fast" | "immediate" | "kill",
  sinceMs: number,
  nowMs: number,
  limits: ShutdownLimits,
): Pick<ShutdownStep, "how" | "why"> | null {
  if (shutdown.stage !== "closed") return shutdownStep(shutdown, how, sinceMs, nowMs, limits);
  return nowMs - shutdown.stageMs < LEFTOVERS_MS
    ? null
    : { how: "kill", why: "archiver or WAL senders are left after its shutdown checkpoint" };
}

/**
 * The next step when the present one has taken too long; null: it may go on. `sinceMs`: when `how` was
 * begun.
 */
export function shutdownStep(
  shutdown: Shutdown,
  how: "fast" | "immediate" | "kill",
  sinceMs: number,
  nowMs: number,
  { primary, primaryStopTimeoutS, pgCtlTimeoutS }: ShutdownLimits,
): ShutdownStep | null {
  const { stage, beganMs, stageMs } = shutdown;
  if (how === "kill" || stage === "announced" || stage === "closed") return null;
  const wait = stage === "checkpoint"
    ? "its shutdown checkpoint is not done"
    : "one of its processes does not end";
  const after = (ms: number) => `${wait} after ${ms / 1000} s`;
  if (how === "immediate") {
    return nowMs - sinceMs >= IMMEDIATE_MS
      ? { how: "kill", why: `an immediate shutdown has not ended it`, early: false }
      : null;
  }
  if (primary && primaryStopTimeoutS > 0) {
    const limitMs = primaryStopTimeoutS * 1000;
    return nowMs - beganMs >= limitMs
      ? { how: "kill", why: `${after(limitMs)} (primary_stop_timeout)`, early: false }
      : null;
  }
  const limitMs = pgCtlTimeoutS * 1000;
  if (nowMs - stageMs >= limitMs) {
    return { how: "immediate", why: `${after(limitMs)} (pg_ctl_timeout)`, early: false };
  }
  return primary && stage === "ending" && nowMs - stageMs >= ENDING_MS
    ? { how: "immediate", why: after(ENDING_MS), early: true }
    : null;
}

/** Far more than it takes: a majority is waited for no longer than 3 s. */
const HAND_OVER_S = 30;

/**
 * The most that all steps of a stop take together, for the service manager, which ends an agent that takes
 * longer: CHECKPOINTs, each at most half as long as the one before (two `pg_ctl_timeout`), before_stop, the
 * wait for the shutdown checkpoint, that checkpoint, and what is left after it (one each); and the hand-over.
 */
export function longestStopMs(
  { primaryStopTimeoutS, postgresql: { pgCtlTimeoutS } }: {
    readonly primaryStopTimeoutS: number;
    readonly postgresql: { readonly pgCtlTimeoutS: number };
  },
): number {
  return (5 * pgCtlTimeoutS + Math.max(pgCtlTimeoutS, primaryStopTimeoutS) + HAND_OVER_S) * 1000;
}
