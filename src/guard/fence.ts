/**
 * The fence: decides when PostgreSQL may run as a primary, when it is frozen, thawed and killed. Pure: no
 * I/O, no clock of its own; `nowMs` comes with every input. The guard process (server.ts) and the simulator
 * execute its effects at once and in order.
 *
 * Invariants, checked after every input:
 * - a writable postmaster runs unfrozen only while its epoch is armed and the deadline lies ahead, or is
 *   `unfenced`;
 * - an ended epoch, and every epoch below it, is never accepted again;
 * - a postmaster counts as closed only after a shutdown was asked for through this fence, and is never open
 *   again;
 * - it counts as doomed only while it is being killed, and until it is gone nothing is started in its place.
 *
 * Closed: the shutdown checkpoint is written, the control file says "shut down". Why nothing can be
 * acknowledged then: the postmaster tells the checkpointer to write that checkpoint only when no backend, no
 * background worker and no autovacuum is left, and a shutdown that was asked for never goes back: its states
 * only go forward, and with a shutdown asked for a crash of a child ends the postmaster instead of starting
 * it anew. WAL senders have been told before the checkpoint to take no more commands (WalSndInitStopping);
 * they and the archiver are all that is left, and commit nothing. So its epoch may be ended while they live,
 * and what still lives after a limit is killed here, whatever has become of the agent. The controller reads
 * the control file: the guard does not touch the disk.
 *
 * Doomed: every process of the directory that is left has SIGKILL queued. The kernel keeps one that waits for
 * a disk or a network file system (state D) for as long as that hangs, and nobody must wait so long for a
 * primary. Why nothing can be acknowledged then: SIGKILL cannot be blocked, and is acted upon before the
 * process runs another instruction of its own; a fork under way fails when it finds the signal. What the call
 * in which it waits still does to the disk, it does to a directory in which nothing is started before
 * \`gone\`. That is what a freeze relies on when the lease runs out (SIGSTOP queued), and more: it is final.
 * The same counts for what an earlier guard has left behind: a guard that dies leaves a postmaster with
 * SIGQUIT, and those of its children that hang in the kernel; the next one finds them by their directory,
 * kills them, and knows as much of them then.
 */
import { LONGEST_LEASE_MS } from "../model/limits.ts";
import { MAX_FROZEN_MS, STOP_BUDGET_MS } from "../lease/stop_budget.ts";
import type { GuardReply } from "./port.ts";

/**
 * While frozen, everything is looked at again this often: something outside (a service manager) may send
 * SIGCONT.
 */
export const REFREEZE_MS = 100;
/** A closed postmaster's archiver and WAL senders are given no more than this. */
const MAX_LEFTOVERS_MS = 3_600_000;

export interface Armed {
  readonly epoch: number;
  readonly deadlineMs: number;
  readonly unfenced: boolean;
}

/**
 * "undeclared": adopted, and nobody has said yet whether it is a primary. Not fenced (nothing fenced it
 * before), but counted as writable.
 */
export type Authority =
  | { readonly kind: "standby" }
  | { readonly kind: "primary"; readonly epoch: number }
  | { readonly kind: "undeclared" };

export interface FencePostmaster {
  readonly pid: number;
  readonly authority: Authority;
  readonly child: boolean;
  /** A shutdown was asked for. */
  readonly ending: boolean;
  readonly frozenAtMs: number | null;
  /** Being killed, or already gone while others of its directory are: final, ends with `gone`. */
  readonly killing: boolean;
  /** True when the ladder, not a request, ended it. */
  readonly fenced: boolean;
  /**
   * Closed: it acknowledges nothing any more, and what is left of it is killed at this time. Absent: it is
   * open.
   */
  readonly closedUntilMs?: number;
  /** It acknowledges nothing any more: SIGKILL is queued for whatever is left of it. Absent: not known. */
  readonly doomed?: boolean;
}

export interface FenceState {
  readonly armed: Armed | null;
  readonly endedEpoch: number;
  readonly postmaster: FencePostmaster | null;
  /** Processes of the data directory without a postmaster, being killed. Nothing starts before `gone`. */
  readonly sweeping: boolean;
  /**
   * SIGKILL is queued for whatever is left of these: they acknowledge nothing any more. Absent: not known.
   */
  readonly sweptDoomed?: boolean;
  readonly killAfterMs: number;
}

