/**
 * Judges a switchover or failover: the one rule for it. The API asks before a request is logged, by what its
 * member sees, and the raft leader asks again when it answers the request. A refusal is a code with what its
 * texts need; the texts are made where they are shown (request.ts, src/api/switchover_text.ts).
 */
import type { MemberStatus } from "../../model/member_status.ts";
import { type FailoverRecord, isInitialized } from "../../model/records.ts";
import { formerPrimariesFor, ineligible, isMember, lagsTooFar } from "./candidate.ts";
import { FRESH_MS, type SeenStatus } from "./successor_view.ts";
import type { Unfit } from "./unfit.ts";
import type { ClusterView } from "./view.ts";

/** A request whose candidates merely lag is refused after this long. */
const LAG_LASTS_MS = 1500;
/**
 * One whose candidates do not stream: a WAL receiver comes back after wal_retrieve_retry_interval, 5 s by
 * default.
 */
const NO_STREAM_LASTS_MS = 6500;

export type Asked = Pick<FailoverRecord, "kind" | "leader" | "candidate" | "scheduledAt">;

export type JudgeView = Pick<
  ClusterView,
  "dcs" | "dynamic" | "statuses" | "removed" | "primaryLsn" | "wallMs"
>;

/** What is wrong with a request by itself, no matter what the cluster is like. */
export type Fault =
  | "failover-without-candidate"
  | "switchover-without-leader"
  | "failover-scheduled"
  | "scheduled-in-pause"
  | "no-candidate-in-pause"
  | "same-member";

/** Why the cluster cannot do it. */
export type Obstacle =
  | { readonly code: "not-initialized" }
  | { readonly code: "bad-time"; readonly at: string }
  | { readonly code: "too-late"; readonly at: string; readonly paused: boolean }
  | { readonly code: "other-leader"; readonly holder: string }
  | { readonly code: "is-leader"; readonly candidate: string }
  | { readonly code: "candidate-not-synchronous" }
  | { readonly code: "nobody-synchronous" }
  | { readonly code: "no-such-candidate" }
  | { readonly code: "no-other-member" }
  | {
    readonly code: "nobody-fit";
    readonly unfit: readonly { readonly name: string; readonly why: Unfit }[];
  };

export type Judgement =
  | { readonly kind: "possible" }
  /** Its time has not come, or nobody holds the lock that it is to be taken from. */
  | { readonly kind: "not-yet"; readonly why: "time" | "no-leader" }
  /** It is to be refused once this has lasted for `patienceMs`; 0: at once. */
  | { readonly kind: "impossible"; readonly obstacle: Obstacle; readonly patienceMs: number };

/** In the order in which Patroni asks. */
export function faultOf(
  { kind, leader, candidate }: Omit<Asked, "scheduledAt">,
  scheduled: boolean,
  paused: boolean,
): Fault | null {
  if (kind === "failover" && candidate === null) return "failover-without-candidate";
  if (kind === "switchover" && leader === null) return "switchover-without-leader";
  if (scheduled && kind === "failover") return "failover-scheduled";
  if (scheduled && paused) return "scheduled-in-pause";
  if (paused && candidate === null) return "no-candidate-in-pause";
  return leader === candidate ? "same-member" : null;
}

export function judgeRequest(request: Asked, view: JudgeView): Judgement {
  const { dcs: { lock }, dynamic, wallMs } = view;
  const { kind, leader, candidate, scheduledAt } = request;
  if (!isInitialized(view.dcs)) return impossible({ code: "not-initialized" });
  if (scheduledAt !== null) {
    const lateMs = wallMs - Date.parse(scheduledAt);
    if (Number.isNaN(lateMs)) return impossible({ code: "bad-time", at: scheduledAt });
    if (lateMs > 1500 * dynamic.loopWaitS) {
      return impossible({ code: "too-late", at: scheduledAt, paused: dynamic.pause });
    }
    if (lateMs < 0) return { kind: "not-yet", why: "time" };
  }
  if (kind === "switchover" && lock.holder !== null && leader !== lock.holder) {
    return impossible({ code: "other-leader", holder: lock.holder });
  }
  if (candidate !== null && candidate === lock.holder) return impossible({ code: "is-leader", candidate });
  // In pause no time comes.
  if (scheduledAt !== null && dynamic.pause) return { kind: "not-yet", why: "time" };
  if (kind === "switchover" && leader !== lock.holder) return { kind: "not-yet", why: "no-leader" };
  const candidates = candidatesFor(request, view);
  return "code" in candidates ? impossible(candidates) : judgeCandidates(request, candidates, view);
}

