/**
 * `GET /cluster` (docs/compatibility.md section 10.4) and `GET /history`: the whole cluster as this member
 * sees it, from memory.
 */
import { ownValue } from "../lib/own_value.ts";
import { Hono } from "@hono/hono";
import { failsafeGap, votersHeard } from "../model/failsafe_gap.ts";
import { hostPortOf } from "../model/host_port.ts";
import { withOffset } from "../model/iso_time.ts";
import { LONGEST_LEASE_MS } from "../model/limits.ts";
import { formatLsn, type Lsn } from "../model/lsn.ts";
import { type MemberStatus, STATE_KNOWN_MS, type WatchdogSummary } from "../model/member_status.ts";
import { type DcsState, isInitialized, type LossRecord } from "../model/records.ts";
import type { SlotAtRisk } from "../model/slot_risk.ts";
import { jsonText } from "./json_text.ts";
import { copyJson } from "./copy_json.ts";
import type { ApiPort, ApiView, SeenStatus } from "./port.ts";
import type { ClusterJson, ClusterMemberJson, LossJson, SlotAtRiskJson } from "./shapes.ts";
import {
  hasClusterView,
  isStandbyCluster,
  JSON_HEADERS,
  leadFailureJson,
  shownLeader,
  shownRestart,
  synchronousMode,
} from "./status.ts";

export function clusterRoutes(port: ApiPort): Hono {
  const routes = new Hono();
  const json = (value: unknown) => new Response(jsonText(value), { headers: JSON_HEADERS });
  routes.get("/cluster", () => json(clusterJson(port.view())));
  routes.get("/history", () => json(port.view().dcs?.history ?? []));
  routes.get("/agent/losses", () => json((port.view().dcs?.losses ?? []).map(lossJson)));
  return routes;
}

function lossJson({ member, at, timeline, lsn, end, bytes, transactions, kept }: LossRecord): LossJson {
  return {
    member,
    at: withOffset(at),
    timeline,
    lsn: formatLsn(lsn),
    end: formatLsn(end),
    bytes,
    transactions: transactions ?? null,
    kept: kept ?? null,
  };
}

export function clusterJson(view: ApiView): ClusterJson {
  const failover = view.dcs?.failover ?? null;
  const waitsS = failoverWaitsS(view.dcs);
  const lacking = failsafeGap({
    enabled: view.dynamic.failsafeMode,
    state: view.dcs,
    voters: view.raft === null ? [] : votersHeard(view.raft),
  });
  const ending = view.witnesses.flatMap(({ name, certificatesEnding = [] }) =>
    certificatesEnding.map((one) => ({ witness: name, ...one }))
  );
  return {
    members: shownStatuses(view).map((status) => memberJson(view, status)),
    scope: view.config.scope,
    ...(view.dynamic.pause ? { pause: true } : {}),
    ...(view.failsafeActive ? { failsafe_mode_is_active: true } : {}),
    ...(failover !== null && failover.scheduledAt !== null
      ? {
        scheduled_switchover: {
          at: failover.scheduledAt,
          ...(failover.leader !== null ? { from: failover.leader } : {}),
          ...(failover.candidate !== null ? { to: failover.candidate } : {}),
        },
      }
      : {}),
    agent: {
      initialize: view.dcs?.initialize?.systemId ?? null,
      answered_by: view.config.name,
      view_age_ms: view.dcsAgeMs === null ? null : Math.round(view.dcsAgeMs),
      fresh: hasClusterView(view),
      unreachable: unreachableMembers(view),
      witnesses: view.witnesses.map(({ name }) => name),
      ...(ending.length === 0 ? {} : { witness_certificates_ending: ending }),
      can_lose: canLose(view),
      ...(view.dynamic.pause && view.dynamic.pauseUntil !== null
        ? { pause_until: view.dynamic.pauseUntil }
        : {}),
      ...(lacking === null ? {} : { failsafe_lacks: lacking }),
      ...(view.operatorNeeded === null || !hasClusterView(view)
        ? {}
        : { operator_needed: view.operatorNeeded }),
      ...(waitsS > view.dynamic.ttlS ? { failover_waits_s: waitsS } : {}),
    },
  };
}

