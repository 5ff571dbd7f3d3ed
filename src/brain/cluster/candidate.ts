/**
 * Candidates for the lock: which members can be promoted at all, how much WAL each surely has, and whether
 * that is the cluster's. The choice among them: successor.ts.
 */
import { mayNotSucceed } from "../../dcs/failsafe_set.ts";
import { isJustRecovered } from "../../dcs/recovered.ts";
import { isSameLife } from "../../model/life.ts";
import type { Lsn } from "../../model/lsn.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { type FailoverRecord, knownMember } from "../../model/records.ts";
import type { SeenStatus, SuccessorView } from "./successor_view.ts";
import type { Unfit } from "./unfit.ts";

/** How long a member must be silent before a former primary may be named in its place. */
const HEARD_LATELY_MS = 30_000;

/** End of WAL that the member surely has. */
export function positionOf(status: MemberStatus): Lsn | null {
  const known = [status.walLsn, status.receivedLsn, status.replayedLsn, status.diskLsn].filter((lsn) =>
    lsn !== null
  );
  return known.length === 0 ? null : Math.max(...known);
}

/** Its data is later: by timeline, then by position. */
export function isLater(one: MemberStatus, than: MemberStatus): boolean {
  const later = (one.timeline ?? 0) - (than.timeline ?? 0);
  return later > 0 || (later === 0 && (positionOf(one) ?? 0) > (positionOf(than) ?? 0));
}

/**
 * Whether the directory of a former primary that has not rejoined counts: never; where a recovery from a lost
 * majority has left it unknown which of them was the last; or in any cluster.
 */
export type FormerPrimaries = "never" | "recovered" | "any";

/** Why a member cannot be promoted automatically; null when it can. The lag limit is separate. */
export function ineligible(
  status: MemberStatus,
  view: Pick<SuccessorView, "dcs" | "dynamic">,
  formerPrimaries: FormerPrimaries = "never",
): Unfit | null {
  const { initialize, history, failsafe } = view.dcs;
  if (!isSameLife(status.life, knownMember(view.dcs, status.name)?.life)) {
    return { code: "not-joined" };
  }
  if (mayNotSucceed(view.dcs, status.name)) return { code: "outside-failsafe-set", epoch: failsafe!.epoch };
  if (status.nofailover) return { code: "nofailover" };
  if (status.shuttingDown) return { code: "shutting-down" };
  if (status.watchdogFailed) return { code: "no-watchdog" };
  // Where former primaries count, an operator has named the member, or it is the last resort.
  if (sitsOut(status) && formerPrimaries === "never") {
    return { code: "sits-out", failure: status.leadFailure! };
  }
  if (status.guard === "none") return { code: "no-guard" };
  if (!status.directoryUsable) return { code: "no-directory" };
  if (initialize !== null && status.systemId !== null && status.systemId !== initialize.systemId) {
    return { code: "other-cluster" };
  }
  // A stopped primary's directory may hold WAL that never became part of the cluster's history, unless it was
  // the last. After a recovery from a lost majority the last one is not known, and such a directory may be
  // all that is left. But it may also be weeks old, so only chooseLastResort chooses it, or an operator who
  // names it.
  const counts = formerPrimaries === "any" ||
    (formerPrimaries === "recovered" && isJustRecovered(view.dcs));
  if (status.primaryDirectory && !wasLastHolder(status, view) && !counts) return { code: "former-primary" };
  if (!status.running && !status.primaryDirectory) return { code: "not-running", state: status.state };
  // A standby cluster's timelines are the remote primary's, and not those that it had as a cluster of its own.
  const lastTimeline = view.dynamic.standbyCluster === null ? history.at(-1) : undefined;
  if (
    view.dynamic.checkTimeline && lastTimeline !== undefined && (status.timeline ?? 0) < lastTimeline[0] + 1
  ) {
    return { code: "old-timeline", timeline: status.timeline, cluster: lastTimeline[0] + 1 };
  }
  return null;
}

