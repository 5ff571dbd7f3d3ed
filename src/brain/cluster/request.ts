/** The raft leader's answer to the switchover or failover that is on record. Pure. */
import type { CommandBody } from "../../dcs/commands.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import type { FailoverRecord } from "../../model/records.ts";
import { ineligible, isMember, lagsTooFar, namesCandidate } from "./successor.ts";
import { FRESH_MS } from "./successor_view.ts";
import { type ClusterView, freshStatus } from "./view.ts";

/** A request whose candidates merely lag is refused after this long. */
const LAG_LASTS_MS = 1500;
/**
 * One whose candidates do not stream: a WAL receiver comes back after wal_retrieve_retry_interval, 5 s by
 * default.
 */
const NO_STREAM_LASTS_MS = 6500;
/**
 * After this long an accepted switchover for which the primary did not step down, since nobody streams, is
 * over.
 */
const ACCEPTED_LASTS_MS = 15_000;

/** When those who were granted the lock for a request have failed, another one is waited for for so long. */
const NOBODY_LASTS_MS = 15_000;

const title = ({ kind }: FailoverRecord) => kind === "switchover" ? "Switchover" : "Failover";

function end({ id }: FailoverRecord, ok: boolean, text: string): CommandBody {
  return { op: "endFailover", id, ok, text };
}

/** Accepts, refuses or completes it; null: there is none, or nothing to say of it now. */
export function answerRequest(view: ClusterView): CommandBody | null {
  const { failover } = view.dcs;
  if (failover === null) return null;
  if (failover.accepted) return outcomeOf(failover, view);
  const why = impossible(failover, view);
  if (why !== null) return end(failover, false, `${title(failover)} ${why}`);
  if (!isDue(failover, view)) return null;
  const judged = judgeCandidates(failover, view);
  if (judged.kind === "possible") return { op: "acceptFailover", id: failover.id };
  if (view.requestForMs < judged.patienceMs) return null;
  const list = judged.reasons.length > 0 ? ` (${judged.reasons.join("; ")})` : "";
  return end(failover, false, `${title(failover)} failed: no good candidates have been found${list}`);
}

/**
 * How an accepted request ended: somebody holds the lock and can write under it, no matter who. null: not
 * yet.
 */
function outcomeOf(request: FailoverRecord, view: ClusterView): CommandBody | null {
  const { lock } = view.dcs;
  const { leader: from, candidate, kind } = request;
  const failed = (why: string) => end(request, false, `${title(request)} failed: ${why}`);
  // Somebody was granted the lock for it and has lost it again. Until somebody writes it stays on record, as
  // long as that may come soon: in maintenance mode the lock is granted for a request only.
  if (lock.holder === null && lock.epoch > request.epoch) {
    if (view.freeForMs < NOBODY_LASTS_MS) return null;
    return failed(`${lock.lastHolder} could not take over (${lock.reason})`);
  }
  const holder = freshStatus(view, lock.holder);
  if (holder === null || !holder.writable || !holder.running || holder.epochSeen !== lock.epoch) return null;
  // False: the holder that was to step down has released the lock since the request was accepted.
  const isSameEpoch = lock.epoch === request.epoch;
  if (holder.name === from) {
    if (!isSameEpoch) return failed(`${from} is the leader again`);
    // It does not step down for one that does not stream, and a stream that is gone for good is not waited
    // for.
    const some = view.statuses.some((seen) =>
      seen.ageMs < FRESH_MS && streams(seen.status, view) &&
      (candidate === null || candidate === seen.status.name)
    );
    if (kind === "failover" || some || view.requestForMs < ACCEPTED_LASTS_MS) return null;
    return failed(`${candidate ?? "no other member"} does not stream from ${from} any more`);
  }
  // Those who had the lock in between did not take over: nothing is known of how clean the end of `from` was.
  const isFirst = lock.epoch <= request.epoch + 1;
  if (!isFirst && candidate !== null && candidate !== holder.name) {
    return failed(`${candidate} could not take over, ${holder.name} did`);
  }
  if (kind === "switchover" && isFirst && !lock.cleanStart) {
    return failed(`${from} ended before it had stopped cleanly, ${holder.name} took over`);
  }
  const over = `${kind === "switchover" ? "switched" : "failed"} over to "${holder.name}"`;
  if (candidate === null || candidate === holder.name) return end(request, true, `Successfully ${over}`);
  if (from === null && isSameEpoch) return null;
  return end(request, true, `${over[0]!.toUpperCase()}${over.slice(1)} instead of "${candidate}"`);
}

