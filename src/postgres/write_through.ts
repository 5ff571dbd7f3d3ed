/**
 * Puts a data directory on disk, with its WAL and its tablespaces where those lie elsewhere. Before it, what
 * a loss of power leaves of the directory is unknown: it stays marked as unfinished until then.
 *
 * One call of the kernel for each file system (`sync -f`), in place of the fsync for each file with which
 * PostgreSQL's programs end: an empty database has a thousand files, and most of the time that initdb takes
 * are those. Only where the kernel says after that call what could not be written.
 */
import { statfsSync } from "node:fs";
import { release } from "node:os";
import { linksOutside } from "./outside_parts.ts";
import type { Programs } from "./programs.ts";
import { describeFailure, type ProgramResult, runProgram, succeeded } from "./run_program.ts";

const WHAT = "writing it through to the disk";

/** From this version of Linux on the call reports errors. */
const REPORTS_ERRORS = [5, 8] as const;
/**
 * The ones that write to a disk of this host: ext2 to ext4, XFS, Btrfs, F2FS. Others pass the call on, to a
 * server or to a file system below, and not what that has to say.
 */
const OF_DISKS: readonly number[] = [0xef53, 0x58465342, 0x9123683e, 0xf2f52010];

export interface WriteThroughHost {
  /** As `uname -r` says it. */
  readonly kernel: string;
  /** Number of the kind of file system, as statfs(2) has it. */
  readonly fileSystem: (path: string) => number;
}

const THIS_HOST: WriteThroughHost = {
  kernel: release(),
  fileSystem: (path) => statfsSync(path).type,
};

/** Resolves to null, or to what went wrong. */
export async function writeThrough(
  programs: Pick<Programs, "path">,
  directory: string,
  signal: AbortSignal,
  host: WriteThroughHost = THIS_HOST,
): Promise<string | null> {
  const places = [directory, ...linksOutside(directory).map(({ place }) => place)];
  if (reportsErrors(host.kernel) && places.every((place) => OF_DISKS.includes(host.fileSystem(place)))) {
    const result = await runProgram("sync", ["-f", "--", ...places], { signal });
    if (succeeded(result)) return null;
    if (!isUnknown(result)) return describeFailure(WHAT, result);
  }
  const result = await runProgram(programs.path("initdb"), ["--sync-only", "-D", directory], { signal });
  return succeeded(result) ? null : describeFailure(WHAT, result);
}

function reportsErrors(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split(/[.-]/).map(Number);
  const [since, sinceMinor] = REPORTS_ERRORS;
  return major > since || (major === since && minor >= sinceMinor);
}

/** There is no such program, or it is one that has no such option (of a small system's own). */
function isUnknown({ failure, stderr }: ProgramResult): boolean {
  return failure === "not started" || /(?:invalid|unrecognized) option/.test(stderr);
}
