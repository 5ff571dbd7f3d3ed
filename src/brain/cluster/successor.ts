/**
 * Chooses who gets the lock when it is free: a pure choice with its reason (docs/decisions.md). The lock's
 * safety does not rest on this choice. It decides how much of the unreplicated tail is lost, so the most
 * advanced member wins.
 */
import { mayNotSucceed } from "../../dcs/failsafe_set.ts";
import { isJustRecovered } from "../../dcs/recovered.ts";
import { isSameLife } from "../../model/life.ts";
import type { Lsn } from "../../model/lsn.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { type FailoverRecord, knownMember } from "../../model/records.ts";
import { FRESH_MS, type SeenStatus, type SuccessorView } from "./successor_view.ts";

/** How long a reachable member that has not reported for the free lock yet is waited for. */
export const SILENT_WAIT_MS = 200;
/** How long the named candidate of a switchover is waited for, once the lock is free. */
const CANDIDATE_WAIT_MS = 5000;
/**
 * A former holder that stepped down gets the lock back only after the others had this long to be eligible.
 */
const FORMER_HOLDER_WAIT_MS = 2000;

export type Choice =
  /** `complete`: nothing that was acknowledged before is lost with this choice. */
  | { readonly kind: "grant"; readonly to: string; readonly reason: string; readonly complete: boolean }
  | { readonly kind: "wait"; readonly reason: string };

/** End of WAL that the member surely has. */
export function positionOf(status: MemberStatus): Lsn | null {
  const known = [status.walLsn, status.receivedLsn, status.replayedLsn, status.diskLsn].filter((lsn) =>
    lsn !== null
  );
  return known.length === 0 ? null : Math.max(...known);
}

/**
 * Why a member cannot be promoted automatically; null when it can. The lag limit is separate. `lastResort`:
 * of former primaries as well, where a recovery from a lost majority has left nobody who knows which of them
 * was the last.
 */
export function ineligible(
  status: MemberStatus,
  view: Pick<SuccessorView, "dcs" | "dynamic">,
  lastResort = false,
): string | null {
  const { initialize, history, failsafe } = view.dcs;
  if (!isSameLife(status.life, knownMember(view.dcs, status.name)?.life)) {
    return "has not joined yet with the machine that it runs on now";
  }
  if (mayNotSucceed(view.dcs, status.name)) return `is not in the failsafe set of epoch ${failsafe!.epoch}`;
  if (status.nofailover) return "not allowed to promote (nofailover)";
  if (status.shuttingDown) return "is shutting down";
  if (status.watchdogFailed) return "not watchdog capable";
  if (status.guard === "none") return "has no living guard";
  if (!status.directoryUsable) return "has no usable data directory";
  if (initialize !== null && status.systemId !== null && status.systemId !== initialize.systemId) {
    return "belongs to another system identifier";
  }
  // A stopped primary's directory may hold WAL that never became part of the cluster's history, unless it was
  // the last. After a recovery from a lost majority nobody knows who was, and such a directory may be all
  // that is left: but it may be weeks old as well, so that it is chosen by chooseLastResort alone, or by an
  // operator who names it.
  if (
    status.primaryDirectory && !wasLastHolder(status, view) && !(lastResort && isJustRecovered(view.dcs))
  ) {
    return "was a primary once and has not rejoined yet";
  }
  if (!status.running && !status.primaryDirectory) return `PostgreSQL is ${status.state}`;
  const lastTimeline = history.at(-1);
  if (
    view.dynamic.checkTimeline && lastTimeline !== undefined && (status.timeline ?? 0) < lastTimeline[0] + 1
  ) {
    return `timeline ${status.timeline} is behind the cluster's ${lastTimeline[0] + 1}`;
  }
  return null;
}

/**
 * The member that had the last epoch, by its raft directory, whatever its name is now: a machine that has
 * merely taken over the name has nothing of what that one wrote. With the raft directory emptied, a primary's
 * data directory tells the same.
 */
