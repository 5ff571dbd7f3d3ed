/** What the fence knows: its epoch, and the one postmaster of its directory. The rules: fence.ts. */

export interface Armed {
  readonly epoch: number;
  readonly deadlineMs: number;
  readonly unfenced: boolean;
}

/**
 * "undeclared": found, and not yet declared to be a primary or a standby. It counts as writable. Where no
 * epoch was in force when it was found, it is not fenced, as nothing fenced it before. Otherwise it is fenced
 * with that `epoch` until its role is told: it may be the primary of that epoch, which others have restarted,
 * and no agent may be left to tell its role.
 */
export type Authority =
  | { readonly kind: "standby" }
  | { readonly kind: "primary"; readonly epoch: number }
  | { readonly kind: "undeclared"; readonly epoch?: number };

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
   * Closed: it acknowledges nothing any more, and its remaining processes are killed at this time. Absent:
   * open.
   */
  readonly closedUntilMs?: number;
  /** It acknowledges nothing any more: SIGKILL is queued for all that is left. Absent: not known. */
  readonly doomed?: boolean;
}

export interface FenceState {
  readonly armed: Armed | null;
  readonly endedEpoch: number;
  readonly postmaster: FencePostmaster | null;
  /** Processes of the data directory without a postmaster, being killed. Nothing starts before `gone`. */
  readonly sweeping: boolean;
  /**
   * SIGKILL is queued for all of these that are left: they acknowledge nothing any more. Absent: not known.
   */
  readonly sweptDoomed?: boolean;
  readonly killAfterMs: number;
}

export function newFence(killAfterMs: number): FenceState {
  return { armed: null, endedEpoch: 0, postmaster: null, sweeping: false, killAfterMs };
}

/** Whether it may still acknowledge writes. */
export function isWritable({ authority, closedUntilMs, doomed }: FencePostmaster): boolean {
  return authority.kind !== "standby" && closedUntilMs === undefined && doomed !== true;
}

/** An epoch is armed, and nobody else may write under a later one yet. */
export function isInForce({ armed }: FenceState, nowMs: number): boolean {
  return armed !== null && (armed.unfenced || armed.deadlineMs > nowMs);
}

/** The epoch at whose end it is frozen; null: it is not fenced. */
export function fencedUnder({ authority }: FencePostmaster): number | null {
  return authority.kind === "standby" ? null : authority.epoch ?? null;
}

/** Something of the directory is left, and acknowledges nothing any more: SIGKILL is queued for all of it. */
export function isDoomed({ postmaster, sweeping, sweptDoomed }: FenceState): boolean {
  return postmaster === null ? sweeping && sweptDoomed === true : postmaster.doomed === true;
}
