/** What a guard says of itself and of its server, as its agent and the REST API see it. */
import type { ClockReport } from "./clock_jump.ts";

export interface Postmaster {
  readonly pid: number;
  /** Started as (or promoted to) a server that may acknowledge writes. */
  readonly writable: boolean;
  /** Epoch under which it became writable; null for a standby. */
  readonly epoch: number | null;
  readonly phase: "running" | "frozen" | "ending";
  /** Clock.now() of the freeze. Absent: it is not frozen, or the guard has an earlier release. */
  readonly frozenAtMs?: number;
  /**
   * A primary past its shutdown checkpoint: no longer writable. Absent: it is not, or the guard has an
   * earlier release.
   */
  readonly closed?: boolean;
  /** Undeclared, and fenced with this epoch, which was in force when it was found. Absent: it is not fenced. */
  readonly foundUnder?: number;
  /** False: found running and adopted; looked at five times a second, without PDEATHSIG. */
  readonly child: boolean;
}

/**
 * Started as, or promoted to, a primary. Stays true once it is closed, or killed and kept by the kernel, and
 * cannot write any more.
 */
export function isPrimary({ writable, epoch }: Postmaster): boolean {
  return writable || epoch !== null;
}

/**
 * Found running, and not declared to be a primary or a standby yet: the guard does not fence it, unless an
 * epoch was in force here when it was found.
 */
export function isUndeclared({ writable, epoch }: Postmaster): boolean {
  return writable && epoch === null;
}

export interface ExitReport {
  readonly pid: number;
  readonly code: number | null;
  readonly signal: string | null;
  /** True when the guard ended it: the lease ran out or was taken away. */
  readonly fenced: boolean;
  readonly atMs: number;
}

export interface GuardView {
  /** "none": no guard process answers. "partial": it supervises a postmaster that it did not start. */
  readonly state: "ok" | "partial" | "none";
  readonly pid: number | null;
  /** Increases with every guard process that the agent has been connected to: a new one remembers nothing. */
  readonly incarnation: number;
  readonly armed: { readonly epoch: number; readonly deadlineMs: number; readonly unfenced: boolean } | null;
  /** Highest epoch that was ended; it and everything below are refused for ever. 0: none. */
  readonly endedEpoch: number;
  readonly postmaster: Postmaster | null;
  /**
   * True while any process lives whose working directory is the data directory, or another agent owns that.
   */
  readonly anyProcess: boolean;
  /**
   * Every process that is left has SIGKILL queued: it acknowledges nothing any more. Absent: it has not, or
   * that is not known.
   */
  readonly doomed?: boolean;
  /** Frozen, and every process was seen stopped or certain to stop: nothing can be acknowledged. */
  readonly allStopped?: boolean;
  readonly lastExit: ExitReport | null;
  /** Clock.now() of its last answer; null: never. */
  readonly lastAnswerMs: number | null;
  /** Largest lateness of its timer since the last answer, ms. */
  readonly lateMs: number;
  /** The report of the guard's clocks; null: it has not said. */
  readonly clocks?: ClockReport | null;
}