function wasLastHolder(status: MemberStatus, { dcs: { lock } }: Pick<SuccessorView, "dcs">): boolean {
  const isNamed = status.name === lock.lastHolder;
  if (lock.life === null) return isNamed;
  return status.life?.node === lock.life.node || (isNamed && status.primaryDirectory);
}

/**
 * The lock's holder is a member of the raft group: one that leaves it speaks for a while, and is granted
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
function isPromotedByOthers({ running, role, walLsn }: MemberStatus): boolean {
  return running && role === "replica" && walLsn !== null;
}

/** True when the member lags further behind the last known primary position than the configuration allows. */
export function lagsTooFar(
  status: MemberStatus,
  view: Pick<SuccessorView, "dynamic" | "primaryLsn">,
): boolean {
  const position = positionOf(status);
  if (view.primaryLsn === null || position === null) return false;
  return view.primaryLsn - position > view.dynamic.maximumLagOnFailoverBytes;
}

/**
 * Does it have all that the holder wrote before it stopped cleanly and released the lock? True as well when
 * that position is not known: then nothing better can be said.
 */
function hasEverything(status: MemberStatus, view: SuccessorView): boolean {
  const { ended } = view.dcs.lock;
  if (ended === null || ended.how !== "released" || ended.lsn === null) return true;
  if (isPromotedByOthers(status)) return false;
  const streamed = streamedFromHolder(view);
  if (streamed !== null && !streamed.includes(status.name)) return false;
  return (status.timeline ?? 0) >= (ended.timeline ?? 0) && (positionOf(status) ?? 0) >= ended.lsn;
}

/**
 * Members whose WAL is known to be a part of the last holder's history; null: its last word is not known
 * here. The positions of others cannot be compared with its own: they may count WAL of another history, on a
 * timeline of the same number even.
 */
function streamedFromHolder(view: SuccessorView): readonly string[] | null {
  const { lock } = view.dcs;
  const holder = view.statuses.find((seen) => wasLastHolder(seen.status, view))?.status;
  return holder === undefined || holder.epochSeen !== lock.epoch ? null : holder.streamedTo ?? null;
}

function grant(to: MemberStatus, reason: string, view: SuccessorView): Choice {
  const { ended } = view.dcs.lock;
  const complete = ended === null || wasLastHolder(to, view) ||
    (ended.lsn !== null && hasEverything(to, view));
  return { kind: "grant", to: to.name, reason, complete };
}

/**
 * Has this member looked at its PostgreSQL since the lock became free, and does nothing more arrive there?
 */
function hasReported(status: MemberStatus, view: SuccessorView): boolean {
  const { lock } = view.dcs;
  if (status.epochSeen !== lock.epoch || !status.lockFreeSeen) return false;
  if (!status.running || status.walSettled) return true;
  return lock.ended !== null && lock.ended.lsn !== null && hasEverything(status, view);
}

/**
 * Those that others have promoted last. Most advanced first: part of the last holder's history, timeline, WAL
 * received, failover priority, least replay lag, then name for a total order.
 */
