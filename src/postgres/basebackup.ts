/**
 * Copies another member's data directory with pg_basebackup. A slot on the primary keeps the WAL from before
 * the copy begins until the new standby streams (copy_wal.ts): a copy that takes hours must not find the WAL
 * gone at its end.
 */
import type { DataIdentity, Upstream } from "../model/upstream.ts";
import type { PostgresqlConfig } from "../model/config.ts";
import { readControlFile } from "./control_file.ts";
import { type Asking, holdWal, whyOtherData, whyWalGap } from "./copy_wal.ts";
import { errorText } from "./error_text.ts";
import { emptyParts, partsFilled } from "./outside_parts.ts";
import type { Programs } from "./programs.ts";
import { describeFailure, runWriter, succeeded } from "./run_program.ts";
import { clearUnfinished, stagingPath, unstage } from "./staging.ts";
import { tablespacesOf } from "./tablespaces.ts";
import type { UnfinishedMarker } from "./unfinished.ts";
import { writeThrough } from "./write_through.ts";

const OURS = [
  "pgdata",
  "format",
  "wal-method",
  "xlog-method",
  "gzip",
  "compress",
  "version",
  "help",
  "dbname",
  "host",
  "port",
  "username",
  "password",
  "no-password",
  "write-recovery-conf",
  "progress",
  "target",
];

export function basebackupOptions(
  configured: PostgresqlConfig["basebackup"],
  warn: (text: string) => void,
): string[] {
  const options: string[] = [];
  for (const one of configured) {
    const pairs = typeof one === "string"
      ? [one.replace(/^-+/, "")]
      : Object.entries(one).map(([key, value]) => `${key}=${value}`);
    for (const pair of pairs) {
      const name = pair.split("=")[0]!;
      if (OURS.includes(name)) warn(`option ${name} of postgresql.basebackup is not allowed and left out`);
      else options.push(`--${pair}`);
    }
  }
  return options;
}

/** "1234/5678 kB (21%), 0/1 tablespace" as a fraction; null when the text says nothing of the kind. */
export function parseProgress(text: string): { doneBytes: number; totalBytes: number } | null {
  const last = [...text.matchAll(/(\d+)\/(\d+) kB \(\d+%\)/g)].at(-1);
  return last ? { doneBytes: Number(last[1]) * 1024, totalBytes: Number(last[2]) * 1024 } : null;
}

export interface CloneInput {
  readonly programs: Programs;
  readonly postgresql: PostgresqlConfig;
  readonly marker: UnfinishedMarker;
  readonly from: Upstream;
  /** The primary, which `from` may be itself. */
  readonly leader: Upstream;
  /** The data that `from` must have; null: any. */
  readonly of: DataIdentity | null;
  /** Without a password. */
  readonly conninfo: string;
  readonly passfile: string;
  readonly applicationName: string;
  /** null: slots are not used. */
  readonly slot: string | null;
  readonly signal: AbortSignal;
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
  readonly warn: (text: string) => void;
}

/**
 * Resolves to null when the copy is complete and durable, else to what went wrong; it stays marked
 * half-written then.
 */
export async function cloneDirectory(input: CloneInput): Promise<string | null> {
  const { programs, postgresql, marker, from, leader } = input;
  const { dataDir } = postgresql;
  const asking = askingOf(input);
  const other = input.of === null ? null : await whyOtherData(from, input.of, asking);
  if (other !== null) return other;
  await clearUnfinished(dataDir, marker);
  const options = basebackupOptions(postgresql.basebackup, input.warn);
  const parts = emptyParts(partsFilled(options, await tablespaces(input)));
  await marker.write("clone", null, parts);
  if (input.slot !== null) await holdWal(leader, input.slot, asking);
  const args = [
    `--pgdata=${stagingPath(dataDir)}`,
    "--wal-method=stream",
    "--checkpoint=fast",
    "--no-password",
    "--no-sync",
    "--progress",
    `--dbname=${input.conninfo}`,
    ...options,
  ];
  let marked: Promise<void> = Promise.resolve();
  const result = await runWriter(programs.path("pg_basebackup"), args, {
    env: { PGPASSFILE: input.passfile },
    signal: input.signal,
    onStart: (pid) => {
      marked = marker.write("clone", pid, parts);
    },
    onOutput: (_stream, text) => {
      const progress = parseProgress(text);
      if (progress !== null) input.onProgress(progress.doneBytes, progress.totalBytes);
    },
  });
  await marked;
  if (!succeeded(result)) return describeFailure("pg_basebackup", result);
  if (input.slot !== null && from.name !== leader.name) {
    const found = await readControlFile(programs, stagingPath(dataDir));
    if (!found.ok) return found.error;
    const { segmentBytes } = found.control;
    const gap = await whyWalGap(stagingPath(dataDir), segmentBytes, leader, input.slot, asking);
    if (gap !== null) return gap;
  }
  const unwritten = await writeThrough(programs, stagingPath(dataDir), input.signal);
  if (unwritten !== null) return unwritten;
  await unstage(dataDir);
  return null;
}

export function askingOf({ postgresql: { replication, rewind }, applicationName, warn }: CloneInput): Asking {
  return { replication, sql: rewind, applicationName, warn };
}

/** If they are unknown, an interrupted copy is found only by the links that it has made already. */
export async function tablespaces(
  { from, postgresql, applicationName, warn }: CloneInput,
): Promise<string[]> {
  try {
    return await tablespacesOf(from.connUrl, postgresql.rewind, applicationName);
  } catch (error) {
    warn(`could not ask ${from.name} for its tablespaces: ${errorText(error)}`);
    return [];
  }
}