/** Records without a cluster have the value that they begin with, and no primary that it would be about. */
function failoverWaitsS(dcs: DcsState | null): number {
  if (dcs === null || !isInitialized(dcs)) return 0;
  return Math.min(dcs.waitTtlMs, LONGEST_LEASE_MS) / 1000;
}

/** How many voters may fail, by the raft leader, which may be another member; null while none is known. */
function canLose(view: ApiView): number | null {
  const leaders = [...livingStatuses(view).map(({ status }) => status), ...view.witnesses];
  return view.raft?.canLose ?? leaders.find((member) => typeof member.canLose === "number")?.canLose ?? null;
}

/** A member counts for a ttl after its last broadcast, as Patroni's member keys do. Sorted by name. */
export function livingStatuses(view: ApiView): readonly SeenStatus[] {
  return view.statuses
    .filter(({ ageMs }) => ageMs <= view.dynamic.ttlS * 1000)
    .sort((a, b) => a.status.name < b.status.name ? -1 : 1);
}

/** A status as it may be shown: a state that was not seen lately is unknown. */
export interface ShownStatus extends Omit<MemberStatus, "state"> {
  readonly state: string;
  /** The last known state where the present one is unknown; null: it is known. */
  readonly before: { readonly state: string; readonly ageMs: number } | null;
}

/**
 * The living members as all answers show them. Patroni shows `unknown` where SQL fails; a lag of 0 from
 * before the server or the member fell silent would suggest a health that is not known.
 */
export function shownStatuses(view: ApiView): readonly ShownStatus[] {
  return livingStatuses(view).map(({ status, ageMs }) => {
    const stateAgeMs = ageMs + (status.lookAgeMs ?? 0);
    if (stateAgeMs <= STATE_KNOWN_MS) return { ...status, before: null };
    return {
      ...status,
      state: "unknown",
      replicationState: null,
      walLsn: null,
      receivedLsn: null,
      replayedLsn: null,
      copy: undefined,
      before: { state: status.replicationState ?? status.state, ageMs: stateAgeMs },
    };
  });
}

/**
 * The position that lags are measured against; null: not known. A primary that has fallen silent may write
 * on, and a standby would have no lag behind the position heard last. Without a primary the last one's
 * position is the end.
 */
export function knownOptime(view: ApiView): Lsn | null {
  const holder = view.dcs?.lock.holder ?? null;
  if (holder === null) return view.progress.optime;
  const status = shownStatuses(view).find(({ name }) => name === holder);
  return status === undefined || status.before !== null ? null : view.progress.optime;
}

function unreachableMembers(view: ApiView): ClusterJson["agent"]["unreachable"] {
  const living = new Set(livingStatuses(view).map(({ status }) => status.name));
  const ages = new Map(view.statuses.map(({ status, ageMs }) => [status.name, ageMs]));
  return Object.values(view.dcs?.members ?? {})
    .filter(({ name }) => !living.has(name))
    .map(({ name, apiUrl }) => {
      const ageMs = ages.get(name);
      return { name, last_seen_s: ageMs === undefined ? null : Math.round(ageMs / 1000), api_url: apiUrl };
    });
}

export function shownClusterRole(view: ApiView, name: string): string {
  if (shownLeader(view.dcs) === name) return isStandbyCluster(view) ? "standby_leader" : "leader";
  const mode = synchronousMode(view);
  if (mode === "off" || !view.dcs?.sync.syncStandby.includes(name)) return "replica";
  return mode === "quorum" ? "quorum_standby" : "sync_standby";
}

