/**
 * What says that a member has everything that was acknowledged, while that is promised: by src/sync/DESIGN.md
 * only such a member is granted the lock without an operator.
 */
import type { SyncGrounds } from "../../dcs/commands.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { cleanEnd, type SyncRecord } from "../../model/records.ts";
import { isVoter } from "../../sync/record.ts";
import { type CutMember, isElected, votesFor } from "../../sync/succession.ts";
import { isMember, isPromotedByOthers, positionOf, wasLastHolder } from "./candidate.ts";
import { streamedFromHolder } from "./streamed_from.ts";
import type { SuccessorView } from "./successor_view.ts";

/** null: nothing says so. Only asked while something is promised. */
export function groundsFor(
  status: MemberStatus,
  view: Pick<SuccessorView, "dcs" | "statuses" | "removed">,
): SyncGrounds | null {
  const { sync, lock } = view.dcs;
  const { name, dataToken: token } = status;
  const own = token === undefined ? {} : { token };
  if (sync.unknown === true || isPromotedByOthers(status)) return null;
  if (isHolderAgain(status, view)) return { by: "holder", votes: [], ...own };
  if (status.primaryDirectory) return null;
  if (hasAllOfCleanEnd(status, view)) return { by: "clean", votes: [], ...own };
  const members = view.statuses.filter((seen) => isMember(seen, view)).map(({ status: each }) => asCut(each));
  const votes = votesFor(asCut(status), members, sync, lock.epoch);
  return isElected(sync, name, votes) ? { by: "votes", votes, ...own } : null;
}

/** The last holder has ended in order, and this member's WAL is of its history and goes up to its end. */
function hasAllOfCleanEnd(status: MemberStatus, view: Pick<SuccessorView, "dcs" | "statuses">): boolean {
  const { lock, sync } = view.dcs;
  const end = cleanEnd(lock);
  if (end === null) return false;
  const isOfHistory = isVoter(sync, status.name, status.dataToken) ||
    (streamedFromHolder(view)?.includes(status.name) ?? false);
  return isOfHistory && status.timeline === end.timeline && (positionOf(status) ?? 0) >= end.lsn;
}

export function asCut({ name, dataToken, cut }: MemberStatus): CutMember {
  return { name, token: dataToken, cut };
}

/** The last holder, under the name that the record has, and with its data. */
export function isHolderAgain(status: MemberStatus, view: Pick<SuccessorView, "dcs">): boolean {
  const { lock, sync } = view.dcs;
  return wasLastHolder(status, view) && status.name === lock.lastHolder && isLeadersData(sync, status);
}

/** The data that the last holder had when it was granted the lock, or logged its standbys last. */
function isLeadersData({ data = {} }: SyncRecord, { name, dataToken }: MemberStatus): boolean {
  return !Object.hasOwn(data, name) || data[name] === dataToken;
}

/** For people: what is missing, where no member is known to have all that was acknowledged. */
export function lacksProof({ dcs: { sync, lock } }: Pick<SuccessorView, "dcs">): string {
  if (sync.unknown === true) {
    return "the cluster was recovered, and who has all acknowledged transactions is not known";
  }
  const { syncStandby, quorum } = sync;
  const needed = syncStandby.length > quorum
    ? `${quorum + 1} of ${syncStandby.join(", ")}, cut off from it and reporting,`
    : "nobody else";
  return `acknowledged transactions of ${lock.lastHolder}: ${needed} or it alone can prove to have them`;
}