export type FenceInput =
  /** killAfterMs: how long a freeze may last, when the caller wants it changed (the ttl). */
  | {
    readonly kind: "arm";
    readonly epoch: number;
    readonly deadlineMs: number;
    readonly unfenced: boolean;
    readonly killAfterMs?: number;
  }
  | { readonly kind: "end"; readonly epoch: number }
  /**
   * May it be started? epoch null: as a standby. When accepted, the owner starts it and says `started` at
   * once.
   */
  | { readonly kind: "start"; readonly epoch: number | null }
  | { readonly kind: "started"; readonly pid: number; readonly epoch: number | null }
  /** A postmaster was found running. */
  | { readonly kind: "found"; readonly pid: number }
  /** The role of the adopted postmaster: a primary under this epoch (null: a standby). */
  | { readonly kind: "adopt"; readonly epoch: number | null }
  | { readonly kind: "promote"; readonly epoch: number }
  | { readonly kind: "signal"; readonly signal: "reload" | "fast" | "immediate" }
  /** This postmaster is past its shutdown checkpoint. What is left of it may take `leftoversMs` more. */
  | { readonly kind: "close"; readonly pid: number; readonly leftoversMs: number }
  | { readonly kind: "kill" }
  /** The postmaster has ended; others of its directory may live. */
  | { readonly kind: "exited" }
  /** Processes of the data directory were found, but no postmaster. */
  | { readonly kind: "orphans" }
  /** Every process of the data directory that is left has SIGKILL queued. */
  | { readonly kind: "doomed" }
  /** No process of the data directory is left. */
  | { readonly kind: "gone" }
  | { readonly kind: "tick" };

export type FenceEffect =
  /**
   * Stop the postmaster, then every process of the directory. Repeated while frozen: must be harmless then.
   */
  | { readonly kind: "freeze" }
  | { readonly kind: "thaw" }
  /** Kill everything of the directory and say `gone` when nothing is left. */
  | { readonly kind: "kill" }
  | { readonly kind: "signal"; readonly signal: "reload" | "fast" | "immediate" | "promote" };

export interface FenceStep {
  readonly state: FenceState;
  readonly effects: readonly FenceEffect[];
  readonly reply: GuardReply;
}

export function newFence(killAfterMs: number): FenceState {
  return {
    armed: null,
    endedEpoch: 0,
    postmaster: null,
    sweeping: false,
    killAfterMs,
  };
}

/** One input, then the ladder: what is due at nowMs is never left for the next tick. */
export function stepFence(state: FenceState, input: FenceInput, nowMs: number): FenceStep {
  const handled = handle(state, input, nowMs);
  const climbed = climb(handled.state, nowMs);
  return { state: climbed.state, effects: [...handled.effects, ...climbed.effects], reply: handled.reply };
}

/** When the fence must be called again, absolute; null: not before the next input. */
export function fenceDueMs(state: FenceState, nowMs: number): number | null {
  const { postmaster, armed } = state;
  if (postmaster === null || postmaster.killing) return null;
  if (postmaster.closedUntilMs !== undefined) return postmaster.closedUntilMs;
  if (postmaster.frozenAtMs !== null) {
    return Math.min(postmaster.frozenAtMs + state.killAfterMs, nowMs + REFREEZE_MS);
  }
  if (postmaster.authority.kind !== "primary" || armed === null || armed.unfenced) return null;
  return armed.deadlineMs;
}

const ok: GuardReply = { ok: true };

function accept(state: FenceState, ...effects: FenceEffect[]): FenceStep {
  return { state, effects, reply: ok };
}

function refuse(state: FenceState, error: string): FenceStep {
  return { state, effects: [], reply: { ok: false, error } };
}

function handle(state: FenceState, input: FenceInput, nowMs: number): FenceStep {
  switch (input.kind) {
    case "arm":
      return arm(state, input, nowMs);
    case "end":
      return end(state, input.epoch);
    case "start":
      return start(state, input.epoch, nowMs);
    case "started":
      return accept(withPostmaster(state, input.pid, authorityOf(input.epoch), true));
    case "found":
      return found(state, input.pid);
    case "adopt":
      return adopt(state, input.epoch, nowMs);
    case "promote":
      return promote(state, input.epoch, nowMs);
    case "signal":
      return signal(state, input.signal);
    case "close":
      return close(state, input.pid, input.leftoversMs, nowMs);
    case "kill":
      return state.postmaster === null ? sweep(state) : kill(state, false);
    case "exited":
      return state.postmaster === null ? accept(state) : kill(state, state.postmaster.fenced);
    case "orphans":
      return state.postmaster === null ? sweep(state) : accept(state);
    case "doomed":
      return doom(state);
    case "gone":
      return accept({ ...state, postmaster: null, sweeping: false, sweptDoomed: false });
    case "tick":
      return accept(state);
  }
}

function authorityOf(epoch: number | null): Authority {
  return epoch === null ? { kind: "standby" } : { kind: "primary", epoch };
}

