/**
 * Chooses the next holder when the lock is free: a pure choice with its reason (docs/decisions.md). The
 * lock's safety does not rest on this choice. It decides how much of the unreplicated tail is lost, so the
 * most advanced member wins.
 */
import { isSameLife } from "../../model/life.ts";
import { formatLsn } from "../../model/lsn.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { illness, isSick } from "../health/remedy.ts";
import { cleanEnd, type FailoverRecord, knownMember } from "../../model/records.ts";
import { isPromised } from "../../sync/record.ts";
import {
  canTakeOver,
  formerPrimariesFor,
  ineligible,
  isLater,
  isMember,
  isPromotedByOthers,
  lagsTooFar,
  namesCandidate,
  positionOf,
  rested,
  sitsOut,
  wasLastHolder,
  whyUnfit,
} from "./candidate.ts";
import { streamedFromHolder } from "./streamed_from.ts";
import { FRESH_MS, type SuccessorView } from "./successor_view.ts";
import { groundsFor, lacksProof } from "./sync_grounds.ts";
import { describeUnfit } from "./unfit.ts";

/** How long a reachable member that has not reported for the free lock yet is waited for. */
export const SILENT_WAIT_MS = 200;
/** How long the candidate of a switchover, or a member that may have more, is waited for with a free lock. */
const CANDIDATE_WAIT_MS = 5000;
/**
 * A former holder that stepped down gets the lock back only after the others had this long to be eligible.
 */
const FORMER_HOLDER_WAIT_MS = 2000;

export type Choice =
  /** `complete`: this choice loses nothing that was acknowledged before. */
  | { readonly kind: "grant"; readonly to: string; readonly reason: string; readonly complete: boolean }
  | { readonly kind: "wait"; readonly reason: string };

/**
 * Does it have everything that the holder wrote? A standby that others have promoted may lack the holder's
 * writes since then. For any other member it is also true when the holder's last position is not known: then
 * no better answer exists.
 */
function hasEverything(status: MemberStatus, view: SuccessorView): boolean {
  if (isPromotedByOthers(status)) return false;
  const end = cleanEnd(view.dcs.lock);
  if (end === null) return true;
  const streamed = streamedFromHolder(view);
  if (streamed !== null && !streamed.includes(status.name)) return false;
  return (status.timeline ?? 0) >= (end.timeline ?? 0) && (positionOf(status) ?? 0) >= end.lsn;
}

function grant(to: MemberStatus, reason: string, view: SuccessorView): Choice {
  const { lock: { ended, cleanStart }, failover } = view.dcs;
  const hasAll = ended === null || wasLastHolder(to, view) ||
    (ended.lsn !== null && hasEverything(to, view));
  // An earlier grant for the same request led to no writes. The end of that epoch says nothing about the
  // primary that stepped down for the request: data that the earlier member lacked, its successor may lack as
  // well.
  const isFirst = failover === null || !failover.accepted || !hasHadItsTry(failover, view);
  return { kind: "grant", to: to.name, reason, complete: hasAll && (isFirst || cleanStart) };
}

/** This member says that the lock is free: it acts for the last holder no more. */
function hasSeenFree(status: MemberStatus, { dcs: { lock } }: SuccessorView): boolean {
  return status.epochSeen === lock.epoch && status.lockFreeSeen;
}

/** Has this member looked at its PostgreSQL since the lock became free, and has its WAL stopped growing? */
function hasReported(status: MemberStatus, view: SuccessorView): boolean {
  const { lock } = view.dcs;
  if (!hasSeenFree(status, view)) return false;
  if (!status.running || status.walSettled) return true;
  return lock.ended !== null && lock.ended.lsn !== null && hasEverything(status, view);
}

/**
 * Standbys that others have promoted come last. Most advanced first: part of the last holder's history,
 * timeline, WAL received, not sick, failover priority, health, least replay lag, then name for a total order.
 */
function candidateOrder(view: SuccessorView): (a: MemberStatus, b: MemberStatus) => number {
  const byData = dataOrder(view);
  const sick = ({ ailments }: MemberStatus) => isSick(ailments) ? 1 : 0;
  return (a, b) =>
    byData(a, b) ||
    sick(a) - sick(b) ||
    b.failoverPriority - a.failoverPriority ||
    illness(a.ailments) - illness(b.ailments) ||
    (b.replayedLsn ?? 0) - (a.replayedLsn ?? 0) ||
    (a.name < b.name ? -1 : 1);
}

