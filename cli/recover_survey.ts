/**
 * Surveys the other members for `agent recover`, before it goes on without them: their directories as far as
 * they can be read here, and the agents that answer. Changes nothing.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type ReadLog, readLog, StorageError } from "../raft/mod.ts";
import { ApiClient, type ClientTls, type StatusJson } from "../src/api/client.ts";
import { formatLsn } from "../src/model/lsn.ts";
import type { LocalConfig } from "../src/model/config.ts";
import type { DcsState } from "../src/model/records.ts";
import { readControlFile } from "../src/postgres/control_file.ts";
import { findPrograms, ProgramsError } from "../src/postgres/programs.ts";

const ANSWER_MS = 2000;

/**
 * How far a log or PostgreSQL reaches. Positions compare by the first number, then by the second; the greater
 * one has more.
 */
export type Position = readonly [era: number, offset: number];

export interface Finding {
  readonly lines: readonly string[];
  /** Position of a raft log: term and index of its last entry. */
  readonly raft: Position | null;
  /** Position of PostgreSQL: timeline, and the position that is known to be reached. */
  readonly postgres: Position | null;
}

export function hasMore(a: Position | null, b: Position | null): boolean {
  if (a === null) return false;
  return b === null || a[0] > b[0] || (a[0] === b[0] && a[1] > b[1]);
}

/** The position of a log: the term of its last entry, and its index. The log that has most by this leads. */
export function logPosition({ stored, lastIndex }: Pick<ReadLog, "stored" | "lastIndex">): Position {
  return [stored.entries.at(-1)?.term ?? stored.snapshot?.term ?? 0, lastIndex];
}

/**
 * A raft directory, a data directory of PostgreSQL, or the parent of both. Returns why it is none of these as
 * text.
 */
export async function surveyDirectory(path: string, config: LocalConfig): Promise<Finding | string> {
  const lines: string[] = [];
  let raft: Position | null = null;
  if (existsSync(join(path, "identity.json"))) {
    try {
      const log = readLog(path);
      const { identity, stored, lastIndex } = log;
      raft = logPosition(log);
      const { term, commit } = stored.hardState;
      lines.push(
        `${path}: raft log of ${identity.addr ?? "an unknown address"}`,
        `  raft: cluster id ${identity.clusterId}, term ${term}, last index ${lastIndex} of term ${
          raft[0]
        }, commit ${commit}`,
      );
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      lines.push(`${path}: ${error.message}`);
    }
  } else if (!existsSync(join(path, "PG_VERSION"))) {
    return `${path} is neither a raft directory (identity.json) nor a data directory of PostgreSQL (PG_VERSION)`;
  } else lines.push(`${path}: data directory of PostgreSQL`);
  if (!existsSync(join(path, "PG_VERSION"))) return { lines, raft, postgres: null };
  const { line, position } = await surveyPostgres(path, config);
  return { lines: [...lines, `  PostgreSQL: ${line}`], raft, postgres: position };
}

/** The position in the control file; the WAL on the disk may reach further. */
export async function surveyPostgres(
  dataDir: string,
  { postgresql }: LocalConfig,
): Promise<{ readonly line: string; readonly position: Position | null }> {
  if (postgresql === null) {
    return { line: "its programs are not configured: this is a witness", position: null };
  }
  try {
    const result = await readControlFile(findPrograms(postgresql), dataDir);
    if (!result.ok) return { line: result.error, position: null };
    const { clusterState, timeline, checkpointLsn, minRecoveryLsn } = result.control;
    const lsn = Math.max(checkpointLsn, minRecoveryLsn);
    const line = `${clusterState}, timeline ${timeline}, at least at ${formatLsn(lsn)}`;
    return { line, position: [timeline, lsn] };
  } catch (error) {
    if (!(error instanceof ProgramsError)) throw error;
    return { line: error.message, position: null };
  }
}

export interface Answers {
  readonly lines: readonly string[];
  /** The leader of the raft group, and the member that names it; null: no member names one. */
  readonly leads: { readonly leader: string; readonly by: string } | null;
  /** The members that run as a primary without a majority: in maintenance mode, or in failsafe mode. */
  readonly primaries: readonly string[];
}

/** Asks every other member that the records know, all at once. */
export async function askMembers(
  { members }: DcsState,
  name: string,
  tls: ClientTls | null,
): Promise<Answers> {
  const client = new ApiClient({ timeoutMs: ANSWER_MS, authentication: null, tls });
  const others = Object.values(members).filter((member) => member.name !== name);
  const answers = await Promise.all(others.map(async (member) => {
    const [raft, status] = await Promise.all([client.raft(member.apiUrl), client.status(member.apiUrl)]);
    return { member, raft, status };
  }));
  const lines = answers.map(({ member, raft, status }) => {
    if (raft === null && status === null) return `${member.name}: no answer from ${member.apiUrl}`;
    const postgres = status === null
      ? "no word of PostgreSQL"
      : `PostgreSQL ${status.state}, ${status.role}, timeline ${status.timeline ?? "unknown"}${
        at(status.xlog)
      }`;
    const log = raft === null
      ? "takes no part in raft"
      : `raft term ${raft.term}, commit ${raft.commit}, ${
        raft.leader === null ? "no leader" : `leader ${raft.leader}`
      }`;
    return `${member.name} answers: ${log}; ${postgres}`;
  });
  const led = answers.find(({ raft }) => (raft?.leader ?? null) !== null);
  const primaries = answers.filter(({ status }) => status?.role === "primary" && status.state === "running")
    .map(({ member }) => member.name);
  return { lines, leads: led ? { leader: led.raft!.leader!, by: led.member.name } : null, primaries };
}

/** The position, when the status says one. */
function at(xlog: StatusJson["xlog"]): string {
  if (xlog === undefined) return "";
  return `, at ${formatLsn("location" in xlog ? xlog.location : xlog.received_location)}`;
}