function memberJson(view: ApiView, status: ShownStatus): ClusterMemberJson {
  const role = shownClusterRole(view, status.name);
  const leading = shownLeader(view.dcs) === status.name;
  const address = hostPortOf(status.connUrl);
  const scheduled = shownRestart(view, status.name);
  return {
    name: status.name,
    role,
    state: (role === "leader" ? null : status.replicationState) ?? heldState(status),
    api_url: status.apiUrl,
    ...(address ?? {}),
    ...(status.timeline !== null ? { timeline: status.timeline } : {}),
    ...(status.pendingRestart
      ? { pending_restart: true, pending_restart_reason: status.pendingRestart }
      : {}),
    ...(scheduled ? { scheduled_restart: scheduled } : {}),
    ...(Object.keys(status.tags).length > 0 ? { tags: status.tags } : {}),
    ...(leading ? {} : positions(knownOptime(view), status)),
    ...ownFields(view, status),
  };
}

/** One that waits for an operator is no ordinary stopped server. */
function heldState({ needsReinit, running, state }: ShownStatus): string {
  return needsReinit !== undefined && !running && state === "stopped" ? "needs reinit" : state;
}

function ownFields(view: ApiView, status: ShownStatus): Pick<ClusterMemberJson, "agent"> {
  const { watchdog, before, lastStop, leadFailure, copy, copyFailed, needsReinit } = status;
  const { reloadRefused, certificatesEnding, slotsAtRisk, following, ailments, syncTroubles } = status;
  const offMs = ownValue(view.clockOffMs ?? {}, status.name);
  const agent = {
    ...(following === null || following === shownLeader(view.dcs) ? {} : { follows: following }),
    ...(copy === undefined ? {} : { copy: copyJson(copy) }),
    ...(copyFailed === undefined ? {} : { copy_failed: copyFailed }),
    ...(needsReinit === undefined ? {} : { needs_reinit: needsReinit }),
    ...(watchdog === undefined ? {} : { watchdog: watchdogOf(watchdog) }),
    ...(before === null ? {} : { last_state: before.state, last_state_s: Math.round(before.ageMs / 1000) }),
    ...(lastStop === undefined ? {} : { last_stop: lastStop }),
    ...(leadFailure === undefined ? {} : { lead_failure: leadFailureJson(leadFailure) }),
    ...(reloadRefused === undefined ? {} : { reload_refused: reloadRefused }),
    ...(certificatesEnding === undefined ? {} : { certificates_ending: certificatesEnding }),
    ...(slotsAtRisk === undefined ? {} : { slots_at_risk: slotsAtRisk.map(riskJson) }),
    ...(ailments === undefined || ailments.length === 0 ? {} : { ailments }),
    ...(syncTroubles === undefined ? {} : { sync_troubles: syncTroubles }),
    ...(offMs === undefined ? {} : { clock_off_s: Math.round(offMs / 1000) }),
  };
  return Object.keys(agent).length === 0 ? {} : { agent };
}

function riskJson({ name, heldBytes, safeBytes }: SlotAtRisk): SlotAtRiskJson {
  return { name, held_bytes: heldBytes, safe_bytes: safeBytes };
}

function watchdogOf({ mode, active, timeoutS }: WatchdogSummary) {
  return { mode, active, timeout: timeoutS };
}

function positions(optime: Lsn | null, status: ShownStatus): Partial<ClusterMemberJson> {
  const received = position(optime, status.receivedLsn);
  const replayed = position(optime, status.replayedLsn);
  const furthest = position(optime, Math.max(status.receivedLsn ?? 0, status.replayedLsn ?? 0));
  return {
    receive_lsn: received.lsn,
    receive_lag: received.lag,
    replay_lsn: replayed.lsn,
    replay_lag: replayed.lag,
    lsn: furthest.lsn,
    lag: furthest.lag,
  };
}

function position(optime: Lsn | null, lsn: Lsn | null): { lsn: string; lag: number | "unknown" } {
  if (!lsn) return { lsn: "unknown", lag: "unknown" };
  return { lsn: formatLsn(lsn), lag: optime === null ? "unknown" : Math.max(0, optime - lsn) };
}