/** It let the lock go a moment ago, since it could not become a primary. */
export function sitsOut({ leadFailure }: MemberStatus): boolean {
  return leadFailure?.sitsOut === true;
}

/** As it will be when it sits out no more. */
export function rested(status: MemberStatus): MemberStatus {
  return { ...status, leadFailure: undefined };
}

/**
 * The member that had the last epoch, known by its raft directory, whatever its name is now: a machine that
 * has merely taken over the name has none of its data. With the raft directory emptied, a primary's data
 * directory proves the same.
 */
export function wasLastHolder(status: MemberStatus, { dcs: { lock } }: Pick<SuccessorView, "dcs">): boolean {
  const isNamed = status.name === lock.lastHolder;
  if (lock.life === null) return isNamed;
  return status.life?.node === lock.life.node || (isNamed && status.primaryDirectory);
}

/**
 * The lock's holder is a member of the raft group: a leaving member still speaks for a while, and is granted
 * nothing.
 */
export function isMember({ status }: SeenStatus, { removed }: Pick<SuccessorView, "removed">): boolean {
  return !removed.includes(status.name);
}

/**
 * A standby that somebody else has promoted (isPromotedByOthers in postgres_view.ts): only a server out of
 * recovery has a position of its own WAL. What it wrote is no part of the cluster's history, its timeline is
 * later than that of all others, and it may lack what the holder wrote since.
 */
export function isPromotedByOthers({ running, role, walLsn }: MemberStatus): boolean {
  return running && (role === "replica" || role === "standby_leader") && walLsn !== null;
}

/**
 * It can be promoted, and its WAL is the cluster's. A holder gives the lock up for such a member only: beside
 * one that others have promoted, the holder's own data is the better one, whatever positions say.
 */
export function canTakeOver(status: MemberStatus, view: Pick<SuccessorView, "dcs" | "dynamic">): boolean {
  return !isPromotedByOthers(status) && ineligible(status, view) === null;
}

/**
 * True when the member lags further behind the last known primary position than the configuration allows.
 * Never in a standby cluster: what it lacks is on the remote primary, and the next leader fetches it there.
 */
export function lagsTooFar(
  status: MemberStatus,
  view: Pick<SuccessorView, "dynamic" | "primaryLsn">,
): boolean {
  const position = positionOf(status);
  if (view.dynamic.standbyCluster !== null) return false;
  if (view.primaryLsn === null || position === null) return false;
  return view.primaryLsn - position > view.dynamic.maximumLagOnFailoverBytes;
}

/** null: it may be granted the lock now, of its own accord. */
export function whyUnfit(
  status: MemberStatus,
  view: Pick<SuccessorView, "dcs" | "dynamic" | "primaryLsn">,
): Unfit | null {
  return ineligible(status, view) ?? (lagsTooFar(status, view) ? { code: "lag" } : null);
}

/**
 * An operator who names a member for a failover has seen the members, and may mean a former primary's
 * directory: after a recovery from a lost majority, or where nobody holds the lock and no member that was
 * heard lately could take over (the last primary's machine is lost, and this one had not rejoined it yet).
 * Beside a primary, or a standby that can be promoted, it is a mistake: the cluster's writes would go.
 */
export function formerPrimariesFor(
  { kind, candidate }: Pick<FailoverRecord, "kind" | "candidate">,
  view: Pick<SuccessorView, "dcs" | "dynamic" | "statuses" | "removed">,
): FormerPrimaries {
  if (!namesCandidate({ kind, candidate })) return "never";
  return view.dcs.lock.holder === null && !somebodyCan(view) ? "any" : "recovered";
}

/** A member that could take over may be starting again, or be cut off for a moment. */
function somebodyCan(view: Pick<SuccessorView, "dcs" | "dynamic" | "statuses" | "removed">): boolean {
  return view.statuses.some((seen) =>
    seen.ageMs < HEARD_LATELY_MS && isMember(seen, view) && canTakeOver(seen.status, view)
  );
}

export function namesCandidate({ kind, candidate }: Pick<FailoverRecord, "kind" | "candidate">): boolean {
  return kind === "failover" && candidate !== null;
}
