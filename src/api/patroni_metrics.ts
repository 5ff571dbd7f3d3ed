/**
 * Patroni's metrics (docs/compatibility.md section 12): names, order and meaning are theirs, so that existing
 * dashboards and alerts go on working. Each is a function of one look.
 */
import { POSTGRES_STATES } from "../model/postgres_view.ts";
import { PATRONI_VERSION } from "../model/version.ts";
import type { HistogramReading, Measures } from "../model/measures.ts";
import type { MeasuredLateness } from "../model/timing.ts";
import type { ApiPort, ApiView, ProcessClocks } from "./port.ts";
import type { StatusJson } from "./shapes.ts";

/** What all metrics of one scrape are taken from. */
export interface Look {
  readonly view: ApiView;
  readonly status: StatusJson;
  readonly measures: Measures;
  readonly late: readonly MeasuredLateness[];
  readonly clocks: readonly ProcessClocks[];
  readonly lateness: ApiPort["lateness"];
  readonly holdsLease: boolean;
  readonly leaseRemainingMs: number;
}

export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter";
  /**
   * null: not shown at present. Several values: one line each, told apart by their labels beside scope and
   * name. A text is a number in a form of its own.
   */
  readonly value: (look: Look) => number | string | null | readonly LabelledValue[];
  /** Follows the help in a line of its own. */
  readonly comment?: string;
}

/** Counts since the start of the agent. `reading`: null: not shown. */
export interface Histogram {
  readonly name: string;
  readonly help: string;
  readonly reading: (look: Look) => HistogramReading | null;
}

export interface LabelledValue {
  readonly labels: { readonly [label: string]: string };
  readonly value: number;
}

function gauge(name: string, help: string, value: Metric["value"]): Metric {
  return { name: `patroni_${name}`, help, type: "gauge", value };
}

function counter(name: string, help: string, value: Metric["value"]): Metric {
  return { name: `patroni_${name}`, help, type: "counter", value };
}

