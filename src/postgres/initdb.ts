/**
 * Makes the first data directory of a cluster. It stays marked as half-written until the roles are made, too.
 */
import type { LocalConfig, PostgresqlConfig } from "../model/config.ts";
import { bootstrapHba } from "./default_hba.ts";
import { join, modeIn, readText, removeFile, writeAtomically } from "./disk.ts";
import { emptyParts, partsFilled } from "./outside_parts.ts";
import type { Programs } from "./programs.ts";
import { describeFailure, runWriter, succeeded } from "./run_program.ts";
import { clearUnfinished, stagingPath, unstage } from "./staging.ts";
import type { UnfinishedMarker } from "./unfinished.ts";
import { writeThrough } from "./write_through.ts";

const OURS = ["pgdata", "username", "pwfile", "pwprompt", "version", "help", "show", "sync-only", "no-sync"];

/** Arguments of initdb beside directory and superuser, from bootstrap.initdb. */
export function initdbOptions(configured: readonly string[], warn: (text: string) => void): string[] {
  const options: string[] = [];
  for (const one of configured) {
    const option = one.startsWith("-") ? one : `--${one}`;
    const name = option.replace(/^-+/, "").split("=")[0]!;
    if (OURS.includes(name)) warn(`option ${name} of bootstrap.initdb is not allowed and left out`);
    else options.push(option);
  }
  return options;
}

export function initdbArguments(
  postgresql: Pick<PostgresqlConfig, "superuser">,
  options: readonly string[],
  directory: string,
  passwordFile: string | null,
): string[] {
  const args = ["-D", directory, "--no-sync", `--username=${postgresql.superuser.username}`, ...options];
  if (passwordFile === null) return args;
  const chosen = options.some((option) => /^(?:--auth|-A)/.test(option));
  return [...args, `--pwfile=${passwordFile}`, ...(chosen ? [] : ["--auth=scram-sha-256"])];
}

export interface InitdbInput {
  readonly programs: Programs;
  readonly local: LocalConfig;
  readonly postgresql: PostgresqlConfig;
  readonly marker: UnfinishedMarker;
  /** Directory of the agent for the password file. */
  readonly ownDir: string;
  readonly signal: AbortSignal;
  readonly warn: (text: string) => void;
}

/** Resolves to null when done, else to what went wrong. */
export async function initializeDirectory(input: InitdbInput): Promise<string | null> {
  const { programs, local, postgresql, marker, signal } = input;
  const { dataDir, superuser } = postgresql;
  if (marker.read() !== null) await clearUnfinished(dataDir, marker);
  const options = initdbOptions(local.bootstrap.initdb, input.warn);
  await marker.write("bootstrap", null, emptyParts(partsFilled(options, [])));
  const passwordFile = superuser.password === null ? null : join(input.ownDir, "initdb.password");
  try {
    if (passwordFile !== null) writeAtomically(passwordFile, `${superuser.password}\n`, 0o600);
    else input.warn("the superuser has no password: connections are trusted as initdb sets them up");
    const args = initdbArguments(postgresql, options, stagingPath(dataDir), passwordFile);
    const result = await runWriter(programs.path("initdb"), args, {
      signal,
      environment: "server",
      cwd: "/",
    });
    if (!succeeded(result)) return describeFailure("initdb", result);
  } finally {
    if (passwordFile !== null) removeFile(passwordFile);
  }
  const hba = join(stagingPath(dataDir), "pg_hba.conf");
  const lines = bootstrapHba(postgresql, local.bootstrap.pgHba);
  writeAtomically(hba, `${readText(hba) ?? ""}\n${lines.join("\n")}\n`, modeIn(stagingPath(dataDir), 0o600));
  const unwritten = await writeThrough(programs, stagingPath(dataDir), signal);
  if (unwritten !== null) return unwritten;
  await unstage(dataDir);
  return null;
}
