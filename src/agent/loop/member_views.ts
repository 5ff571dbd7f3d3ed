/** A member's view of itself: the inputs of its decisions, of its status, and of its watchdog. Reads only. */
import { whyReinit } from "../../brain/keep/rejoin.ts";
import type { NodeView } from "../../brain/keep/view.ts";
import type { BrokenRules } from "../../dcs/broken_rules.ts";
import { isUnfenced } from "../../model/life.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import type { SyncRulesLeftOut } from "../../sync/plan.ts";
import type { WatchdogView } from "../lease/watchdog.ts";
import { leftGroup } from "../peers/left_group.ts";
import type { MemberRooms } from "./member_rooms.ts";
import type { OwnLook } from "./own_events.ts";
import { type OwnStatusInput, watchdogSummary } from "./own_status.ts";

/** Requests to this member. */
export interface Wishes {
  /** SIGTERM. */
  readonly stopping: boolean;
  readonly restart: boolean;
  /** When it was asked for, ms of the agent's clock. */
  readonly restartAskedMs: number;
  /** Seconds that the last restart which was asked for may take; null: no limit. */
  readonly restartTimeoutS: number | null;
}

export function nodeView(
  rooms: MemberRooms,
  wishes: Wishes,
  postgres: PostgresView,
  nowMs: number,
): NodeView {
  const { options, voter, tenancy, failsafe, observer, reinitialization, syncPen, flushWatch, life } = rooms;
  const { name, incarnation, clock, dcs, guard, raft, watchdog, broken } = options;
  return observer.view({
    name,
    incarnation,
    dcs: dcs.state,
    dynamic: voter.dynamic,
    joined: tenancy.isJoined,
    postgres,
    guard: guard.view(),
    tenure: tenancy.tenure().kind,
    heldSinceMs: tenancy.heldSinceMs,
    leaseUsable: tenancy.leaseUsable(),
    ownsUnfenced: isUnfenced(dcs.state.lock, name, life()),
    failsafeWait: failsafe.waitUntilMs() > clock.now(),
    watchdogFailed: watchdog?.failed ?? false,
    ailments: options.ailments?.() ?? null,
    skipLeaseCheck: broken?.has("promote-before-renewal") ?? false,
    standstills: flushWatch.standstills,
    syncFrozen: syncPen.isFrozen(dcs.state.sync.revision) && !broken?.has("sync-late-record"),
    ...(broken === undefined || broken.size === 0 ? {} : { syncWithout: syncRulesLeftOut(broken) }),
    statuses: voter.board.seen(nowMs),
    ...(dcs.state.initialize === null ? forFounder(rooms, nowMs) : {}),
    raftLeads: raft.status().leader !== null,
    stopping: wishes.stopping,
    wantsRestart: wishes.restart,
    askedMs: wishes.restart ? wishes.restartAskedMs : reinitialization.askedMs,
    restartTimeoutS: wishes.restartTimeoutS,
    wantsReinit: reinitialization.wanted,
    reinitializing: reinitialization.running,
  }, nowMs);
}

