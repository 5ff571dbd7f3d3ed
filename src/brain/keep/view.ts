/**
 * The view by which the keeper decides: one plain value, and the questions that more than one rule asks of
 * it.
 */
import type { OwnAilment } from "../health/course.ts";
import type { DynamicConfig } from "../../model/config.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { pauseAfter } from "../../model/pause_after.ts";
import type { FinishedAction, PostgresView } from "../../model/postgres_view.ts";
import { type DcsState, foundingOf, historyOf, isInitialized, knownMember } from "../../model/records.ts";
import { remoteOf } from "../../model/standby_cluster.ts";
import type { Upstream } from "../../model/upstream.ts";
import type { SyncRulesLeftOut } from "../../sync/plan.ts";
import type { Standstill } from "../../sync/standstill.ts";
import { canTakeOver } from "../cluster/candidate.ts";
import { FRESH_MS, type SeenStatus } from "../cluster/successor_view.ts";
import { serves } from "../cluster/serves.ts";
import { statusOf } from "../cluster/view.ts";
import { endedInOrder, mayFollow } from "./may_follow.ts";

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
  /** How long the server has been a primary; Infinity: it was one when this agent started. Absent: the same. */
  readonly primaryForMs?: number;
  /** The standbys that stand still, or against which that is held. Absent: none. */
  readonly standstills?: { readonly [standby: string]: Standstill };
  /** See PlanView (src/sync/plan.ts). Absent: nothing is frozen, nothing left out. */
  readonly syncFrozen?: boolean;
  readonly syncWithout?: SyncRulesLeftOut;
  /** By the records, which may be old, the epoch is unfenced and this machine's since its boot (isUnfenced). */
  readonly ownsUnfenced: boolean;
  /** The holder of a logged failsafe set may still write: nothing that could write may begin here. */
  readonly failsafeWait?: boolean;
  /** A watchdog is required here and cannot be used: no leadership. */
  readonly watchdogFailed?: boolean;
  /** What is not well with this host or its PostgreSQL; null or absent: not looked at. */
  readonly ailments?: readonly OwnAilment[] | null;
  /** True in the simulator's variant that promotes before the first renewal is acknowledged. */
  readonly skipLeaseCheck: boolean;
  /** Any process of the data directory lives. */
  readonly anyProcess: boolean;
  readonly statuses: readonly SeenStatus[];
  /** Raft ids of members that have not said yet what they have, for a moment at the most. Absent: none. */
  readonly unheard?: readonly number[];
  /** Names of `statuses` whose members are not in the raft group (any more). Absent: none. */
  readonly left?: readonly string[];
  /** ms for which a running standby has not been streaming from the present holder on its timeline. */
  readonly notStreamingForMs: number;
  /**
   * The epoch under which this standby was last known to be on the history of its holder (VouchedEpoch).
   * Null or absent: not known.
   */
  readonly vouchedEpoch?: number | null;
  /** The same, also of one that follows nobody since. */
  readonly walEpoch?: number | null;
  /**
   * When the holder may last have changed its history without a new epoch: a comparison of before does not
   * count. Null or absent: not since the agent's start.
   */
  readonly roleMs?: number | null;
  /**
   * When this member last heard that what it follows has other data, that the cluster was told to follow
   * another one, also where it was told otherwise by then, so that its upstream may have been rewound, or
   * that its own directory was replaced. Null or absent: not since the agent's start.
   */
  readonly upstreamRewoundMs?: number | null;
  /** The server outside that the cluster followed last. Null or absent: none since the agent's start. */
  readonly lastRemote?: Upstream | null;
  /** When the end of received WAL was last seen to grow on any other member. */
  readonly receivedGrewMs: number;
  /** ms for which the server has been starting; 0: it is not. */
  readonly startingForMs: number;
  /** ms since a raft leader was known here. */
  readonly raftLostForMs: number;
  /** ms for which a server that was found running has not said whether it is a primary; 0: there is none. */
  readonly undeclaredForMs: number;
  /** SIGTERM: stop PostgreSQL, hand over, leave. */
  readonly stopping: boolean;
  readonly wantsRestart: boolean;
  /** When the restart or reinitialize that is wanted was asked for, ms of the agent's clock. */
  readonly askedMs?: number;
  /** The seconds that the restart which was asked for last may take; null or absent: no limit. */
  readonly restartTimeoutS?: number | null;
  /** Operator's reinitialize, until the old directory is out of the way. */
  readonly wantsReinit: { readonly fromLeader: boolean } | null;
  /** From that request until the new copy runs; null or absent: none is under way. */
  readonly reinitializing?: { readonly fromLeader: boolean } | null;
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
 * processes that an earlier guard has left behind.
 */
