/** Metrics that Patroni does not have: consensus, lease, guard, watchdog, event loop. Prefix `agent_`. */
import type { LatenessKind, MeasuredLateness } from "../model/timing.ts";
import { fixedLabels, type Labels } from "./exposition.ts";
import { knownOptime, livingStatuses, shownStatuses } from "./cluster.ts";
import { flag, type Histogram, type LabelledValue, type Look, type Metric } from "./patroni_metrics.ts";
import { shownLeader } from "./status.ts";

export function gauge(
  name: string,
  help: string,
  value: Metric["value"],
): Metric {
  return { name: `agent_${name}`, help, type: "gauge", value };
}

export function counter(
  name: string,
  help: string,
  value: Metric["value"],
): Metric {
  return { name: `agent_${name}`, help, type: "counter", value };
}

export const EVENT_METRICS: readonly Metric[] = [
  counter(
    "events_total",
    "Events of the cluster that this node has learnt of since the start of the agent.",
    ({ view }) => Object.entries(view.counters.events).map(([kind, value]) => ({ labels: { kind }, value })),
  ),
];

/** Metrics of the member's own file. */
export const FILE_METRICS: readonly Metric[] = [
  gauge(
    "reload_refused",
    "Value is 1 if the last reload of this node's file was refused, 0 otherwise.",
    ({ view }) => view.status ? flag(view.status.reloadRefused !== undefined) : null,
  ),
  gauge(
    "cert_expiry_seconds",
    "Seconds until the certificate of that setting ends; below 0: it has.",
    ({ view }) =>
      (view.certificates ?? []).map(({ key, ends }) => ({
        labels: { cert: key },
        value: (Date.parse(ends) - Date.now()) / 1000,
      })),
  ),
];

/** Metrics of what keeps the member from its place, until an operator or time helps. */
export const TROUBLE_METRICS: readonly Metric[] = [
  gauge(
    "needs_reinit",
    "Value is 1 if this node comes back by a reinit only, 0 otherwise.",
    ({ view }) => view.status ? flag(view.status.needsReinit !== undefined) : null,
  ),
  gauge(
    "cannot_lead",
    "Value is 1 if this node let the lock go as it could not become the primary, and sits out, 0 otherwise.",
    ({ view }) => view.status ? flag(view.status.leadFailure?.sitsOut === true) : null,
  ),
];

const OF_KIND: { readonly [kind in LatenessKind]: Labels } = {
  event_loop: fixedLabels({ what: "event_loop" }),
  guard: fixedLabels({ what: "guard" }),
  renewal: fixedLabels({ what: "renewal" }),
};

