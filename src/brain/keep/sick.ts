/**
 * The holder's host or PostgreSQL is sick: it hands over to a member that is better off, and to none that
 * shares the cause. Without one it stays the primary: half a primary is more than a second one that fails in
 * the same way. Never in pause.
 *
 * Why that loses no more than it must: the member must stream from here and not lag when the stop begins. A
 * stop in order ends only after the WAL senders have sent the shutdown checkpoint. Afterwards the lock is let
 * go only for a member whose WAL reaches as far as this one's; else PostgreSQL is started here again. The
 * exception is a disk on which it cannot go on, and did not end in order: there the others follow as after a
 * crash.
 */
import type { MemberStatus } from "../../model/member_status.ts";
import { lagsTooFar, positionOf } from "../cluster/candidate.ts";
import type { OwnAilment } from "../health/course.ts";
import { isBetterOff, type Remedy, toHandOver } from "../health/remedy.ts";
import { endedInOrder, mayFollow } from "./may_follow.ts";
import { decide, letGo, type NodeRule, type Outcome } from "./outcome.ts";
import { type NodeView, othersThatCan } from "./view.ts";

/**
 * A holder hands over once in this time at most: where one member after the other becomes sick under the
 * load, the lock does not run in circles.
 */
export const LEAST_HELD_MS = 60_000;
/** A standby reports the end of its WAL after it has received it. */
const REPORT_WAIT_MS = 3000;

/** The ailment to hand over for; null: there is none, or it is not the time. */
function ailing(view: NodeView) {
  const { tenure, dynamic, ailments, nowMs } = view;
  if (tenure !== "holding" || dynamic.pause || dynamic.standbyCluster !== null) return null;
  if (!dynamic.sickHandOver) return null;
  return toHandOver(ailments ?? [], nowMs, dynamic.healthIntervalS);
}

function betterOff(view: NodeView, than: OwnAilment): readonly MemberStatus[] {
  return othersThatCan(view).filter((status) => isBetterOff(status, than, view.nowMs));
}

/** By its own word: a server that hangs says nothing of those that stream from it. */
function streamsFrom({ replicationState, following }: MemberStatus, name: string): boolean {
  return replicationState === "streaming" && following === name;
}

/** The stop that is under way is to hand over because of an ailment. */
export function handsOverSick(view: NodeView): boolean {
  const found = ailing(view);
  return found !== null && betterOff(view, found.ailment).length > 0;
}

function handOver(view: NodeView): Outcome | null {
  const { name, nowMs, heldSinceMs, leaseUsable, dynamic } = view;
  const { process, writable, inRecovery, walLsn, last: { stop } } = view.postgres;
  const found = ailing(view);
  if (found === null || process !== "running" || !writable || inRecovery !== false) return null;
  // Without a lease there may be no majority that could grant the lock anew.
  if (!leaseUsable) return null;
  if (nowMs - Math.max(heldSinceMs, stop?.atMs ?? -Infinity) < LEAST_HELD_MS) return null;
  const { ailment, remedy } = found;
  const next = betterOff(view, ailment).find((status) =>
    streamsFrom(status, name) && !lagsTooFar(status, { dynamic, primaryLsn: walLsn }) &&
    mayFollow(status, view, remedy.checkpoint)
  );
  if (next === undefined) return null;
  return decide(`${why(ailment)}, and ${next.name} is better off: demoting self`, {
    kind: "stop",
    how: remedy.how,
    checkpoint: remedy.checkpoint,
  });
}

function letGoSick(view: NodeView): Outcome | null {
  const { nowMs, heldSinceMs } = view;
  const { process, last: { stop } } = view.postgres;
  const found = ailing(view);
  if (found === null || process !== "none") return null;
  const isStopped = stop !== undefined && stop.ok && stop.atMs >= heldSinceMs;
  if (!isStopped && nowMs - heldSinceMs < LEAST_HELD_MS) return null;
  const others = betterOff(view, found.ailment).filter((status) =>
    mayFollow(status, view, endedInOrder(view.postgres))
  );
  if (others.length === 0) return null;
  const end = endOfWal(view, found.remedy);
  const next = others.find((status) => end === null || hasAll(status, view, end));
  if (next !== undefined) return letGo(`${why(found.ailment)}, and ${next.name} is better off`, view);
  if (!isStopped || nowMs - stop.atMs >= REPORT_WAIT_MS) return null;
  return decide(`${why(found.ailment)}: waiting until ${others[0]!.name} has the end of this member's WAL`);
}

/** The position that a successor has to have; null: as after a crash, none. */
function endOfWal({ postgres: { directory, receivedLsn } }: NodeView, { asCrash }: Remedy): number | null {
  if (directory.kind !== "valid") return null;
  const { clusterState, checkpointLsn } = directory.control;
  // The record begins there: a standby that has it has received more.
  if (clusterState === "shut down") return checkpointLsn + 1;
  return asCrash ? null : receivedLsn ?? Infinity;
}

function hasAll(status: MemberStatus, { postgres }: NodeView, end: number): boolean {
  return (status.timeline ?? 0) >= (postgres.timeline ?? 0) && (positionOf(status) ?? 0) >= end;
}

function why({ cause, detail }: OwnAilment): string {
  return `this host is sick (${cause}: ${detail})`;
}

export const SICK_HAND_OVER: NodeRule = {
  name: "sick-hand-over",
  when:
    "The holder has been critically ill for a while, of a cause that another primary would not have, and a member that streams from it and is better off could serve. Not in pause.",
  then: "Stops PostgreSQL, after a checkpoint where its disk takes one; the lock is handed over.",
  decide: handOver,
};

export const SICK_LET_GO: NodeRule = {
  name: "sick-let-go",
  when: "The same, and the holder's PostgreSQL is stopped. Not in pause.",
  then:
    "Releases the lock for a member that is better off and has the end of the holder's WAL, and sits out for a while; without one it starts PostgreSQL here again.",
  decide: letGoSick,
};
