/**
 * A new data directory is made in a directory inside of the final one and moved up when it is complete:
 * initdb and pg_basebackup want an empty directory, the marker and a mount point's lost+found must be allowed
 * to stand beside.
 */
import { OWNER_FILE } from "../model/owner_file.ts";
import { STAGING } from "./data_directory.ts";
import { contentOf, linksOutside } from "./outside_parts.ts";
import {
  exists,
  isDirectory,
  join,
  linkTarget,
  list,
  makeDirectory,
  modeIn,
  move,
  permissions,
  setPermissions,
  syncPath,
} from "./disk.ts";
import { describeFailure, killLeftover, runProgram, succeeded } from "./run_program.ts";
import type { UnfinishedMarker } from "./unfinished.ts";

/**
 * Stays when a data directory is emptied in place: the marker above all. A removal that is interrupted leaves
 * half a directory, and without the marker nobody may touch that: it could be somebody else's.
 */
const KEPT = new Set(["lost+found", "agent.unfinished", OWNER_FILE]);

export function stagingPath(dataDir: string): string {
  return join(dataDir, STAGING);
}

export function prepareDataDir(dataDir: string): void {
  if (!isDirectory(dataDir) && linkTarget(dataDir) === null) makeDirectory(dataDir, 0o700);
}

/** Moves everything up. Afterwards the data directory has the permissions that its maker chose. */
export async function unstage(dataDir: string): Promise<void> {
  const staging = stagingPath(dataDir);
  const mode = permissions(staging);
  for (const name of list(staging) ?? []) {
    // The source's own marker and owner, were they there, say nothing about this copy.
    if (name !== "agent.unfinished" && name !== OWNER_FILE) move(join(staging, name), join(dataDir, name));
  }
  setPermissions(dataDir, mode);
  // It was there before its directory's permissions were known.
  const owner = join(dataDir, OWNER_FILE);
  if (exists(owner)) setPermissions(owner, modeIn(dataDir, 0o600));
  await removeTree(staging);
  await syncPath(dataDir);
}

/**
 * Ends programs that an earlier agent may have left running in there, and removes their files, here and in
 * the parts outside. The outside directories themselves stay: they may be mount points, or lie in a directory
 * that is not the agent's.
 */
export async function clearUnfinished(dataDir: string, marker: UnfinishedMarker): Promise<void> {
  endLeftover(marker);
  // A link is made by the program that has found the place empty before.
  const linked = [dataDir, stagingPath(dataDir)].flatMap(linksOutside).map(({ place }) => place);
  await emptyParts([...marker.read()?.parts ?? [], ...linked]);
  await emptyInPlace(dataDir);
}

/**
 * Removes what a command of the user's own has left that failed: it began in an empty directory a moment ago.
 * Where it has made links to, other files may have been before it: only the parts in which nothing was are
 * emptied.
 */
export async function clearAfterCommand(dataDir: string, marker: UnfinishedMarker): Promise<void> {
  endLeftover(marker);
  await emptyParts(marker.read()?.parts ?? []);
  await emptyInPlace(dataDir);
}

async function emptyParts(parts: readonly string[]): Promise<void> {
  for (const part of new Set(parts)) {
    for (const path of contentOf(part)) await removeTree(path);
  }
}

/** Removes all but the marker and what belongs to the place. It is called where the marker is on disk. */
export async function emptyInPlace(dataDir: string): Promise<void> {
  for (const name of list(dataDir) ?? []) if (!KEPT.has(name)) await removeTree(join(dataDir, name));
}

export function endLeftover(marker: UnfinishedMarker): void {
  const program = marker.read()?.program ?? null;
  if (program !== null) killLeftover(program);
}

/**
 * Removes a tree in a child process: a large directory takes minutes and threads that the agent does not
 * have. Follows no links.
 */
export async function removeTree(path: string): Promise<void> {
  const result = await runProgram("rm", ["-rf", "--one-file-system", "--", path]);
  if (!succeeded(result)) throw new Error(describeFailure(`removing ${path}`, result));
}