function withPostmaster(state: FenceState, pid: number, authority: Authority, child: boolean): FenceState {
  const postmaster = {
    pid,
    authority,
    child,
    ending: false,
    frozenAtMs: null,
    killing: false,
    fenced: false,
  };
  return { ...state, postmaster, sweeping: false, sweptDoomed: false };
}

/** Whether it may still acknowledge writes. */
export function isWritable({ authority, closedUntilMs, doomed }: FencePostmaster): boolean {
  return authority.kind !== "standby" && closedUntilMs === undefined && doomed !== true;
}

/** Something of the directory is left, and acknowledges nothing any more: SIGKILL is queued for all of it. */
export function isDoomed({ postmaster, sweeping, sweptDoomed }: FenceState): boolean {
  return postmaster === null ? sweeping && sweptDoomed === true : postmaster.doomed === true;
}

function arm(state: FenceState, input: FenceInput & { kind: "arm" }, nowMs: number): FenceStep {
  const { epoch, deadlineMs, unfenced } = input;
  const { armed } = state;
  if (epoch <= state.endedEpoch) {
    return refuse(state, `epoch ${epoch} is over (ended up to ${state.endedEpoch})`);
  }
  if (armed !== null && epoch < armed.epoch) {
    return refuse(state, `epoch ${epoch} is older than ${armed.epoch}`);
  }
  // No lease is that long: such a deadline comes from another clock. Leaders count on it (longestWaitMs in
  // src/lease/renewal.ts).
  if (!(deadlineMs <= nowMs + LONGEST_LEASE_MS)) {
    return refuse(state, `deadline ${deadlineMs} is of another clock`);
  }
  const same = armed !== null && armed.epoch === epoch;
  return accept({
    ...state,
    // An earlier deadline than before is meant: ttl was lowered. Requests come in order.
    armed: { epoch, deadlineMs, unfenced },
    // A newer epoch ends the older one, as if end() had said so.
    endedEpoch: armed !== null && !same ? armed.epoch : state.endedEpoch,
    killAfterMs: Math.min(input.killAfterMs ?? state.killAfterMs, MAX_FROZEN_MS),
  });
}

function end(state: FenceState, epoch: number): FenceStep {
  const { postmaster, armed } = state;
  if (epoch <= state.endedEpoch) return accept(state);
  if (state.sweeping && state.sweptDoomed !== true) {
    return refuse(state, "processes of PostgreSQL are still being killed");
  }
  if (postmaster !== null) {
    const authority = postmaster.authority;
    const older = authority.kind === "undeclared" ||
      (authority.kind === "primary" && authority.epoch <= epoch);
    if (older && isWritable(postmaster)) {
      return refuse(state, `the postmaster (pid ${postmaster.pid}) may still acknowledge writes`);
    }
  }
  return accept({
    ...state,
    endedEpoch: epoch,
    armed: armed !== null && armed.epoch <= epoch ? null : armed,
  });
}

/** null when `epoch` may become or stay a primary's now; else why not. */
function whyNotPrimary(state: FenceState, epoch: number, nowMs: number): string | null {
  const { armed } = state;
  if (epoch <= state.endedEpoch) return `epoch ${epoch} is over (ended up to ${state.endedEpoch})`;
  if (armed === null || armed.epoch !== epoch) return `epoch ${epoch} is not armed`;
  if (armed.unfenced) return null;
  const leftMs = armed.deadlineMs - nowMs;
  return leftMs < STOP_BUDGET_MS
    ? `epoch ${epoch} has ${Math.floor(leftMs)} ms left, less than needed`
    : null;
}

function start(state: FenceState, epoch: number | null, nowMs: number): FenceStep {
  if (state.postmaster !== null) {
    return refuse(state, `a postmaster runs already (pid ${state.postmaster.pid})`);
  }
  if (state.sweeping) return refuse(state, "processes of PostgreSQL are still being killed");
  const why = epoch === null ? null : whyNotPrimary(state, epoch, nowMs);
  return why === null ? accept(state) : refuse(state, why);
}

function found(state: FenceState, pid: number): FenceStep {
  if (state.postmaster !== null) {
    return refuse(state, `a postmaster runs already (pid ${state.postmaster.pid})`);
  }
  return accept(withPostmaster(state, pid, { kind: "undeclared" }, false));
}

function adopt(state: FenceState, epoch: number | null, nowMs: number): FenceStep {
  const { postmaster } = state;
  if (postmaster === null || postmaster.killing) return refuse(state, "there is no postmaster to adopt");
  if (postmaster.authority.kind === "primary" && epoch === null) {
    return refuse(state, "a primary does not become a standby without a restart");
  }
  const why = epoch === null ? null : whyNotPrimary(state, epoch, nowMs);
  if (why !== null) return refuse(state, why);
  return accept({ ...state, postmaster: { ...postmaster, authority: authorityOf(epoch) } });
}

