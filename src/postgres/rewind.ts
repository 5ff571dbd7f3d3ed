/**
 * Makes a diverged directory one that can follow again. A trial run first: the reasons of a failure (missing
 * WAL, no common ancestor, rights) are then found before any change.
 */
import { type Lsn, parseLsn } from "../model/lsn.ts";
import type { ControlData } from "../model/postgres_view.ts";
import type { Programs } from "./programs.ts";
import { describeFailure, type ProgramResult, runWriter, succeeded } from "./run_program.ts";
import { endLeftover } from "./staging.ts";
import type { UnfinishedMarker } from "./unfinished.ts";
import { writeThrough } from "./write_through.ts";

/** null when pg_rewind can work on such a directory. */
export function whyNoRewind(control: ControlData): string | null {
  return control.walLogHints || control.dataChecksums
    ? null
    : "pg_rewind needs wal_log_hints = on or data checksums, this directory has neither";
}

export interface RewindInput {
  readonly programs: Programs;
  readonly dataDir: string;
  readonly configFile: string;
  /** The configuration has a restore_command: WAL that is gone here is fetched by it. */
  readonly restoreWal: boolean;
  /** Why the source cannot send the WAL from that position on; null: it can, or does not say. */
  readonly whyGone: (lsn: Lsn) => Promise<string | null>;
  readonly marker: UnfinishedMarker;
  /** Without a password. */
  readonly conninfo: string;
  readonly passfile: string;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

export type RewindResult =
  | { readonly ok: true; readonly needed: boolean }
  /** `damaged`: files had been changed already, the directory is half-written. */
  | { readonly ok: false; readonly error: string; readonly damaged: boolean };

export function rewindArguments(input: RewindInput, dryRun: boolean): string[] {
  const args = [
    `--target-pgdata=${input.dataDir}`,
    `--source-server=${input.conninfo}`,
    "--no-sync",
    "--progress",
  ];
  if (input.restoreWal) {
    args.push("--restore-target-wal");
    if (input.programs.major >= 15) args.push(`--config-file=${input.configFile}`);
  }
  if (dryRun) args.push("--dry-run");
  return args;
}

export async function rewindDirectory(input: RewindInput): Promise<RewindResult> {
  endLeftover(input.marker);
  input.onProgress("trial run");
  const trial = await run(input, true, () => {});
  if (!succeeded(trial)) return { ok: false, error: describeFailure("pg_rewind", trial), damaged: false };
  if (/no rewind required/.test(trial.stderr)) return { ok: true, needed: false };
  const neededFrom = needsWalFrom(trial.stderr, input.programs.major);
  const gone = await whyGone(input, neededFrom);
  if (gone !== null) return { ok: false, error: gone, damaged: false };
  if (input.signal.aborted) return { ok: false, error: "pg_rewind was cancelled", damaged: false };
  await input.marker.write("rewind", null);
  input.onProgress("rewinding");
  let marked: Promise<void> = Promise.resolve();
  const real = await run(input, false, (pid) => {
    marked = input.marker.write("rewind", pid);
  });
  await marked;
  if (succeeded(real)) {
    const unwritten = await writeThrough(input.programs, input.dataDir, input.signal);
    if (unwritten !== null) return { ok: false, error: unwritten, damaged: true };
    // It may have been removed meanwhile: what is rewound then never becomes consistent.
    const goneSince = await whyGone(input, neededFrom);
    return goneSince === null ? { ok: true, needed: true } : { ok: false, error: goneSince, damaged: true };
  }
  const damaged = changedAnything(real);
  if (!damaged) await input.marker.remove();
  return { ok: false, error: describeFailure("pg_rewind", real), damaged };
}

/**
 * Recovery of the rewound directory begins at the last common checkpoint. pg_rewind keeps the directory's own
 * WAL from there on (not 13), so the source's is needed from the point where the histories part.
 */
export function needsWalFrom(output: string, major: number): Lsn | null {
  const match = major >= 14
    ? /servers diverged at WAL location ([0-9A-F]+\/[0-9A-F]+)/.exec(output)
    : /last common checkpoint at ([0-9A-F]+\/[0-9A-F]+)/.exec(output);
  return match === null ? null : parseLsn(match[1]!);
}

async function whyGone(input: RewindInput, from: Lsn | null): Promise<string | null> {
  return from === null ? null : await input.whyGone(from);
}

/** Before this line it only reads. */
export function changedAnything(result: Pick<ProgramResult, "stderr" | "stdout">): boolean {
  return /need to copy/.test(result.stderr) || /need to copy/.test(result.stdout);
}

function run(input: RewindInput, dryRun: boolean, onStart: (pid: number) => void): Promise<ProgramResult> {
  return runWriter(input.programs.path("pg_rewind"), rewindArguments(input, dryRun), {
    env: { PGPASSFILE: input.passfile },
    signal: input.signal,
    keep: 1024 * 1024,
    onStart,
    onOutput: (_stream, text) => {
      const last = [...text.matchAll(/(\d+)\/(\d+) kB \((\d+)%\)/g)].at(-1);
      if (last && !dryRun) input.onProgress(`rewinding, ${last[3]} %`);
    },
  });
}
