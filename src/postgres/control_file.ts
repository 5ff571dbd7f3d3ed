/**
 * Reads pg_control through pg_controldata: identity, timeline, positions, and the settings a standby must not
 * undercut.
 */
import type { Lsn } from "../model/lsn.ts";
import { parseLsn } from "../model/lsn.ts";
import type { ControlData } from "../model/postgres_view.ts";
import type { Programs } from "./programs.ts";
import { describeFailure, runProgram, succeeded } from "./run_program.ts";

export interface ControlFile extends ControlData {
  readonly redoLsn: Lsn;
  readonly segmentBytes: number;
  /** Settings of the primary, as last seen in the WAL: a standby needs at least these. By GUC name. */
  readonly settings: { readonly [parameter: string]: number };
}

const SETTINGS: { readonly [line: string]: string } = {
  "max_connections setting": "max_connections",
  "max_worker_processes setting": "max_worker_processes",
  "max_wal_senders setting": "max_wal_senders",
  "max_prepared_xacts setting": "max_prepared_transactions",
  "max_locks_per_xact setting": "max_locks_per_transaction",
};

/** Output of pg_controldata under LC_ALL=C. null when a needed line is missing. */
export function parseControlFile(output: string): ControlFile | null {
  const values = new Map<string, string>();
  for (const line of output.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) values.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  const text = (name: string) => values.get(name) ?? "";
  const lsn = (name: string) => parseLsn(text(name));
  const systemId = text("Database system identifier");
  const clusterState = text("Database cluster state");
  const checkpointLsn = lsn("Latest checkpoint location");
  const redoLsn = lsn("Latest checkpoint's REDO location");
  const minRecoveryLsn = lsn("Minimum recovery ending location");
  const checkpointTimeline = Number(text("Latest checkpoint's TimeLineID"));
  const recoveryTimeline = Number(text("Min recovery ending loc's timeline"));
  const segmentBytes = Number(text("Bytes per WAL segment"));
  if (!/^\d+$/.test(systemId) || clusterState === "" || checkpointLsn === null || redoLsn === null) {
    return null;
  }
  if (minRecoveryLsn === null || !(checkpointTimeline > 0) || !(segmentBytes > 0)) return null;
  const settings: { [parameter: string]: number } = {};
  for (const [line, parameter] of Object.entries(SETTINGS)) {
    const value = Number(values.get(line));
    if (Number.isInteger(value)) settings[parameter] = value;
  }
  return {
    systemId,
    // A standby's last restart point may lie on an older timeline than the WAL that it has replayed since.
    timeline: Math.max(checkpointTimeline, minRecoveryLsn > 0 ? recoveryTimeline || 0 : 0),
    clusterState,
    checkpointLsn,
    minRecoveryLsn,
    walLogHints: text("wal_log_hints setting") === "on",
    dataChecksums: Number(text("Data page checksum version")) > 0,
    redoLsn,
    segmentBytes,
    settings,
  };
}

export type ControlResult =
  | { readonly ok: true; readonly control: ControlFile }
  | { readonly ok: false; readonly error: string };

export async function readControlFile(programs: Programs, dataDir: string): Promise<ControlResult> {
  const result = await runProgram(programs.path("pg_controldata"), ["-D", dataDir], { timeoutMs: 10_000 });
  if (!succeeded(result)) return { ok: false, error: describeFailure("pg_controldata", result) };
  // A wrong checksum is only a warning there. Here, such values do not count.
  if (/CRC does not match|checksum.*does not match/i.test(`${result.stdout}${result.stderr}`)) {
    return { ok: false, error: "pg_control is damaged: its checksum does not match" };
  }
  const control = parseControlFile(result.stdout);
  return control === null
    ? { ok: false, error: "pg_controldata printed no usable values" }
    : { ok: true, control };
}

/** Ended by a completed shutdown checkpoint: nothing needs to be recovered. */
export function wasShutDown(control: ControlData): boolean {
  return control.clusterState === "shut down" || control.clusterState === "shut down in recovery";
}
