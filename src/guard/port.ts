/**
 * The guard as its controller (the agent) sees it. Real: a client of the guard process's Unix socket.
 * Simulated: the same fence state machine (fence.ts) with a model PostgreSQL. Deadlines are absolute values
 * of Clock.now(), which is the same clock in every process of a host.
 */

import type { GuardView } from "../model/guard_view.ts";

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
  /**
   * Claims it for a command of the user's own, which finds it without the guard's file (lent_directory.ts).
   * Ends with the next claim.
   */
  lend(done: GuardDone): void;
  /** Claims the directory first. */
  start(spec: StartSpec, done: GuardDone): void;
  /**
   * Declares the role of an adopted postmaster (`child: false`): a primary under `epoch`, which must be armed
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
   * From here on it is not writable and its epoch may be ended. The guard kills its remaining processes after
   * `leftoversMs`. Refused without a shutdown that was asked for. A guard of an earlier release answers with
   * an error.
   */
  pastCheckpoint(pid: number, leftoversMs: number, done: GuardDone): void;
  /** Stop postmaster, SIGKILL everything of the data directory; done when no process is left. */
  kill(done: GuardDone): void;
  ping(done: GuardDone): void;
}