function candidateOrder(view: SuccessorView): (a: MemberStatus, b: MemberStatus) => number {
  const streamed = streamedFromHolder(view) ?? [];
  const part = (status: MemberStatus) => streamed.includes(status.name) ? 1 : 0;
  const outside = (status: MemberStatus) => isPromotedByOthers(status) ? 1 : 0;
  return (a, b) =>
    outside(a) - outside(b) ||
    part(b) - part(a) ||
    (b.timeline ?? 0) - (a.timeline ?? 0) ||
    (positionOf(b) ?? 0) - (positionOf(a) ?? 0) ||
    b.failoverPriority - a.failoverPriority ||
    (b.replayedLsn ?? 0) - (a.replayedLsn ?? 0) ||
    (a.name < b.name ? -1 : 1);
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
  const reported = fresh.filter((status) => status.epochSeen === lock.epoch && status.lockFreeSeen);
  if (dcs.failover?.accepted) {
    const manual = chooseRequested(reported, fresh, view);
    if (manual !== null) return manual;
  }
  // In pause a primary that stepped down for a request is not left without a successor, when the one that was
  // named fails.
  const request = dcs.failover?.accepted ? dcs.failover : null;
  if (view.dynamic.pause && !(request !== null && hasHadItsTry(request, view))) {
    // It stepped down for a request that nobody could follow: better it again than nobody.
    const former = request !== null && lock.ended?.how === "released"
      ? reported.find((status) => status.name === lock.lastHolder && ineligible(status, view) === null)
      : undefined;
    if (former !== undefined && view.freeForMs >= FORMER_HOLDER_WAIT_MS) {
      return grant(former, "nobody could take over as requested: the former primary again", view);
    }
    return {
      kind: "wait",
      reason: 'PAUSE: nobody is promoted; "agent ctl failover --candidate NAME" or "agent ctl resume"',
    };
  }
  return view.warm ? chooseWarm(reported, fresh, view) : chooseCold(reported, view);
}

function chooseBootstrapper(fresh: readonly MemberStatus[], view: SuccessorView): Choice {
  const by = view.dcs.initialize!.by;
  // The grant names the life on record: one that this status is not of could not use it.
  const life = knownMember(view.dcs, by)?.life;
  const ready = fresh.find((status) =>
    status.name === by && status.bootstrapReady && isSameLife(status.life, life)
  );
  return ready === undefined
    ? { kind: "wait", reason: `${by} is bootstrapping` }
    : grant(ready, "first primary of a new cluster", view);
}

/**
 * An operator who names a member for a failover has seen which there are, and may mean the directory of a
 * former primary.
 */
export function namesCandidate({ kind, candidate }: Pick<FailoverRecord, "kind" | "candidate">): boolean {
  return kind === "failover" && candidate !== null;
}

/** A member was granted the lock for this accepted request, and has lost it again. */
function hasHadItsTry({ epoch }: FailoverRecord, { dcs: { lock } }: Pick<SuccessorView, "dcs">): boolean {
  return lock.epoch > epoch;
}

/** The candidate of an accepted request, while it can be had; null: everyone may have it. */
function chooseRequested(
  reported: readonly MemberStatus[],
  fresh: readonly MemberStatus[],
  view: SuccessorView,
): Choice | null {
  const request = view.dcs.failover!;
  if (request.candidate === null) return null;
  if (request.candidate === view.dcs.lock.lastHolder && hasHadItsTry(request, view)) return null;
  const candidate = reported.find((status) => status.name === request.candidate);
  if (candidate === undefined) {
    const alive = fresh.some((status) => status.name === request.candidate);
    if (alive && view.freeForMs < CANDIDATE_WAIT_MS) {
      return { kind: "wait", reason: `waiting for ${request.candidate}` };
    }
    return null;
  }
  if (ineligible(candidate, view, namesCandidate(request)) !== null) return null;
  if (!hasReported(candidate, view) && view.freeForMs < CANDIDATE_WAIT_MS) {
    return { kind: "wait", reason: `waiting until ${candidate.name} has received everything` };
  }
  if (!hasEverything(candidate, view)) return null;
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
    ineligible(status, view) === null && !lagsTooFar(status, view)
  );
  const others = eligible.filter((status) => !wasLastHolder(status, view)).sort(candidateOrder(view));
  // After a clean stop nothing need be lost: a member that lacks some of it is second to the former holder
  // itself.
  const former = eligible.find((status) => wasLastHolder(status, view));
  const complete = others.filter((status) => hasEverything(status, view));
  if (complete.length === 0 && others.length > 0) {
    if (former !== undefined) {
      return grant(former, "no other member has everything that it wrote before it stopped", view);
    }
    const alive = fresh.some((status) => wasLastHolder(status, view) && !status.shuttingDown);
    if (alive && view.freeForMs < CANDIDATE_WAIT_MS) {
      return { kind: "wait", reason: `nobody has everything but ${lock.lastHolder}: waiting for its report` };
    }
  }
  const best = complete[0] ?? others[0];
  if (best !== undefined) {
    const how = lock.ended === null
      ? "the first epoch"
      : `${lock.lastHolder}'s epoch ${lock.epoch} ${lock.ended.how}`;
    return grant(best, `${describe(best)} after ${how}`, view);
  }
  // It stepped down or lost its lease; it gets the lock back only when nobody else can have it.
  if (former !== undefined && view.freeForMs >= FORMER_HOLDER_WAIT_MS) {
    return grant(former, "the only healthy member, again", view);
  }
  return { kind: "wait", reason: explainNobody(reported, view) };
}

