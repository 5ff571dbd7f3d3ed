/** The agent's questions to a running server, all in one statement (PostgreSQL 13 to 18). */
import { type Lsn, parseLsn } from "../model/lsn.ts";
import type { ReplicationConnection, WalSender } from "../model/postgres_view.ts";
import type { Row } from "./connection.ts";

// CASE keeps apart the functions that raise an error in, or outside of, recovery. A WAL receiver that is
// still connecting is a process already, and pg_stat_get_wal_receiver() shows none. Slots are read after the
// WAL senders: one that streams over a slot has it by then.
export const STATUS_QUERY = `
SELECT pg_is_in_recovery() AS in_recovery,
  CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_flush_lsn() END AS wal_lsn,
  CASE WHEN NOT pg_is_in_recovery() THEN substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END AS wal_timeline,
  pg_last_wal_receive_lsn() AS receive_lsn,
  pg_last_wal_replay_lsn() AS replay_lsn,
  pg_last_xact_replay_timestamp() AS replayed_at,
  CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END AS replay_paused,
  activity.receiver_pid, receiver.status AS receiver_status, receiver.received_tli AS received_timeline,
  checkpoint.timeline_id AS checkpoint_timeline, checkpoint.checkpoint_lsn,
  recovery.min_recovery_end_timeline AS recovery_timeline,
  current_setting('restore_command') AS restore_command,
  current_setting('synchronous_standby_names') AS sync_names,
  pg_postmaster_start_time() AS started_at,
  current_setting('server_version_num') AS server_version,
  system.system_identifier AS system_id,
  (SELECT json_agg(json_build_object('usename', usename, 'application_name', application_name,
      'client_addr', host(client_addr), 'state', state, 'sync_state', sync_state, 'sync_priority', sync_priority))
    FROM pg_stat_replication
    WHERE state IS NOT NULL AND NOT (state = 'startup' AND starts_with(application_name, 'agent '))) AS replication,
  (SELECT json_agg(json_build_object('name', application_name, 'flushedLsn', flush_lsn - '0/0'::pg_lsn,
      'slot', (SELECT slot_name FROM pg_get_replication_slots() WHERE active_pid = pid),
      'user', usename, 'address', host(client_addr),
      'connectedMs', round(extract(epoch FROM clock_timestamp() - backend_start) * 1000)))
    FROM pg_stat_replication WHERE state = 'streaming' AND flush_lsn IS NOT NULL) AS senders,
  activity.waiting_since
FROM pg_control_checkpoint() AS checkpoint, pg_control_recovery() AS recovery, pg_control_system() AS system
  LEFT JOIN pg_stat_get_wal_receiver() AS receiver ON true
  CROSS JOIN (SELECT max(pid) FILTER (WHERE backend_type = 'walreceiver') AS receiver_pid,
      min(xact_start) FILTER (WHERE wait_event = 'SyncRep') AS waiting_since
    FROM pg_stat_get_activity(NULL)) AS activity`;

export interface ServerStatus {
  readonly inRecovery: boolean;
  readonly timeline: number | null;
  readonly walLsn: Lsn | null;
  readonly receiveLsn: Lsn | null;
  readonly replayLsn: Lsn | null;
  readonly replayedAt: string | null;
  readonly replayPaused: boolean;
  /** Also of a WAL receiver that is still connecting, and may stream later. */
  readonly receiverPid: number | null;
  /** Timeline that the WAL receiver writes at present. */
  readonly receiverTimeline: number | null;
  readonly replicationState: string | null;
  /**
   * Timeline of the latest checkpoint: on a primary, older than its own until one was made after the
   * promotion.
   */
  readonly checkpointTimeline: number | null;
  /** Where the latest checkpoint is that the control file has. */
  readonly checkpointLsn?: Lsn | null;
  readonly startedAt: string | null;
  readonly serverVersion: number | null;
  readonly systemId: string | null;
  readonly replication: readonly ReplicationConnection[];
  /** synchronous_standby_names, as the server goes by it. */
  readonly syncNames?: string;
  /** How far each standby that streams has flushed; of two with one name, the one that is behind. */
  readonly flushed?: { readonly [name: string]: Lsn };
  readonly senders?: readonly WalSender[];
  /** When the oldest transaction began whose commit waits for standbys. */
  readonly waitingSince?: string | null;
}

export function parseStatus(row: Row): ServerStatus {
  const inRecovery = row.in_recovery === "t";
  const number = (column: string) =>
    row[column] === null || row[column] === undefined ? null : Number(row[column]);
  const lsn = (column: string) => row[column] ? parseLsn(row[column]) : null;
  const receiverTimeline = number("received_timeline");
  const known = [receiverTimeline, number("checkpoint_timeline"), number("recovery_timeline")]
    .filter((timeline) => timeline !== null && timeline > 0) as number[];
  const standbyTimeline = known.length === 0 ? null : Math.max(...known);
  const senders = row.senders ? JSON.parse(row.senders) as WalSender[] : [];
  const streaming = row.receiver_status === "streaming";
  return {
    inRecovery,
    timeline: inRecovery ? standbyTimeline : row.wal_timeline ? parseInt(row.wal_timeline, 16) : null,
    walLsn: lsn("wal_lsn"),
    receiveLsn: inRecovery ? lsn("receive_lsn") : null,
    replayLsn: inRecovery ? lsn("replay_lsn") : null,
    replayedAt: inRecovery ? timestamp(row.replayed_at) : null,
    replayPaused: row.replay_paused === "t",
    receiverPid: number("receiver_pid"),
    receiverTimeline,
    replicationState: !inRecovery
      ? null
      : streaming
      ? "streaming"
      : row.restore_command
      ? "in archive recovery"
      : null,
    checkpointTimeline: number("checkpoint_timeline"),
    checkpointLsn: lsn("checkpoint_lsn"),
    startedAt: timestamp(row.started_at),
    serverVersion: number("server_version"),
    systemId: row.system_id ?? null,
    ...(typeof row.sync_names === "string" ? { syncNames: row.sync_names } : {}),
    flushed: flushedBy(senders),
    senders,
    waitingSince: row.waiting_since ?? null,
    replication: row.replication ? JSON.parse(row.replication) as ReplicationConnection[] : [],
  };
}

/** PostgreSQL compares names of standbys without regard to case, and lets each of one name acknowledge. */
function flushedBy(senders: readonly WalSender[]): { readonly [name: string]: Lsn } {
  return Object.fromEntries(senders.map(({ name }) => {
    const alike = senders.filter((other) => other.name.toLowerCase() === name.toLowerCase());
    return [name, Math.min(...alike.map(({ flushedLsn }) => flushedLsn))];
  }));
}

/**
 * The time as Patroni prints it: the offset with minutes, a fraction with six digits. PostgreSQL leaves the
 * zeros at its end out, and Python before 3.11 (`datetime.fromisoformat`) reads three or six digits only.
 */
function timestamp(text: string | null | undefined): string | null {
  if (!text) return null;
  return text.replace(/\.\d+/, (fraction) => fraction.padEnd(7, "0")).replace(/([+-]\d\d)$/, "$1:00");
}