/** The beginning of that order: 0 means that the promotion of either loses nothing that the other has. */
function dataOrder(view: SuccessorView): (a: MemberStatus, b: MemberStatus) => number {
  const streamed = streamedFromHolder(view) ?? [];
  const part = (status: MemberStatus) => streamed.includes(status.name) ? 1 : 0;
  const outside = (status: MemberStatus) => isPromotedByOthers(status) ? 1 : 0;
  return (a, b) =>
    outside(a) - outside(b) ||
    part(b) - part(a) ||
    (b.timeline ?? 0) - (a.timeline ?? 0) ||
    (positionOf(b) ?? 0) - (positionOf(a) ?? 0);
}

export function chooseSuccessor(view: SuccessorView): Choice {
  const { dcs } = view;
  const { lock, initialize } = dcs;
  if (initialize === null) return { kind: "wait", reason: "the cluster is not initialized yet" };
  const fresh = view.statuses.filter((seen) => seen.ageMs < FRESH_MS && isMember(seen, view))
    .map((seen) => seen.status);
  if (initialize.systemId === "") return chooseBootstrapper(fresh, view);

  const silent = view.reachableAtFree.filter((name) => !view.removed.includes(name)).filter((name) => {
    const status = fresh.find((each) => each.name === name);
    return status === undefined || !hasReported(status, view);
  });
  if (silent.length > 0 && view.freeForMs < SILENT_WAIT_MS) {
    return { kind: "wait", reason: `waiting for a report of ${silent.join(", ")}` };
  }
  const reported = fresh.filter((status) => hasSeenFree(status, view));
  // While something is promised, the others are no candidates. An operator may still name one for a failover.
  const proven = isPromised(dcs.sync) && !view.syncByName
    ? reported.filter((status) => groundsFor(status, view) !== null)
    : reported;
  if (dcs.failover?.accepted) {
    const named = namesCandidate(dcs.failover) ? reported : proven;
    const manual = chooseRequested(named, fresh, view);
    if (manual !== null) return manual;
  }
  // In pause a primary that stepped down for a request must have a successor, also when the named member
  // fails.
  const request = dcs.failover?.accepted ? dcs.failover : null;
  if (view.dynamic.pause && !(request !== null && hasHadItsTry(request, view))) {
    // It stepped down for a request, and no member could take over: it gets the lock back.
    const former = request !== null && lock.ended?.how === "released"
      ? reported.find((status) => status.name === lock.lastHolder && ineligible(status, view) === null)
      : undefined;
    if (former !== undefined && view.freeForMs >= FORMER_HOLDER_WAIT_MS) {
      return grant(former, "no member could take over as requested: the former primary again", view);
    }
    return {
      kind: "wait",
      reason: 'PAUSE: no member is promoted; "agent ctl failover --candidate NAME" or "agent ctl resume"',
    };
  }
  if (proven.length === 0 && reported.length > 0) {
    return { kind: "wait", reason: `${lacksProof(view)} (${explainNobody(reported, view)})` };
  }
  return view.warm ? chooseWarm(proven, fresh, view) : chooseCold(proven, reported, view);
}

function chooseBootstrapper(fresh: readonly MemberStatus[], view: SuccessorView): Choice {
  const by = view.dcs.initialize!.by;
  // The grant names the life on record. A member in another life could not use it.
  const life = knownMember(view.dcs, by)?.life;
  const ready = fresh.find((status) =>
    status.name === by && status.bootstrapReady && isSameLife(status.life, life)
  );
  return ready === undefined
    ? { kind: "wait", reason: `${by} is bootstrapping` }
    : grant(ready, "first primary of a new cluster", view);
}

/** A member was granted the lock for this accepted request, and has lost it again. */
function hasHadItsTry({ epoch }: FailoverRecord, { dcs: { lock } }: Pick<SuccessorView, "dcs">): boolean {
  return lock.epoch > epoch;
}