/**
 * Nobody, member or witness, has seen a living primary since its start: all hosts were off. The last holder
 * has everything that was ever acknowledged; it is waited for, unless all members are present and have
 * reported.
 */
function chooseCold(reported: readonly MemberStatus[], view: SuccessorView): Choice {
  const { lock, members } = view.dcs;
  const eligible = reported.filter((status) => ineligible(status, view) === null).sort(candidateOrder(view));
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
 * After a recovery from a lost majority nobody but stopped former primaries may be left. A member that has
 * more than they have goes before them even while it cannot be promoted: it starts, its guard is not there
 * yet, its agent is being restarted. What keeps it away may also last (nofailover): then an operator has to
 * say whose data is to go, as the other one's would be rewound or copied over.
 */
function chooseLastResort(reported: readonly MemberStatus[], view: SuccessorView): Choice {
  const waitMs = view.dynamic.primaryStartTimeoutS * 1000;
  const former = reported.filter((status) => ineligible(status, view, true) === null)
    .sort(candidateOrder(view))[0];
  if (former === undefined) return { kind: "wait", reason: explainNobody(reported, view) };
  const end = `"agent ctl failover --candidate NAME" ends the wait`;
  const better = view.statuses.filter((seen) =>
    isMember(seen, view) && seen.ageMs < Math.max(FRESH_MS, waitMs)
  )
    .map((seen) => seen.status).find((status) => hasMore(status, former, view));
  if (better !== undefined) {
    const why = ineligible(better, view) ?? "has not been heard just now";
    const reason = `${better.name} has more than the former primary ${former.name}, and ${why}; ${end}`;
    return { kind: "wait", reason };
  }
  if (view.coldForMs < waitMs) {
    const leftS = Math.ceil((waitMs - view.coldForMs) / 1000);
    const reason =
      `nobody is left but the former primary ${former.name}: waiting for a better one for up to ${leftS} s`;
    return { kind: "wait", reason: `${reason}; ${end}` };
  }
  const reason = `recovered cluster, nobody but former primaries is left: ${describe(former)}`;
  return grant(former, reason, view);
}

/** Later data of this cluster on its disk, whether or not it can be promoted. */
function hasMore(status: MemberStatus, than: MemberStatus, view: SuccessorView): boolean {
  const systemId = view.dcs.initialize?.systemId;
  if (!status.directoryUsable || (status.systemId !== null && status.systemId !== systemId)) return false;
  const later = (status.timeline ?? 0) - (than.timeline ?? 0);
  return later > 0 || (later === 0 && (positionOf(status) ?? 0) > (positionOf(than) ?? 0));
}

function describe(status: MemberStatus): string {
  return `most advanced member (timeline ${status.timeline ?? "?"}, position ${positionOf(status) ?? "?"})`;
}

function explainNobody(reported: readonly MemberStatus[], view: SuccessorView): string {
  if (reported.length === 0) return "no member has reported yet";
  const why = reported.map((status) =>
    `${status.name}: ${
      ineligible(status, view) ?? (lagsTooFar(status, view) ? "lags too far behind" : "stepped down just now")
    }`
  );
  return `nobody can be promoted (${why.join("; ")})`;
}