function impossible(obstacle: Obstacle, patienceMs = 0): Judgement {
  return { kind: "impossible", obstacle, patienceMs };
}

/** Those who are asked for. A member counts for a ttl after its last broadcast, as Patroni's keys do. */
function candidatesFor({ kind, candidate }: Asked, view: JudgeView): readonly SeenStatus[] | Obstacle {
  const { dcs: { lock, sync }, dynamic } = view;
  const members = view.statuses.filter((seen) => seen.ageMs <= dynamic.ttlS * 1000 && isMember(seen, view));
  const only = (fits: (name: string) => boolean, nobody: Obstacle) => {
    const found = members.filter(({ status }) => fits(status.name));
    return found.length === 0 ? nobody : found;
  };
  const isSynchronous = (name: string) => sync.syncStandby.includes(name);
  // It has no effect in a standby cluster.
  const mustBeSync = dynamic.standbyCluster === null && dynamic.synchronousMode === "on";
  if (candidate !== null) {
    if (kind === "switchover" && mustBeSync && !isSynchronous(candidate)) {
      return { code: "candidate-not-synchronous" };
    }
    return only((name) => name === candidate, { code: "no-such-candidate" });
  }
  if (mustBeSync) return only(isSynchronous, { code: "nobody-synchronous" });
  return only((name) => name !== lock.holder, { code: "no-other-member" });
}

function judgeCandidates(request: Asked, asked: readonly SeenStatus[], view: JudgeView): Judgement {
  const { holder } = view.dcs.lock;
  const candidates = asked.filter(({ status, ageMs }) => ageMs < FRESH_MS && status.name !== holder)
    .map(({ status }) => status);
  const formerPrimaries = formerPrimariesFor(request, view);
  const unfit = (status: MemberStatus) => ineligible(status, view, formerPrimaries);
  const why = (status: MemberStatus) =>
    unfit(status) ?? (request.kind === "switchover" ? notReady(status, view) : null);
  const reasons = candidates.flatMap((status) => {
    const found = why(status);
    return found === null ? [] : [{ name: status.name, why: found }];
  });
  if (reasons.length < candidates.length) return { kind: "possible" };
  // Broadcast positions are up to half a second old, and the primary's own is newer: a lag must last to
  // count.
  const hopeful = candidates.filter((status) => unfit(status) === null);
  const isLagging = hopeful.some((status) => streams(status, view));
  const patienceMs = hopeful.length === 0 ? 0 : isLagging ? LAG_LASTS_MS : NO_STREAM_LASTS_MS;
  return impossible({ code: "nobody-fit", unfit: reasons }, patienceMs);
}

/**
 * Why a switchover to it would lose something, or leave nobody; null when it would not. A position counts
 * only while WAL streams from the holder: without that, the last of it never arrives.
 */
function notReady(status: MemberStatus, view: JudgeView): Unfit | null {
  if (!streams(status, view)) return { code: "no-stream", from: view.dcs.lock.holder };
  return lagsTooFar(status, view) ? { code: "lag" } : null;
}

/** From the holder, or from standbys that do so (tag `replicatefrom`). */
export function streams(
  status: MemberStatus,
  view: Pick<ClusterView, "dcs" | "statuses">,
  through: readonly string[] = [],
): boolean {
  const { running, replicationState, following, name } = status;
  if (!running || replicationState !== "streaming" || following === null) return false;
  if (following === view.dcs.lock.holder) return true;
  const between = view.statuses.find((seen) => seen.status.name === following && seen.ageMs < FRESH_MS)
    ?.status;
  return between !== undefined && !through.includes(following) && streams(between, view, [...through, name]);
}