export const AGENT_METRICS: readonly Metric[] = [
  gauge("raft_term", "Current raft term.", ({ view }) => view.raft?.term ?? null),
  gauge(
    "raft_is_leader",
    "Value is 1 if this node leads raft, 0 otherwise.",
    ({ view }) => view.raft ? flag(view.raft.role === "leader") : null,
  ),
  gauge(
    "raft_has_leader",
    "Value is 1 if a raft leader is known, 0 otherwise.",
    ({ view }) => view.raft ? flag(view.raft.leader !== null) : null,
  ),
  gauge(
    "raft_commit_index",
    "Highest raft log index known to be committed.",
    ({ view }) => view.raft?.commit ?? null,
  ),
  gauge(
    "raft_applied_index",
    "Highest raft log index applied here.",
    ({ view }) => view.raft?.applied ?? null,
  ),
  gauge(
    "raft_quorum_margin",
    "Voters that may still fail before there is no majority; only on the raft leader.",
    ({ view }) => view.raft?.canLose ?? null,
  ),
  gauge(
    "raft_disk_full",
    "Value is 1 while the disk of this node's raft log is full and it steps aside, 0 otherwise.",
    ({ view }) => view.raft ? flag(view.raft.shortOfSpace !== null) : null,
  ),
  gauge("raft_peer_connected", "Value is 1 if the raft peer is connected, 0 otherwise.", (look) => {
    return peers(look).map(({ labels, peer }) => ({ labels, value: flag(peer.connected) }));
  }),
  gauge("raft_peer_last_contact_seconds", "Seconds since the raft peer was last heard.", (look) => {
    return peers(look).flatMap(({ labels, peer }) =>
      peer.lastContactMs === null ? [] : [{ labels, value: peer.lastContactMs / 1000 }]
    );
  }),
  gauge(
    "holds_lease",
    "Value is 1 while this node holds the leader lock and its lease runs, 0 otherwise.",
    ({ holdsLease }) => flag(holdsLease),
  ),
  gauge(
    "lease_remaining_seconds",
    "Seconds until the lease of this node ends, 0 if it holds none.",
    ({ leaseRemainingMs }) => leaseRemainingMs / 1000,
  ),
  gauge(
    "lease_epoch",
    "Epoch of the last grant of the leader lock.",
    ({ view }) => view.dcs?.lock.epoch ?? null,
  ),
  gauge(
    "guard_ok",
    "Value is 1 if the guard supervises PostgreSQL fully, 0 if partially or not at all.",
    ({ view }) => view.guard ? flag(view.guard.state === "ok") : null,
  ),
  gauge(
    "watchdog_active",
    "Value is 1 if the watchdog device is armed, 0 otherwise.",
    ({ view }) => view.watchdog ? flag(view.watchdog.active) : null,
  ),
  gauge(
    "watchdog_timeout_seconds",
    "Timeout set at the watchdog device.",
    ({ view }) => view.watchdog?.timeoutS ?? null,
  ),
  gauge(
    "watchdog_closest_seconds",
    "The least time that was left when the watchdog was fed, since the start of the agent.",
    ({ view }) => view.watchdog?.closestS ?? null,
  ),
  counter(
    "watchdog_feeds_total",
    "Times the watchdog was fed.",
    ({ view }) => view.watchdog?.feeds ?? null,
  ),
  gauge(
    "event_loop_stall_seconds_max",
    "Largest lateness of the event loop in the last minute.",
    ({ view }) => view.eventLoopLateMs / 1000,
  ),
  gauge(
    "late_seconds",
    "How late things came in the last minutes: quantile 0.5, 0.99, 0.999 and 1, the worst.",
    ({ late }) => late.flatMap(quantilesOf),
  ),
  gauge(
    "late_budget_seconds",
    "How late they may come before PostgreSQL is frozen or, for the guard, before the lease is not safe.",
    ({ late }) => late.map(({ kind, budgetMs }) => ({ labels: OF_KIND[kind], value: budgetMs / 1000 })),
  ),
  gauge(
    "loop_age_seconds",
    "Seconds since the agent last looked at the cluster.",
    ({ view }) => view.loopAgeMs / 1000,
  ),
  counter(
    "loop_late_total",
    "Times the loop or a renewal came late.",
    ({ view }) => view.counters.lateLoops,
  ),
  gauge(
    "clock_jumps",
    "Times that the process stood still or the wall clock went apart from the clock of leases, since its start.",
    ({ clocks }) => clocks.map(({ process, jumps }) => ({ labels: { process }, value: jumps })),
  ),
  counter("promotions_total", "Promotions of this node.", ({ view }) => view.counters.promotions),
  counter("fences_total", "Times the guard fenced PostgreSQL.", ({ view }) => view.counters.fences),
  gauge("members_reachable", "Members heard of within a ttl, this node included.", ({ view }) => {
    return livingStatuses(view).length;
  }),
  gauge(
    "replication_lag_bytes",
    "Bytes that the replay of a standby is behind the primary.",
    ({ view }) => {
      const standbys = shownStatuses(view).filter(({ name }) => name !== shownLeader(view.dcs));
      const optime = knownOptime(view);
      return standbys.flatMap(({ name, replayedLsn }) =>
        replayedLsn === null || optime === null
          ? []
          : [{ labels: { member: name }, value: Math.max(0, optime - replayedLsn) }]
      );
    },
  ),
];

function lateness(kind: LatenessKind, name: string, help: string): Histogram {
  return { name: `agent_${name}`, help, reading: (look) => look.lateness(kind) };
}

/** Histograms: how late things come. */
export const LATENESS_METRICS: readonly Histogram[] = [
  lateness(
    "event_loop",
    "event_loop_late_seconds",
    "How late the loop of the agent looked, after it was due.",
  ),
  lateness(
    "guard",
    "guard_late_seconds",
    "How late the timer of the guard fired: the worst since its last answer, while it watches a primary.",
  ),
  lateness(
    "renewal",
    "renewal_seconds",
    "From the send of a renewal of the lease to its acknowledgement.",
  ),
];

const QUANTILES = ["0.5", "0.99", "0.999", "1"] as const;
const quantileLabels = (what: LatenessKind) => QUANTILES.map((q) => fixedLabels({ what, q }));
const OF_QUANTILE: { readonly [kind in LatenessKind]: readonly Labels[] } = {
  event_loop: quantileLabels("event_loop"),
  guard: quantileLabels("guard"),
  renewal: quantileLabels("renewal"),
};

/** The quantiles; a value that was not measured is left out: 0 would say that all was well. */
function quantilesOf({ kind, p50Ms, p99Ms, p999Ms, maxMs }: MeasuredLateness): LabelledValue[] {
  return [p50Ms, p99Ms, p999Ms, maxMs].flatMap((ms, at) =>
    ms === null ? [] : [{ labels: OF_QUANTILE[kind][at]!, value: ms / 1000 }]
  );
}

function peers({ view }: Look) {
  return (view.raft?.members ?? [])
    .filter((member) => member.id !== view.raft?.id)
    .map((peer) => ({ peer, labels: { peer: peer.name ?? peer.addr } }));
}
