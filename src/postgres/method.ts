/**
 * Runs a command of the user's own that makes a data directory: a copy for a replica, or the first one of a
 * cluster (docs/backup.md). It is called as Patroni calls it, writes into the data directory itself, and is
 * not trusted to have made one because it says so.
 */
import { oneLine } from "../lib/plain_text.ts";
import type { ReplicaMethod } from "../model/config.ts";
import { OWNER_FILE } from "../model/owner_file.ts";
import { shellSplit } from "../model/shell_split.ts";
import { type ControlFile, readControlFile } from "./control_file.ts";
import { exists, join, list, permissions, readText, removeFile, setPermissions } from "./disk.ts";
import { errorText } from "./error_text.ts";
import { foreignParts } from "./outside_parts.ts";
import type { Programs } from "./programs.ts";
import { describeFailure, runWriter, succeeded } from "./run_program.ts";
import type { Marker, Unfinished, UnfinishedMarker } from "./unfinished.ts";

/** A complaint is shown in each answer and decision until the command succeeds. */
const MAX_WORDS = 500;

export interface MethodCall {
  /** For messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: { readonly [name: string]: string };
  readonly timeLimitS: number;
  readonly what: Unfinished;
  readonly marker: UnfinishedMarker;
  /** Directories outside that were empty before it. */
  readonly parts: readonly string[];
  readonly signal: AbortSignal;
}

export interface ReplicaFacts {
  readonly scope: string;
  readonly dataDir: string;
  /** Without a password; empty: no member to connect to. */
  readonly connstring: string;
}

/** The arguments of Patroni. Its own names win over options of the same name, at the place of those. */
export function replicaArguments(
  { options, noParams }: Pick<ReplicaMethod, "options" | "noParams">,
  { scope, dataDir, connstring }: ReplicaFacts,
): string[] {
  if (noParams) return asArguments(options);
  return asArguments({ ...options, scope, role: "replica", datadir: dataDir, connstring });
}

export function asArguments(options: { readonly [option: string]: string }): string[] {
  return Object.entries(options).map(([key, value]) => `--${key}=${value}`);
}

/**
 * Resolves to null when the command says that it has succeeded, else to what went wrong. The directory is
 * marked from outside, and holds no file of the agent's: pgBackRest and WAL-G want an empty one.
 */
export async function runMethod(call: MethodCall): Promise<string | null> {
  const { name, command, marker, what, parts, timeLimitS } = call;
  const words = shellSplit(command);
  const program = words?.[0];
  if (words === null || program === undefined) return `${name}: ${command} is not a command`;
  const kept = marker.read()?.content === "kept" ? "kept" : "command";
  const beganMs = Date.now();
  await marker.writeForCommand(what, null, parts, kept, beganMs);
  let marked: Promise<void> = Promise.resolve();
  const result = await runWriter(program, [...words.slice(1), ...call.args], {
    environment: "server",
    env: call.env,
    signal: call.signal,
    timeoutMs: timeLimitS * 1000,
    onStart: (pid) => {
      marked = marker.writeForCommand(what, pid, parts, kept, beganMs);
    },
  });
  await marked;
  if (succeeded(result)) return null;
  const failed = oneLine(describeFailure(name, result), MAX_WORDS);
  return result.failure === "timeout" ? `${failed} (time_limit of ${timeLimitS} s)` : failed;
}

export type MadeDirectory =
  | { readonly ok: true; readonly control: ControlFile }
  | { readonly ok: false; readonly error: string };

/** What the command has left: a whole data directory of this PostgreSQL, as far as it can be seen. */
export async function readMade(
  programs: Programs,
  dataDir: string,
  mark: Pick<Marker, "content" | "beganMs"> | null,
): Promise<MadeDirectory> {
  const refuse = (error: string) => ({ ok: false, error } as const);
  try {
    if ((list(dataDir) ?? []).every((name) => name === OWNER_FILE)) {
      return refuse(`it has left nothing in ${dataDir}`);
    }
    const version = readText(join(dataDir, "PG_VERSION"))?.trim();
    if (version === undefined || !exists(join(dataDir, "global", "pg_control"))) {
      return refuse(`what it has left in ${dataDir} is no data directory of PostgreSQL`);
    }
    if (version !== String(programs.major)) {
      return refuse(`it has made a data directory of PostgreSQL ${version}, not of ${programs.major}`);
    }
    // What it was to go on from may be older.
    const foreign = mark?.content === "command" && mark.beganMs !== null
      ? foreignParts(dataDir, mark.beganMs)
      : [];
    if (foreign[0] !== undefined) {
      const { link, place } = foreign[0];
      return refuse(
        `${link} leads to ${place}, which was there before the command and may be another server's: give the tablespace ` +
          "(or the WAL directory) a place of its own, as with pgbackrest --tablespace-map",
      );
    }
    return await readControlFile(programs, dataDir);
  } catch (error) {
    return refuse(`what it has left in ${dataDir} cannot be read: ${errorText(error)}`);
  }
}

/**
 * Makes it a directory that PostgreSQL starts on. A backup that was copied from a running server may hold the
 * lock file of its postmaster, and the mark of its agent.
 */
export function settleMade(dataDir: string): void {
  const stale = ["postmaster.pid", "postmaster.opts", "agent.unfinished", "promote"];
  for (const name of stale) removeFile(join(dataDir, name));
  if ((permissions(dataDir) & 0o027) !== 0) setPermissions(dataDir, 0o700);
}