export function statusInput(
  rooms: MemberRooms,
  wishes: Wishes,
  view: PostgresView,
  nowMs: number,
): Omit<OwnStatusInput, "seq"> {
  const { options, voter, tenancy, settling, cutWatch, streamedTo, stopNote, leadFailures, life } = rooms;
  const isAsked = wishes.restart || rooms.reinitialization.wanted !== null;
  const { name, incarnation, dcs, guard, raft, facts, watchdog } = options;
  const { tags, connUrl, apiUrl } = facts();
  return {
    name,
    incarnation,
    life: life(),
    nowMs,
    wallMs: options.wallMs(),
    dcs: dcs.state,
    postgres: view,
    guard: guard.view(),
    watchdog: watchdogSummary(watchdog),
    watchdogFailed: watchdog?.failed ?? false,
    holding: tenancy.tenure().kind === "holding",
    inStandbyCluster: voter.dynamic.standbyCluster !== null,
    sighting: voter.sightings.last,
    walSettled: settling.settled,
    cut: cutWatch.cut,
    streamedTo: streamedTo.in(dcs.state.lock.epoch),
    stopping: wishes.stopping,
    endsSoon: isAsked && tenancy.tenure().kind !== "holding",
    nofailover: options.nofailover(),
    failoverPriority: options.failoverPriority(),
    tags,
    connUrl,
    apiUrl,
    lateMs: Math.round(voter.loop.lateMs),
    canLose: raft.status().canLose,
    lastStop: stopNote.last,
    leadFailure: leadFailures.shown(nowMs),
    needsReinit: whyReinit({ postgres: view, dynamic: voter.dynamic }),
    reloadRefused: options.reloadRefused?.() ?? null,
    certificatesEnding: options.certificatesEnding?.() ?? [],
    ailments: options.ailments?.() ?? null,
    syncTroubles: rooms.syncWatch.troubles,
  };
}

export function ownLook(rooms: MemberRooms, { stopping }: Wishes, nowMs: number): OwnLook {
  const { options, voter, tenancy, leadFailures, syncWatch } = rooms;
  const { name, dcs, postgres, guard, wallMs } = options;
  const view = postgres.view();
  const { lastExit, postmaster } = guard.view();
  return {
    name,
    dcs: dcs.state,
    postgres: view,
    lastExit,
    frozenAtMs: postmaster?.frozenAtMs ?? null,
    joined: tenancy.isJoined,
    holding: tenancy.tenure().kind === "holding",
    heldSinceMs: tenancy.heldSinceMs,
    leadFailure: leadFailures.shown(nowMs),
    needsReinit: whyReinit({ postgres: view, dynamic: voter.dynamic }),
    ailments: options.ailments?.() ?? [],
    syncTroubles: syncWatch.troubles,
    stopping,
    nowMs,
    wallMs: wallMs(),
  };
}

/** Simulator only. */
export function syncRulesLeftOut(broken: BrokenRules): SyncRulesLeftOut {
  return {
    covers: broken.has("sync-set-first"),
    flushed: broken.has("sync-log-first"),
    degrade: broken.has("sync-degrade-alone"),
    ready: broken.has("sync-promote-bare"),
    waits: broken.has("sync-checkpointer-late"),
    cut: broken.has("sync-uncut"),
    cutFirst: broken.has("sync-early-end"),
    cutInEpoch: broken.has("sync-old-vote"),
    firstPromise: broken.has("sync-first-unlogged"),
    mixtures: broken.has("sync-mixed-senders"),
    end: broken.has("sync-off-unlogged"),
    data: broken.has("sync-data-forgotten"),
  };
}

export function watchdogView({ options: { guard, dcs }, voter, tenancy }: MemberRooms): WatchdogView {
  const { state, anyProcess, armed, postmaster, allStopped } = guard.view();
  const known = state !== "none";
  return {
    ttlMs: dcs.state.grantTtlMs,
    loopWaitS: voter.dynamic.loopWaitS,
    // Not by the configuration: until unfenced(e) is committed and the guard told, the lock may go to another
    // member.
    paused: armed?.unfenced === true,
    leaseRuns: tenancy.leaseRuns,
    harmless: known && (!anyProcess || (postmaster !== null && !postmaster.writable)),
    frozen: known && postmaster?.phase === "frozen" && allStopped === true,
  };
}

/** What only a founder asks for. */
function forFounder({ options, voter: { board } }: MemberRooms, nowMs: number) {
  const { raft, peers } = options;
  const nodeOf = (name: string) => board.nodeOf(name);
  return {
    unheard: board.unheard(peers().filter((id) => id !== raft.id), nowMs),
    left: leftGroup(board.seen(nowMs), raft.status().members, nodeOf),
  };
}
