/**
 * Puts a data directory on disk, with its WAL and its tablespaces where those lie elsewhere. Before it, what a
 * loss of power leaves of the directory is unknown: it stays marked as unfinished until then.
 *
 * One call of the kernel for each file system (`sync -f`), in place of the fsync for each file with which
 * PostgreSQL's programs end: an empty database has a thousand files, and most of the time that initdb takes
 * are those.
 */
import { release } from "node:os";
import { linksOutside } from "./outside_parts.ts";
import type { Programs } from "./programs.ts";
import { describeFailure, type ProgramResult, runProgram, succeeded } from "./run_program.ts";

const WHAT = "writing it through to the disk";

/** From this version of Linux on the call says when something could not be written. */
const TELLS_ERRORS = [5, 8] as const;

/** Resolves to null, or to what went wrong. */
export async function writeThrough(
  programs: Pick<Programs, "path">,
  directory: string,
  signal: AbortSignal,
  kernel: string = release(),
): Promise<string | null> {
  if (tellsErrors(kernel)) {
    const places = [directory, ...linksOutside(directory).map(({ place }) => place)];
    const result = await runProgram("sync", ["-f", "--", ...places], { signal });
    if (succeeded(result)) return null;
    if (!isUnknown(result)) return describeFailure(WHAT, result);
  }
  const result = await runProgram(programs.path("initdb"), ["--sync-only", "-D", directory], { signal });
  return succeeded(result) ? null : describeFailure(WHAT, result);
}

/** `kernel`: as `uname -r` says it. */
function tellsErrors(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split(/[.-]/).map(Number);
  const [since, sinceMinor] = TELLS_ERRORS;
  return major > since || (major === since && minor >= sinceMinor);
}

/** There is no such program, or it is one that has no such option (of a small system's own). */
function isUnknown({ failure, stderr }: ProgramResult): boolean {
  return failure === "not started" || /(?:invalid|unrecognized) option/.test(stderr);
}