/** The candidate of an accepted request, as long as it can take over; null: any member may be chosen. */
function chooseRequested(
  reported: readonly MemberStatus[],
  fresh: readonly MemberStatus[],
  view: SuccessorView,
): Choice | null {
  const request = view.dcs.failover!;
  if (request.candidate === null) return null;
  const hasTried = hasHadItsTry(request, view);
  if (request.candidate === view.dcs.lock.lastHolder && hasTried) return null;
  const candidate = reported.find((status) => status.name === request.candidate);
  if (candidate === undefined) {
    const alive = fresh.some((status) => status.name === request.candidate);
    if (alive && view.freeForMs < CANDIDATE_WAIT_MS) {
      return { kind: "wait", reason: `waiting for ${request.candidate}` };
    }
    return null;
  }
  if (ineligible(candidate, view, formerPrimariesFor(request, view)) !== null) return null;
  // It had its try, and other members have had theirs since.
  if (hasTried && sitsOut(candidate)) return null;
  if (!hasReported(candidate, view) && view.freeForMs < CANDIDATE_WAIT_MS) {
    return { kind: "wait", reason: `waiting until ${candidate.name} has received everything` };
  }
  // An operator may name a standby that others have promoted, unless that is known to lose data.
  const isMeant = namesCandidate(request) && cleanEnd(view.dcs.lock) === null;
  if (!isMeant && !hasEverything(candidate, view)) return null;
  if (request.kind === "switchover" && lagsTooFar(candidate, view)) return null;
  return grant(candidate, `${request.kind} to ${candidate.name}`, view);
}

function chooseWarm(
  reported: readonly MemberStatus[],
  fresh: readonly MemberStatus[],
  view: SuccessorView,
): Choice {
  const { lock } = view.dcs;
  const eligible = reported.filter((status) =>
    ineligible(status, view) === null && (isPromised(view.dcs.sync) || !lagsTooFar(status, view))
  );
  const others = eligible.filter((status) => !wasLastHolder(status, view)).sort(candidateOrder(view));
  // After a clean stop nothing need be lost: the former holder goes before a member that lacks some of its
  // WAL. It goes before a standby that others have promoted after any end.
  const former = eligible.find((status) => wasLastHolder(status, view));
  const resting = reported.find((status) => sitsOut(status) && canTakeOver(rested(status), view));
  if (resting !== undefined && eligible.length > 0 && eligible.every(isPromotedByOthers)) {
    return { kind: "wait", reason: `${resting.name} has the cluster's WAL, and sits out for a while` };
  }
  const complete = others.filter((status) => hasEverything(status, view));
  if (complete.length === 0 && others.length > 0) {
    if (former !== undefined) {
      return grant(former, "no other member has everything that it wrote before it stopped", view);
    }
    const better = fresh.find((status) =>
      (wasLastHolder(status, view) && !status.shuttingDown && !sitsOut(status)) ||
      (others.every(isPromotedByOthers) && !reported.includes(status) && canTakeOver(status, view))
    );
    if (better !== undefined && view.freeForMs < CANDIDATE_WAIT_MS) {
      return { kind: "wait", reason: `${better.name} may have more than the others: waiting for its report` };
    }
  }
  const best = complete[0] ?? others[0];
  const late = best === undefined ? undefined : lateWithMore(best, fresh, view);
  if (late !== undefined && view.freeForMs < CANDIDATE_WAIT_MS) {
    return { kind: "wait", reason: `${late.name} has more than the others: waiting for its report` };
  }
  if (best !== undefined) {
    const how = lock.ended === null
      ? "the first epoch"
      : `${lock.lastHolder}'s epoch ${lock.epoch} ${lock.ended.how}`;
    const heard = fresh.map(({ name }) => name).sort().join(", ");
    return grant(best, `${describe(best)} after ${how}; heard: ${heard}`, view);
  }
  // It stepped down or lost its lease; it gets the lock back only when no other member can have it.
  if (former !== undefined && view.freeForMs >= FORMER_HOLDER_WAIT_MS) {
    return grant(former, "the only healthy member, again", view);
  }
  return { kind: "wait", reason: explainNobody(reported, view) };
}

/**
 * A member that is heard, could take over, had more when it was last heard, and has not reported yet: its
 * host is busy, or its log is behind. Without the wait what only it has would be lost, and it would have to
 * be rewound or copied. One that is dead is heard no more after FRESH_MS. While acknowledged transactions are
 * promised to survive, every candidate has them all, and nobody is waited for.
 */
function lateWithMore(
  best: MemberStatus,
  fresh: readonly MemberStatus[],
  view: SuccessorView,
): MemberStatus | undefined {
  if (isPromised(view.dcs.sync)) return undefined;
  if (cleanEnd(view.dcs.lock) !== null && hasEverything(best, view)) return undefined;
  const order = dataOrder(view);
  return fresh.find((status) =>
    !hasSeenFree(status, view) && !wasLastHolder(status, view) && canTakeOver(status, view) &&
    order(status, best) < 0
  );
}

