/**
 * The fence: decides when PostgreSQL may run as a primary, when it is frozen, thawed and killed. Pure: no
 * I/O, no clock of its own; `nowMs` comes with every input. The guard process (server.ts) and the simulator
 * execute its effects at once and in order.
 *
 * Invariants, checked after every input:
 * - a writable postmaster runs unfrozen only while its epoch is armed and the deadline lies ahead, or is
 *   `unfenced`; one that was found while no epoch was in force has none before its role is told;
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
 * they and the archiver are all that is left, and commit nothing. So its epoch may be ended while they live.
 * The processes that still live after a limit are killed here, whatever has become of the agent. The
 * controller reads the control file: the guard does not touch the disk.
 *
 * Doomed: every process of the directory that is left has SIGKILL queued. The kernel keeps a process that
 * waits for a disk or a network file system (state D) for as long as that hangs, and a cluster must not wait
 * so long for a primary. Why nothing can be acknowledged then: SIGKILL cannot be blocked, and is acted upon
 * before the process runs another instruction of its own; a fork under way fails when it finds the signal.
 * The system call in which it waits may still write to the disk, but to a directory in which nothing is
 * started before `gone`. A freeze relies on the same when the lease runs out (SIGSTOP queued); a kill is
 * final besides. The same holds for processes that an earlier guard has left behind: a guard that dies leaves
 * a postmaster with SIGQUIT, and those of its children that hang in the kernel. The next guard finds them by
 * their directory, kills them, and then knows the same about them.
 */
import { LONGEST_LEASE_MS } from "../model/limits.ts";
import { MAX_FROZEN_MS, STOP_BUDGET_MS } from "../lease/stop_budget.ts";
import { type Authority, fencedUnder, type FenceState, isInForce, isWritable } from "./fence_state.ts";
import type { GuardReply } from "./port.ts";

/** While frozen, all processes are checked this often: a service manager may send SIGCONT. */
export const REFREEZE_MS = 100;
/** A closed postmaster's archiver and WAL senders are given no more than this. */
const MAX_LEFTOVERS_MS = 3_600_000;

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
  /** The role of the adopted postmaster `pid`: a primary under this epoch (null: a standby). */
  | { readonly kind: "adopt"; readonly epoch: number | null; readonly pid?: number }
  | { readonly kind: "promote"; readonly epoch: number }
  | { readonly kind: "signal"; readonly signal: "reload" | "fast" | "immediate" }
  /** This postmaster is past its shutdown checkpoint. Its remaining processes may take `leftoversMs` more. */
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

/** One input, then the ladder: a step that is due at nowMs never waits for the next tick. */
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
  if (fencedUnder(postmaster) === null || armed === null || armed.unfenced) return null;
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
      return found(state, input.pid, nowMs);
    case "adopt":
      return adopt(state, input, nowMs);
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
    return refuse(state, `deadline ${deadlineMs} comes from another clock`);
  }
  const same = armed !== null && armed.epoch === epoch;
  return accept({
    ...state,
    // A deadline earlier than before is intended: ttl was lowered. Requests come in order.
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

/**
 * An epoch whose deadline has passed says nothing about the server: this is a standby by now, or soon, and a
 * frozen one could not show it.
 */
function found(state: FenceState, pid: number, nowMs: number): FenceStep {
  const { postmaster, armed } = state;
  if (postmaster !== null) return refuse(state, `a postmaster runs already (pid ${postmaster.pid})`);
  const under = isInForce(state, nowMs) ? armed?.epoch : undefined;
  const authority: Authority = { kind: "undeclared", ...(under === undefined ? {} : { epoch: under }) };
  return accept(withPostmaster(state, pid, authority, false));
}

function adopt(state: FenceState, { epoch, pid }: FenceInput & { kind: "adopt" }, nowMs: number): FenceStep {
  const { postmaster } = state;
  if (postmaster === null || postmaster.killing) return refuse(state, "there is no postmaster to adopt");
  if ((pid ?? postmaster.pid) !== postmaster.pid) {
    return refuse(state, `it is ${postmaster.pid} now, not ${pid}`);
  }
  if (postmaster.authority.kind === "primary" && epoch === null) {
    return refuse(state, "a primary does not become a standby without a restart");
  }
  const why = epoch === null ? null : whyNotPrimary(state, epoch, nowMs);
  if (why !== null) return refuse(state, why);
  const declared = { ...postmaster, authority: authorityOf(epoch) };
  if (epoch !== null || postmaster.frozenAtMs === null) return accept({ ...state, postmaster: declared });
  // It was frozen before its role was told, and a standby is never thawed by the ladder.
  return accept({ ...state, postmaster: { ...declared, frozenAtMs: null } }, { kind: "thaw" });
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
  // Thawed to shut down, it could acknowledge writes on the way: a frozen server ends without running again.
  if (postmaster.frozenAtMs !== null) return kill(state, true);
  return accept({ ...state, postmaster: { ...postmaster, ending: true } }, { kind: "signal", signal: name });
}

function close(state: FenceState, pid: number, leftoversMs: number, nowMs: number): FenceStep {
  const { postmaster } = state;
  if (postmaster === null || postmaster.killing || postmaster.pid !== pid) {
    return refuse(state, `there is no postmaster (pid ${pid})`);
  }
  // Without a shutdown that the guard asked for, "shut down" in the control file may come from an earlier
  // server.
  if (!postmaster.ending) return refuse(state, "no shutdown was asked for");
  if (postmaster.frozenAtMs !== null) return refuse(state, "the postmaster is frozen");
  // The control file does not show the role of an undeclared one.
  if (postmaster.authority.kind !== "primary") return refuse(state, "the postmaster is no primary");
  const untilMs = nowMs + Math.min(Math.max(0, leftoversMs), MAX_LEFTOVERS_MS);
  return accept({
    ...state,
    postmaster: { ...postmaster, closedUntilMs: Math.min(postmaster.closedUntilMs ?? Infinity, untilMs) },
  });
}

/** The state of earlier swept processes says nothing about the ones found now. */
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
  if (postmaster === null || postmaster.killing) return { state, effects: [] };
  const epoch = fencedUnder(postmaster);
  if (epoch === null) return { state, effects: [] };
  if (postmaster.closedUntilMs !== undefined) {
    return nowMs < postmaster.closedUntilMs ? { state, effects: [] } : kill(state, false);
  }
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
