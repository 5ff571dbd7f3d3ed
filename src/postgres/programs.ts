/**
 * Where PostgreSQL's programs are: `bin_dir`, else beside the `postgres` found in PATH, else the version of
 * the data directory or the newest one among the usual directories of Linux distributions.
 */
import type { PostgresqlConfig } from "../model/config.ts";
import { exists, isDirectory, join, list, readText, realDirectory } from "./disk.ts";
import { runProgramNow, searchPath } from "./run_program.ts";

export const PROGRAM_NAMES = [
  "postgres",
  "initdb",
  "pg_basebackup",
  "pg_rewind",
  "pg_controldata",
  "pg_waldump",
] as const;
export type ProgramName = typeof PROGRAM_NAMES[number];

/** An agent goes on without pg_waldump, which is not in every image, and says what that costs. */
const NEEDED = PROGRAM_NAMES.filter((name) => name !== "pg_waldump");

export interface Programs {
  readonly directory: string;
  /** 15 for 15.18. */
  readonly major: number;
  /** 150018 for 15.18, as server_version_num. */
  readonly version: number;
  readonly versionText: string;
  path(name: ProgramName): string;
}

export const OLDEST_MAJOR = 13;

/** The problem, and what to install or to set, for the user. */
export class ProgramsError extends Error {
  override readonly name = "ProgramsError";
}

/** Blocks for some milliseconds (it asks `postgres` for its version): for start-up. */
export function findPrograms(config: Pick<PostgresqlConfig, "binDir" | "binName" | "dataDir">): Programs {
  const named = (name: ProgramName) => config.binName[name] ?? name;
  const directory = config.binDir ?? searchDirectory(named, config.dataDir);
  if (directory === null) {
    throw new ProgramsError(
      "PostgreSQL's programs were not found: no postgres in PATH, nor in /usr/lib/postgresql/*/bin or " +
        "/usr/pgsql-*/bin. Install the PostgreSQL server (package postgresql-<version>), or set postgresql.bin_dir",
    );
  }
  const path = (name: ProgramName) => join(directory, named(name));
  const missing = NEEDED.filter((name) => !exists(path(name)));
  if (missing.length > 0) {
    throw new ProgramsError(
      `${
        missing.map(path).join(", ")
      } not found. Install PostgreSQL's server and client programs of one version, or ` +
        "correct postgresql.bin_dir or bin_name",
    );
  }
  const answer = runProgramNow(path("postgres"), ["--version"]);
  const version = answer.ok ? parseVersion(answer.output) : null;
  if (version === null) throw new ProgramsError(`${path("postgres")} --version: ${answer.output.trim()}`);
  const major = Math.floor(version.number / 10_000);
  if (major < OLDEST_MAJOR) {
    throw new ProgramsError(
      `PostgreSQL ${version.text} in ${directory} is too old: ${OLDEST_MAJOR} or later is needed`,
    );
  }
  return { directory, major, version: version.number, versionText: version.text, path };
}

/** What cannot be done without the one program that an agent runs without; null: it is there. */
export function withoutWaldump(programs: Pick<Programs, "path">): string | null {
  const path = programs.path("pg_waldump");
  if (exists(path)) return null;
  return `${path} not found, so that the end of a stopped PostgreSQL's WAL is not known: a primary that was killed does ` +
    "not rejoin by itself, and in synchronous modes a standby that was restarted has no vote before it has " +
    "streamed. Install the whole of PostgreSQL's server package, or correct postgresql.bin_dir or bin_name";
}

/** "postgres (PostgreSQL) 15.18 (Debian ...)"; development versions ("19devel") count as minor 0. */
export function parseVersion(text: string): { number: number; text: string } | null {
  const match = /\(PostgreSQL\)\s+((\d+)(?:\.(\d+))?[^\s]*)/.exec(text);
  if (!match) return null;
  return { number: Number(match[2]) * 10_000 + Number(match[3] ?? 0), text: match[1]! };
}

function searchDirectory(named: (name: ProgramName) => string, dataDir: string): string | null {
  const postgres = named("postgres");
  for (const directory of searchPath()) {
    if (!exists(join(directory, postgres))) continue;
    // A link in PATH leads to where the others are, too.
    const real = [directory, realDirectory(join(directory, postgres))];
    const complete = real.find((one) =>
      one !== null && NEEDED.every((name) => exists(join(one, named(name))))
    );
    if (complete) return complete;
  }
  const versions = [...versionsUnder("/usr/lib/postgresql", ""), ...versionsUnder("/usr", "pgsql-")]
    .filter((one) => exists(join(one.bin, postgres)))
    .sort((a, b) => b.major - a.major);
  // An existing directory decides the version: a newer one installed beside it must not make it unusable.
  const wanted = Number(readText(join(dataDir, "PG_VERSION")) ?? 0);
  return (versions.find((one) => one.major === wanted) ?? versions[0])?.bin ?? null;
}

function versionsUnder(parent: string, prefix: string): { major: number; bin: string }[] {
  return (list(parent) ?? []).filter((name) =>
    name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length))
  )
    .map((name) => ({ major: Number(name.slice(prefix.length)), bin: join(parent, name, "bin") }))
    .filter((one) => isDirectory(one.bin));
}
