/**
 * What a member sees of itself: the inputs of its decisions, of its status, and of its watchdog. Reads only.
 */
import type { NodeView } from "../../brain/keep/view.ts";
import type { WatchdogView } from "../lease/watchdog.ts";
import type { MemberRooms } from "./member_rooms.ts";
import { type OwnStatusInput, watchdogSummary } from "./own_status.ts";

/** What has been asked of this member. */
export interface Wishes {
  /** SIGTERM. */
  readonly stopping: boolean;
  readonly restart: boolean;
}

export function nodeView(rooms: MemberRooms, wishes: Wishes, nowMs: number): NodeView {
  const { options, voter, tenancy, failsafe, observer, reinitialization } = rooms;
  const { name, incarnation, clock, dcs, postgres, guard, raft, watchdog, pgCtlTimeoutS, broken } = options;
  return observer.view({
    name,
    incarnation,
    dcs: dcs.state,
    dynamic: voter.dynamic,
    joined: tenancy.isJoined,
    postgres: postgres.view(),
    guard: guard.view(),
    tenure: tenancy.tenure().kind,
    heldSinceMs: tenancy.heldSinceMs,
    leaseUsable: tenancy.leaseUsable(),
    failsafeWait: failsafe.waitUntilMs() > clock.now(),
    watchdogFailed: watchdog?.failed ?? false,
    skipLeaseCheck: broken?.has("promote-before-renewal") ?? false,
    statuses: voter.board.seen(nowMs),
    raftLeads: raft.status().leader !== null,
    pgCtlTimeoutS: pgCtlTimeoutS(),
    stopping: wishes.stopping,
    wantsRestart: wishes.restart,
    wantsReinit: reinitialization.wanted,
    reinitializing: reinitialization.status?.state === "running",
  }, nowMs);
}

export function statusInput(rooms: MemberRooms, wishes: Wishes, nowMs: number): Omit<OwnStatusInput, "seq"> {
  const { options, voter, tenancy, settling, streamedTo, stopNote, life } = rooms;
  const { name, incarnation, dcs, postgres, guard, raft, facts, watchdog } = options;
  const { tags, connUrl, apiUrl } = facts();
  return {
    name,
    incarnation,
    life: life(),
    nowMs,
    dcs: dcs.state,
    postgres: postgres.view(),
    guard: guard.view(),
    watchdog: watchdogSummary(watchdog),
    watchdogFailed: watchdog?.failed ?? false,
    holding: tenancy.tenure().kind === "holding",
    sighting: voter.sightings.last,
    walSettled: settling.settled,
    streamedTo: streamedTo.in(dcs.state.lock.epoch),
    stopping: wishes.stopping,
    nofailover: options.nofailover(),
    failoverPriority: options.failoverPriority(),
    tags,
    connUrl,
    apiUrl,
    lateMs: Math.round(voter.loop.lateMs),
    canLose: raft.status().canLose,
    lastStop: stopNote.last,
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
