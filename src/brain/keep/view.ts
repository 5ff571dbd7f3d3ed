/**
 * The view by which the keeper decides: one plain value, and the questions that more than one rule asks of
 * it.
 */
import type { DynamicConfig } from "../../model/config.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { pauseAfter } from "../../model/pause_after.ts";
import type { FinishedAction, PostgresView } from "../../model/postgres_view.ts";
import { type DcsState, knownMember } from "../../model/records.ts";
import type { Upstream } from "../actions.ts";
import { ineligible } from "../cluster/successor.ts";
import { FRESH_MS, type SeenStatus } from "../cluster/successor_view.ts";

/** The pause after a failed action of a kind; it grows with each failure in a row. */
const RETRY_MS = 2000;
const MAX_RETRY_MS = 60_000;

export interface NodeView {
  readonly nowMs: number;
  readonly name: string;
  readonly incarnation: number;
  readonly dcs: DcsState;
  readonly dynamic: DynamicConfig;
  /**
   * This member's own record of this start has been applied: what it knows of the cluster is not older than
   * its start.
   */
  readonly joined: boolean;
  readonly postgres: PostgresView;
  /** Whether this member holds the lock by the rules of tenure.ts: renewals go out for this epoch. */
  readonly tenure: "none" | "holding" | "to-release";
  /**
   * When this member began to hold the present epoch in this start of the agent; -Infinity when it was
   * adopted, or none is held.
   */
  readonly heldSinceMs: number;
  /** The lease is acknowledged, runs, and the guard has confirmed that it is armed with it. */
  readonly leaseUsable: boolean;
  /** The holder of a logged failsafe set may still write: nothing that could write may begin here. */
  readonly failsafeWait?: boolean;
  /** A watchdog is required here and cannot be used: no leadership. */
  readonly watchdogFailed?: boolean;
  /** True in the simulator's variant that promotes before the first renewal is acknowledged. */
  readonly skipLeaseCheck: boolean;
  /** Any process of the data directory lives. */
  readonly anyProcess: boolean;
  readonly statuses: readonly SeenStatus[];
  /** ms for which a running standby has not been streaming from the present holder on its timeline. */
  readonly notStreamingForMs: number;
  /** postgresql.pg_ctl_timeout: what a step of a shutdown may take that has no limit of its own. */
  readonly pgCtlTimeoutS: number;
  /** When the end of received WAL was last seen to grow on any other member. */
  readonly receivedGrewMs: number;
  /** ms since a raft leader was known here. */
  readonly raftLostForMs: number;
  /** ms for which a server that was found running has not said whether it is a primary; 0: there is none. */
  readonly undeclaredForMs: number;
  /** SIGTERM: stop PostgreSQL, hand over, leave. */
  readonly stopping: boolean;
  readonly wantsRestart: boolean;
  /** Operator's reinitialize: member to copy from (null: choose). */
  readonly wantsReinit: { readonly fromLeader: boolean } | null;
  /** From that request until the new copy runs. */
  readonly reinitializing?: boolean;
}

/** The last action of a kind failed, and the pause that follows a failure is not over. */
export function retryLater(
  last: Pick<FinishedAction, "ok" | "atMs" | "failures"> | undefined,
  nowMs: number,
): boolean {
  return last !== undefined && !last.ok &&
    nowMs - last.atMs < pauseAfter(last.failures, RETRY_MS, MAX_RETRY_MS);
}

/**
 * Killed, with processes that the kernel keeps: they run nothing any more, by word of the guard. "orphans":
 * what an earlier guard has left behind.
 */
export function isDoomed({ postgres }: NodeView): boolean {
  const { process, writable, epoch, shutdown, action, doomed } = postgres;
  if (process === "orphans") return doomed === true;
  const killing = action?.kind !== "stop" || action.detail === "kill";
  return process === "stopping" && !writable && epoch !== null && killing && shutdown?.stage !== "closed";
}

/** Another member that is reachable could be promoted. */
export function someoneElseCan(view: NodeView): boolean {
  return view.statuses.some(({ status, ageMs }) =>
    status.name !== view.name && ageMs < FRESH_MS && ineligible(status, view) === null
  );
}

/** An accepted request that this epoch is to end for. */
export function stepDownWanted(view: NodeView): boolean {
  const { failover, lock } = view.dcs;
  return failover !== null && failover.accepted && failover.epoch === lock.epoch &&
    failover.candidate !== view.name;
}

/** The holder's status, if it is reachable and a running primary under the present epoch. */
export function livingHolder(view: NodeView): MemberStatus | null {
  const { lock } = view.dcs;
  const seen = view.statuses.find((each) => each.status.name === lock.holder);
  if (seen === undefined || seen.ageMs >= FRESH_MS) return null;
  return seen.status.writable && seen.status.running && seen.status.epochSeen === lock.epoch
    ? seen.status
    : null;
}

/**
 * A standby, also one that the guard counts as a primary already: its agent died, or failed, before it had
 * told the server. To be told once more does no harm. What recovers to a target without being a standby is
 * not hurried.
 */
export function awaitsPromotion({ postgres: { writable, inRecovery, directory } }: NodeView): boolean {
  return !writable || (inRecovery === true && directory.kind === "valid" && directory.standbySignal);
}

/** This member claimed the bootstrap in this start of the agent, and it is still in progress. */
export function ownBootstrap(view: NodeView): boolean {
  const { initialize } = view.dcs;
  return initialize !== null && initialize.systemId === "" && initialize.by === view.name &&
    initialize.incarnation === view.incarnation;
}

/**
 * Member `name` as somebody to copy from or to follow; null: nobody, this member itself, or a member without
 * a record.
 */
export function upstreamOf(view: NodeView, name: string | null): Upstream | null {
  if (name === null || name === view.name) return null;
  const facts = knownMember(view.dcs, name);
  return facts === undefined ? null : { name, connUrl: facts.connUrl };
}

/**
 * The member that this one is a standby of; null: the lock is free or this member's own, or its holder's
 * address is not known.
 */
export function sourceOf(view: NodeView): Upstream | null {
  return view.tenure === "holding" ? null : upstreamOf(view, view.dcs.lock.holder);
}