/**
 * No member or witness has seen a living primary since its own start: all hosts were off. The last holder has
 * everything that was ever acknowledged; it is waited for, unless all members are present and have reported.
 */
function chooseCold(
  proven: readonly MemberStatus[],
  reported: readonly MemberStatus[],
  view: SuccessorView,
): Choice {
  const { lock, members } = view.dcs;
  const eligible = proven.filter((status) => ineligible(status, view) === null).sort(candidateOrder(view));
  const last = eligible.find((status) => wasLastHolder(status, view));
  if (last !== undefined) {
    return grant(last, "cold start: it was the last primary", view);
  }
  const missing = Object.keys(members).filter((name) => !reported.some((status) => status.name === name));
  const waitMs = view.dynamic.primaryStartTimeoutS * 1000;
  if (missing.length > 0 && view.coldForMs < waitMs) {
    return {
      kind: "wait",
      reason: `cold start: waiting for ${lock.lastHolder ?? "the last primary"} (missing: ${
        missing.join(", ")
      }) for up to ${
        Math.ceil((waitMs - view.coldForMs) / 1000)
      } s; "agent ctl failover --candidate NAME" ends the wait`,
    };
  }
  const best = eligible[0];
  if (best === undefined) return chooseLastResort(reported, view);
  const lost = missing.length > 0
    ? `; ${missing.join(", ")} did not come back and may hold later writes`
    : "";
  return grant(best, `cold start without ${lock.lastHolder}: ${describe(best)}${lost}`, view);
}

/**
 * After a recovery from a lost majority only stopped former primaries may be left. A member with more data
 * goes before them even while it cannot be promoted: it starts, its guard is not there yet, its agent is
 * being restarted. The obstacle may also last (nofailover). Then an operator has to say whose data is to go,
 * as the other member's would be rewound or copied over.
 */
function chooseLastResort(reported: readonly MemberStatus[], view: SuccessorView): Choice {
  const waitMs = view.dynamic.primaryStartTimeoutS * 1000;
  const former = reported.filter((status) => ineligible(status, view, "recovered") === null)
    .sort(candidateOrder(view))[0];
  if (former === undefined) return { kind: "wait", reason: explainNobody(reported, view) };
  const end = `"agent ctl failover --candidate NAME" ends the wait`;
  const better = view.statuses.filter((seen) =>
    isMember(seen, view) && seen.ageMs < Math.max(FRESH_MS, waitMs)
  )
    .map((seen) => seen.status).find((status) => hasMore(status, former, view));
  if (better !== undefined) {
    const unfit = ineligible(better, view);
    const why = unfit === null ? "has not been heard just now" : describeUnfit(unfit);
    const reason = `${better.name} has more than the former primary ${former.name}, and ${why}; ${end}`;
    return { kind: "wait", reason };
  }
  if (view.coldForMs < waitMs) {
    const leftS = Math.ceil((waitMs - view.coldForMs) / 1000);
    const reason =
      `only the former primary ${former.name} is left: waiting for a better one for up to ${leftS} s`;
    return { kind: "wait", reason: `${reason}; ${end}` };
  }
  const reason = `recovered cluster, only former primaries are left: ${describe(former)}`;
  return grant(former, reason, view);
}

/** Later data of this cluster on its disk, whether or not it can be promoted. */
function hasMore(status: MemberStatus, than: MemberStatus, view: SuccessorView): boolean {
  const systemId = view.dcs.initialize?.systemId;
  if (!status.directoryUsable || (status.systemId !== null && status.systemId !== systemId)) return false;
  return isLater(status, than);
}

function describe(status: MemberStatus): string {
  const position = positionOf(status);
  return `most advanced member (timeline ${status.timeline ?? "?"}, WAL up to ${
    position === null ? "?" : formatLsn(position)
  })`;
}

function explainNobody(reported: readonly MemberStatus[], view: SuccessorView): string {
  if (reported.length === 0) return "no member has reported yet";
  const why = reported.map((status) => {
    const unfit = whyUnfit(status, view);
    return `${status.name}: ${unfit === null ? "stepped down just now" : describeUnfit(unfit)}`;
  });
  return `nobody can be promoted (${why.join("; ")})`;
}