/** Why it cannot be done, no matter who the candidates are; null: it may be possible. */
function impossible(request: FailoverRecord, view: ClusterView): string | null {
  const { lock, initialize } = view.dcs;
  const { kind, leader, candidate, scheduledAt } = request;
  if (initialize === null || initialize.systemId === "") {
    return "is not possible: the cluster is not initialized";
  }
  if (scheduledAt !== null) {
    const lateMs = view.wallMs - Date.parse(scheduledAt);
    if (Number.isNaN(lateMs)) return `is dropped: "${scheduledAt}" is no time`;
    if (lateMs > 1500 * view.dynamic.loopWaitS) {
      const why = view.dynamic.pause ? "nothing that is scheduled takes place in pause" : "it is too late";
      return `was scheduled for ${scheduledAt} and is dropped: ${why}`;
    }
    if (lateMs < 0) return null;
  }
  if (kind === "switchover" && lock.holder !== null && leader !== lock.holder) {
    return `failed: leader name does not match, ${lock.holder} is the leader`;
  }
  if (candidate !== null && candidate === lock.holder) return `failed: ${candidate} is the leader already`;
  return null;
}

/** Its time has come, and a switchover has its leader. In pause no time comes. */
function isDue(
  { kind, leader, scheduledAt }: FailoverRecord,
  { dcs, dynamic, wallMs }: ClusterView,
): boolean {
  if (scheduledAt !== null && (dynamic.pause || wallMs < Date.parse(scheduledAt))) return false;
  return kind !== "switchover" || leader === dcs.lock.holder;
}

/** The view by which the candidates of a request are judged. */
export type CandidatesView = Pick<ClusterView, "dcs" | "dynamic" | "statuses" | "removed" | "primaryLsn">;

export type Judgement =
  | { readonly kind: "possible" }
  /**
   * It is to be refused once this has lasted for `patienceMs`; 0: at once. `reasons`: for people, one for
   * each candidate.
   */
  | { readonly kind: "nobody"; readonly patienceMs: number; readonly reasons: readonly string[] };

/**
 * Whether somebody could take over for it. The one rule for that: the API asks it before a request is logged,
 * and the raft leader when it answers the request.
 */
export function judgeCandidates(
  request: Pick<FailoverRecord, "kind" | "candidate">,
  view: CandidatesView,
): Judgement {
  const { holder } = view.dcs.lock;
  const candidates = view.statuses.filter((seen) =>
    seen.ageMs < FRESH_MS && isMember(seen, view) && seen.status.name !== holder &&
    (request.candidate === null || seen.status.name === request.candidate)
  ).map((seen) => seen.status);
  const unfit = (status: MemberStatus) => ineligible(status, view, namesCandidate(request));
  const why = (status: MemberStatus) =>
    unfit(status) ?? (request.kind === "switchover" ? notReady(status, view) : null);
  if (candidates.some((status) => why(status) === null)) return { kind: "possible" };
  // Broadcast positions are up to half a second old, and the primary's own is newer: a lag must last to
  // count.
  const hopeful = candidates.filter((status) => unfit(status) === null);
  const isLagging = hopeful.some((status) => streams(status, view));
  return {
    kind: "nobody",
    patienceMs: hopeful.length === 0 ? 0 : isLagging ? LAG_LASTS_MS : NO_STREAM_LASTS_MS,
    reasons: candidates.map((status) => `${status.name} ${why(status)}`),
  };
}

/**
 * Why a switchover to it would lose something, or leave nobody; null when it would not. A position counts
 * only while WAL streams from the holder: without that, the last of it never arrives.
 */
function notReady(status: MemberStatus, view: CandidatesView): string | null {
  if (!streams(status, view)) return `does not stream from ${view.dcs.lock.holder}`;
  return lagsTooFar(status, view) ? "lags too far behind" : null;
}

function streams(
  { running, replicationState, following }: MemberStatus,
  { dcs }: Pick<ClusterView, "dcs">,
): boolean {
  return running && replicationState === "streaming" && following === dcs.lock.holder;
}
