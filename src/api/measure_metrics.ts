/** Metrics of what a node counts and measures beside its work. Prefix `agent_`. */
import { FAILOVER_REASONS } from "../model/measures.ts";
import { counter, gauge } from "./agent_metrics.ts";
import { fixedLabels } from "./exposition.ts";
import { livingStatuses } from "./cluster.ts";
import type { ApiView } from "./port.ts";
import type { Histogram, LabelledValue, Metric } from "./patroni_metrics.ts";

const OF_REASON = FAILOVER_REASONS.map((reason) => fixedLabels({ reason }));

export const LOOP_HISTOGRAM: Histogram = {
  name: "agent_loop_duration_seconds",
  help: "How long the looks of the agent's loop took.",
  reading: ({ measures }) => measures.loop,
};

export const RAFT_SYNC_HISTOGRAM: Histogram = {
  name: "agent_raft_fsync_seconds",
  help: "From the hand-over of entries to the disk of the raft log until they are durable.",
  reading: ({ measures }) => measures.raftSync,
};

export const MEASURE_METRICS: readonly Metric[] = [
  gauge(
    "raft_peer_rtt_seconds",
    "From the last answered heartbeat of this raft leader to the answer of the peer.",
    ({ view: { raft } }) =>
      (raft?.members ?? []).flatMap(({ id, name, addr, rttMs }): LabelledValue[] =>
        id === raft?.id || rttMs === null ? [] : [{ labels: { peer: name ?? addr }, value: rttMs / 1000 }]
      ),
  ),
  gauge(
    "raft_snapshot_bytes",
    "Size of the last snapshot of the records that was made or read here.",
    ({ measures }) => measures.snapshotBytes,
  ),
  counter(
    "failovers_total",
    "Failovers that this node has learnt of since the start of the agent, by reason.",
    ({ measures: { handOvers } }) =>
      FAILOVER_REASONS.map((reason, at) => ({ labels: OF_REASON[at]!, value: handOvers.failovers[reason] })),
  ),
  counter(
    "switchovers_total",
    "Switchovers that this node has learnt of since the start of the agent.",
    ({ measures }) => measures.handOvers.switchovers,
  ),
  gauge(
    "failover_duration_seconds",
    "The last failover, from the first sign of trouble to the first write of the new primary.",
    ({ measures: { handOvers: { lastFailoverMs } } }) =>
      lastFailoverMs === null ? null : lastFailoverMs / 1000,
  ),
  counter(
    "demotions_total",
    "Demotions of this node, by the rule that decided.",
    ({ measures }) => labelled("reason", measures.demotions),
  ),
  counter(
    "rewind_total",
    "Rewinds of this node that ended since the start of the agent, by result.",
    ({ measures: { rewinds } }) => rewinds === null ? null : labelled("result", rewinds),
  ),
  gauge(
    "clone_progress_ratio",
    "Share of the copy of another node's data under way that has been received, as its source estimates.",
    ({ view }) => {
      const copy = view.postgres?.action?.copy;
      if (copy === undefined || copy.totalBytes === null || copy.totalBytes <= 0) return null;
      return Math.min(1, copy.doneBytes / copy.totalBytes);
    },
  ),
  gauge(
    "replication_lag_seconds",
    "How long the replay of a standby has been without WAL that the primary had.",
    ({ measures, view }) => seconds("member", measures.lagMs, heardOf(view)),
  ),
  gauge(
    "clock_skew_seconds",
    "How far the wall clock of another node is ahead of this one's, less the time that its word took.",
    ({ measures, view }) => seconds("peer", measures.skewMs, heardOf(view)),
  ),
  counter(
    "wal_archive_failed_total",
    "Failures of archive_command, as PostgreSQL counts them.",
    ({ measures }) => measures.archiveFailed,
  ),
  counter(
    "log_lines_lost_total",
    "Lines of the log that could not be written since the start of the agent.",
    ({ view }) => view.log?.lost ?? null,
  ),
  gauge(
    "log_queued_lines",
    "Lines of the log that wait to be read by what the agent writes them to.",
    ({ view }) => view.log?.queued ?? null,
  ),
];

function labelled(label: string, values: { readonly [key: string]: number }): LabelledValue[] {
  return Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value }));
}

/** Leaves out members that are gone. */
function seconds(
  label: string,
  valuesMs: { readonly [key: string]: number },
  members: ReadonlySet<string>,
): LabelledValue[] {
  return Object.entries(valuesMs).flatMap(([key, ms]) =>
    members.has(key) ? [{ labels: { [label]: key }, value: ms / 1000 }] : []
  );
}

function heardOf(view: ApiView): ReadonlySet<string> {
  return new Set(livingStatuses(view).map(({ status }) => status.name));
}