function promote(state: FenceState, epoch: number, nowMs: number): FenceStep {
  const { postmaster } = state;
  if (postmaster === null || postmaster.killing) return refuse(state, "there is no postmaster to promote");
  if (postmaster.ending) return refuse(state, "the postmaster is being shut down");
  if (postmaster.frozenAtMs !== null) return refuse(state, "the postmaster is frozen");
  const why = whyNotPrimary(state, epoch, nowMs);
  if (why !== null) return refuse(state, why);
  const promoted = { ...state, postmaster: { ...postmaster, authority: authorityOf(epoch) } };
  return accept(promoted, { kind: "signal", signal: "promote" });
}

function signal(state: FenceState, name: "reload" | "fast" | "immediate"): FenceStep {
  const { postmaster } = state;
  if (postmaster === null || postmaster.killing) return refuse(state, "there is no postmaster");
  if (name === "reload") return accept(state, { kind: "signal", signal: name });
  // Thawed to shut down, it could acknowledge writes on the way: what is frozen ends without running again.
  if (postmaster.frozenAtMs !== null) return kill(state, true);
  return accept({ ...state, postmaster: { ...postmaster, ending: true } }, { kind: "signal", signal: name });
}

function close(state: FenceState, pid: number, leftoversMs: number, nowMs: number): FenceStep {
  const { postmaster } = state;
  if (postmaster === null || postmaster.killing || postmaster.pid !== pid) {
    return refuse(state, `there is no postmaster (pid ${pid})`);
  }
  // Without a shutdown that the guard asked for, "shut down" may be what an earlier server has left in the
  // control file.
  if (!postmaster.ending) return refuse(state, "no shutdown was asked for");
  if (postmaster.frozenAtMs !== null) return refuse(state, "the postmaster is frozen");
  // What an undeclared one is, the control file does not say.
  if (postmaster.authority.kind !== "primary") return refuse(state, "the postmaster is no primary");
  const untilMs = nowMs + Math.min(Math.max(0, leftoversMs), MAX_LEFTOVERS_MS);
  return accept({
    ...state,
    postmaster: { ...postmaster, closedUntilMs: Math.min(postmaster.closedUntilMs ?? Infinity, untilMs) },
  });
}

/** Knowledge of processes that were swept before says nothing of those that are found now. */
function sweep(state: FenceState): FenceStep {
  return accept({ ...state, sweeping: true, sweptDoomed: false }, { kind: "kill" });
}

function doom(state: FenceState): FenceStep {
  const { postmaster } = state;
  if (postmaster === null && state.sweeping) return accept({ ...state, sweptDoomed: true });
  if (postmaster === null || !postmaster.killing) return refuse(state, "nothing is being killed");
  return accept({ ...state, postmaster: { ...postmaster, doomed: true } });
}

function kill(state: FenceState, fenced: boolean): FenceStep {
  const { postmaster } = state;
  if (postmaster === null) return accept(state);
  return accept({ ...state, postmaster: { ...postmaster, killing: true, fenced } }, { kind: "kill" });
}

/**
 * freeze at the deadline; thaw when the same epoch has enough time again; kill when the lock is lost or it
 * lasts.
 */
function climb(state: FenceState, nowMs: number): { state: FenceState; effects: readonly FenceEffect[] } {
  const { postmaster, armed } = state;
  if (postmaster === null || postmaster.killing || postmaster.authority.kind !== "primary") {
    return { state, effects: [] };
  }
  if (postmaster.closedUntilMs !== undefined) {
    return nowMs < postmaster.closedUntilMs ? { state, effects: [] } : kill(state, false);
  }
  const { epoch } = postmaster.authority;
  if (armed === null || armed.epoch !== epoch || epoch <= state.endedEpoch) return kill(state, true);
  const leftMs = armed.unfenced ? Infinity : armed.deadlineMs - nowMs;
  if (postmaster.frozenAtMs === null) {
    if (leftMs > 0) return { state, effects: [] };
    return {
      state: { ...state, postmaster: { ...postmaster, frozenAtMs: nowMs } },
      effects: [{ kind: "freeze" }],
    };
  }
  if (leftMs >= STOP_BUDGET_MS) {
    return {
      state: { ...state, postmaster: { ...postmaster, frozenAtMs: null } },
      effects: [{ kind: "thaw" }],
    };
  }
  if (nowMs >= postmaster.frozenAtMs + state.killAfterMs) return kill(state, true);
  return { state, effects: [{ kind: "freeze" }] };
}