export function isDoomed({ postgres }: NodeView): boolean {
  const { process, writable, epoch, shutdown, action, doomed } = postgres;
  if (process === "orphans") return doomed === true;
  // A stop, or a restart, that has not come to a kill asks its server to end.
  const asked = (action?.kind === "stop" || action?.kind === "restart") && !action.detail.startsWith("kill");
  return process === "stopping" && !writable && epoch !== null && !asked && shutdown?.stage !== "closed";
}

/** The other members that are reachable and could be promoted. */
export function othersThatCan(view: NodeView): readonly MemberStatus[] {
  return view.statuses.filter(({ status, ageMs }) =>
    status.name !== view.name && ageMs < FRESH_MS && canTakeOver(status, view)
  ).map(({ status }) => status);
}

/** One of them would be granted the lock, if this member ended as it stands, or in order. */
export function someoneElseCan(view: NodeView, inOrder = endedInOrder(view.postgres)): boolean {
  return othersThatCan(view).some((status) => mayFollow(status, view, inOrder));
}

/** An accepted request that this epoch is to end for. */
export function stepDownWanted(view: NodeView): boolean {
  const { failover, lock } = view.dcs;
  return failover !== null && failover.accepted && failover.epoch === lock.epoch &&
    failover.candidate !== view.name;
}

/**
 * The holder's status, if it is reachable and, under the present epoch, a running primary; in a standby
 * cluster a running standby.
 */
export function livingHolder(view: Pick<NodeView, "dcs" | "dynamic" | "statuses">): MemberStatus | null {
  const seen = statusOf(view, view.dcs.lock.holder);
  if (seen === undefined || seen.ageMs >= FRESH_MS) return null;
  return serves(seen.status, view) ? seen.status : null;
}

/** The server outside that this node's cluster follows; null: the cluster has a primary of its own. */
export function remoteUpstream({ dynamic: { standbyCluster } }: Pick<NodeView, "dynamic">): Upstream | null {
  return standbyCluster === null ? null : remoteOf(standbyCluster);
}

/**
 * A standby, also one that the guard counts as a primary already: its agent died, or failed, before it had
 * told the server. A second promote signal does no harm. A server that recovers to a target without being a
 * standby is not hurried.
 */
export function awaitsPromotion({ postgres: { writable, inRecovery, directory } }: NodeView): boolean {
  return !writable || (inRecovery === true && directory.kind === "valid" && directory.standbySignal);
}

/**
 * The guard found this server running, did not start it, and has not been told its role: nothing fences it.
 */
export function isUndeclared(
  { postgres: { process, writable, epoch } }: Pick<NodeView, "postgres">,
): boolean {
  return process !== "none" && writable && epoch === null;
}

/** What its directory is known to be a part of, and what the cluster is. */
export interface FoundingView {
  readonly dcs: Pick<DcsState, "initialize" | "clusterEpoch">;
  readonly postgres: Pick<PostgresView, "directory">;
}

/**
 * It is not known to be a part of this cluster's history: the cluster was founded anew, perhaps from an older
 * copy of its data. Then timelines and positions do not show whose WAL it has.
 */
export function isUnjoined(view: FoundingView): boolean {
  if (!isUncompared(view)) return false;
  const founding = foundingOf(view.dcs.initialize!);
  return markOf(view) !== founding && markOf(view)?.startsWith(`${founding} recovered `) !== true;
}

/** The same, or it has not been a part of it since the cluster was recovered from a lost majority. */
export function isUncompared(view: FoundingView): boolean {
  const mark = markOf(view);
  const { initialize, clusterEpoch } = view.dcs;
  if (mark === undefined || !isInitialized({ initialize })) return false;
  return mark !== historyOf(initialize!, clusterEpoch);
}

function markOf({ postgres: { directory } }: FoundingView): string | null | undefined {
  return directory.kind === "valid" ? directory.founding : undefined;
}

/** It runs for its users as it did before there was an agent: it is neither changed nor ended. */
export function isUnmanaged(view: Pick<NodeView, "postgres">): boolean {
  const { directory } = view.postgres;
  return isUndeclared(view) && directory.kind === "valid" && directory.unmanaged === true;
}

/** This member claimed the bootstrap in this start of the agent, and it is still in progress. */
export function ownBootstrap(view: NodeView): boolean {
  const { initialize } = view.dcs;
  return initialize !== null && initialize.systemId === "" && initialize.by === view.name &&
    initialize.incarnation === view.incarnation;
}

/**
 * Member `name` as a source to copy from or to follow; null: no name, this member itself, or a member without
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

/** There is no data directory to be a primary with. */
export function isEmpty({ postgres: { directory } }: NodeView): boolean {
  return directory.kind === "absent" || directory.kind === "empty";
}
