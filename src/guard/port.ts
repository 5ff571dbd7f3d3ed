/**
 * The guard as its controller (the agent) sees it. Real: a client of the guard process's Unix socket.
 * Simulated: the same fence state machine (fence.ts) with a model PostgreSQL. Deadlines are absolute values
 * of Clock.now(), which is the same clock in every process of a host.
 */

import type { ClockReport } from "../model/clock_jump.ts";

export interface Postmaster {
  readonly pid: number;
  /** Started as (or promoted to) a server that may acknowledge writes. */
  readonly writable: boolean;
  /** Epoch under which it became writable; null for a standby. */
  readonly epoch: number | null;
  readonly phase: "running" | "frozen" | "ending";
  /**
   * A primary past its shutdown checkpoint: no longer writable. Absent: it is not, or the guard is of an
   * earlier release.
   */
  readonly closed?: boolean;
  /** False: found running and adopted; looked at five times a second, without PDEATHSIG. */
  readonly child: boolean;
}

/**
 * Started as, or promoted to, a primary; also once it is closed, or killed and kept by the kernel, and writes
 * no more.
 */
export function isPrimary({ writable, epoch }: Postmaster): boolean {
  return writable || epoch !== null;
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

export interface StartSpec {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: { readonly [name: string]: string };
  readonly dataDir: string;
  /** null: as a standby. Else as a primary under this epoch, which must be armed with time left. */
  readonly epoch: number | null;
}

export type GuardReply = { readonly ok: true } | { readonly ok: false; readonly error: string };
export type GuardDone = (reply: GuardReply) => void;

export interface GuardPort {
  view(): GuardView;
  onChange(handler: () => void): void;
  /**
   * Tells the guard that epoch's lease runs until deadlineMs, earlier than before when ttl was lowered. The
   * fence's ladder (freeze, thaw, kill) follows from it alone. `unfenced`: pause, no fencing for this epoch
   * until armed again without it.
   */
  arm(epoch: number, deadlineMs: number, unfenced: boolean, done: GuardDone): void;
  /** The epoch is over; refused while a writable postmaster of that epoch lives. Never accepted again. */
  end(epoch: number, done: GuardDone): void;
  /**
   * Takes the lock of the data directory that is there now (directory_owner.ts). Asked before anything is
   * done in a directory that may have been made, moved or mounted since. Refused when another agent owns it.
   */
  claim(done: GuardDone): void;
  /** Claims the directory first. */
  start(spec: StartSpec, done: GuardDone): void;
  /**
   * Declares what an adopted postmaster (`child: false`) is: a primary under `epoch`, which must be armed
   * with time left, or a standby (null). Until then it counts as writable and is not fenced.
   */
  adopt?(epoch: number | null, done: GuardDone): void;
  /**
   * Fences it as a primary from now on, and sends the promote signal, which does nothing without the trigger
   * file; refused without an armed epoch with time left.
   */
  promote(epoch: number, done: GuardDone): void;
  /** reload SIGHUP; fast SIGINT; immediate SIGQUIT. Thaws first when it is frozen and the signal ends it. */
  signal(kind: "reload" | "fast" | "immediate", done: GuardDone): void;
  /**
   * The primary `pid`, told to shut down, is past its shutdown checkpoint: the control file says "shut down".
   * From here on it is not writable and its epoch may be ended. The guard kills what is left of it after
   * `leftoversMs`. Refused without a shutdown that was asked for; an error of a guard of an earlier release,
   * which does not know this.
   */
  pastCheckpoint(pid: number, leftoversMs: number, done: GuardDone): void;
  /** Stop postmaster, SIGKILL everything of the data directory; done when no process is left. */
  kill(done: GuardDone): void;
  ping(done: GuardDone): void;
}