export const PATRONI_METRICS: readonly Metric[] = [
  gauge("version", "Version of Patroni whose interface is spoken, without periods.", () => versionNumber()),
  gauge(
    "postgres_running",
    "Value is 1 if PostgreSQL is running, 0 otherwise.",
    ({ status }) => flag(status.state === "running"),
  ),
  gauge(
    "postmaster_start_time",
    "Epoch seconds since PostgreSQL started.",
    ({ status }) => epochSeconds(status.postmaster_start_time),
  ),
  gauge(
    "primary",
    "Value is 1 if this node is the leader, 0 otherwise.",
    ({ status }) => flag(status.role === "primary"),
  ),
  counter(
    "xlog_location",
    "Current location of the PostgreSQL transaction log, 0 if this node is not the leader.",
    (look) => primaryXlog(look)?.location ?? 0,
  ),
  gauge(
    "standby_leader",
    "Value is 1 if this node is the standby_leader, 0 otherwise.",
    ({ status }) => flag(status.role === "standby_leader"),
  ),
  gauge(
    "replica",
    "Value is 1 if this node is a replica, 0 otherwise.",
    ({ status }) => flag(status.role === "replica"),
  ),
  gauge(
    "sync_standby",
    "Value is 1 if this node is a sync standby, 0 otherwise.",
    ({ status }) => flag(status.sync_standby),
  ),
  gauge(
    "quorum_standby",
    "Value is 1 if this node is a quorum standby, 0 otherwise.",
    ({ status }) => flag(status.quorum_standby),
  ),
  counter(
    "xlog_received_location",
    "Current location of the received PostgreSQL transaction log, 0 if this node is not a replica.",
    (look) => replicaXlog(look)?.received_location ?? 0,
  ),
  counter(
    "xlog_replayed_location",
    "Current location of the replayed PostgreSQL transaction log, 0 if this node is not a replica.",
    (look) => replicaXlog(look)?.replayed_location ?? 0,
  ),
  gauge(
    "xlog_replayed_timestamp",
    "Epoch seconds of the last replayed transaction, 0 if null.",
    (look) => epochSeconds(replicaXlog(look)?.replayed_timestamp),
  ),
  gauge(
    "xlog_paused",
    "Value is 1 if the replay of the transaction log is paused, 0 otherwise.",
    (look) => flag(replicaXlog(look)?.paused),
  ),
  gauge(
    "postgres_streaming",
    "Value is 1 if PostgreSQL is streaming, 0 otherwise.",
    ({ status }) => flag(status.replication_state === "streaming"),
  ),
  gauge(
    "postgres_in_archive_recovery",
    "Value is 1 if PostgreSQL is replicating from the archive, 0 otherwise.",
    ({ status }) => flag(status.replication_state === "in archive recovery"),
  ),
  gauge(
    "postgres_server_version",
    "Version of PostgreSQL (if running), 0 otherwise.",
    ({ status }) => status.server_version ?? 0,
  ),
  gauge(
    "cluster_unlocked",
    "Value is 1 if nobody holds the leader lock, 0 if it is held.",
    ({ status }) => flag(status.cluster_unlocked),
  ),
  gauge(
    "failsafe_mode_is_active",
    "Value is 1 if failsafe mode is active, 0 if inactive.",
    ({ status }) => flag(status.failsafe_mode_is_active),
  ),
  gauge(
    "postgres_timeline",
    "PostgreSQL timeline of this node (if running), 0 otherwise.",
    ({ status }) => status.timeline ?? 0,
  ),
  gauge(
    "dcs_last_seen",
    "Epoch seconds when the cluster's records were last known to be current.",
    ({ status }) => status.dcs_last_seen,
  ),
  gauge(
    "pending_restart",
    "Value is 1 if the node needs a restart, 0 otherwise.",
    ({ status }) => flag(status.pending_restart),
  ),
  gauge(
    "is_paused",
    "Value is 1 if automatic failover is disabled, 0 otherwise.",
    ({ status }) => flag(status.pause),
  ),
  {
    ...gauge(
      "postgres_state",
      "Numeric representation of the state of PostgreSQL.",
      ({ status }) => (POSTGRES_STATES as readonly string[]).indexOf(status.state),
    ),
    comment: `Values: ${
      POSTGRES_STATES.map((state, index) => `${index}=${state.replaceAll(" ", "_")}`).join(", ")
    }`,
  },
  gauge(
    "failsafe_mode_enabled",
    "Value is 1 if failsafe_mode is configured, 0 otherwise.",
    ({ view }) => flag(view.dynamic.failsafeMode),
  ),
  gauge(
    "failsafe_member",
    "Value is 1 if this node is one of those that failsafe mode asks, 0 otherwise.",
    ({ view }) => flag(Object.hasOwn(view.dcs?.failsafe?.members ?? {}, view.config.name)),
  ),
  gauge(
    "failover_priority",
    "Priority of this node in a failover, 0 if it may not be promoted.",
    ({ view }) => view.config.nofailover ? 0 : view.config.failoverPriority,
  ),
];

/** With restapi.legacy_metrics. */
export const LEGACY_METRICS: readonly Metric[] = [
  gauge(
    "master",
    "Value is 1 if this node is the leader, 0 otherwise. Old name of patroni_primary.",
    ({ status }) => flag(status.role === "primary"),
  ),
];

export function flag(value: boolean | undefined): number {
  return value ? 1 : 0;
}

/** 4.1.4 is 040104, with the zero, as Patroni prints it. */
function versionNumber(): string {
  return PATRONI_VERSION.split(".").map((part) => part.padStart(2, "0")).join("");
}

function primaryXlog({ status }: Look): { readonly location: number } | null {
  return status.xlog && "location" in status.xlog ? status.xlog : null;
}

function replicaXlog({ status }: Look) {
  return status.xlog && "received_location" in status.xlog ? status.xlog : null;
}

/** PostgreSQL writes "2026-01-31 12:00:00.123456+00"; 0 for null and for a text that is no time. */
export function epochSeconds(timestamp: string | null | undefined): number {
  if (!timestamp) return 0;
  const iso = timestamp.trim().replace(" ", "T").replace(/([+-]\d{2})$/, "$1:00").replace(
    /(\.\d{3})\d+/,
    "$1",
  );
  const atMs = Date.parse(iso);
  return Number.isNaN(atMs) ? 0 : atMs / 1000;
}
