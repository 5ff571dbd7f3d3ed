/**
 * The few operations on files that managing a data directory needs. Small files are written synchronously and
 * without fsync: a host that crashes gets its configuration written anew before PostgreSQL starts. Only data
 * that must survive a power cut (a marker, a cut) is synced, and never on the loop that renews the lease: see
 * `writeDurably`.
 */
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { replaceFile } from "../lib/replace_file.ts";

export { basename, dirname, join };

/** "ENOENT" and the like; null when the error carries none. */
export function errorCode(error: unknown): string | null {
  return typeof error === "object" && error !== null && "code" in error && typeof error.code === "string"
    ? error.code
    : null;
}

export function exists(path: string): boolean {
  return existsSync(path);
}

/** A file that this user can run. False for whatever reason it would not start. */
export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** null when the file does not exist. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return null;
    throw error;
  }
}

/** Names in a directory, sorted; null when it does not exist. */
export function list(path: string): string[] | null {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  }
}

/** Target of a symbolic link; null when the path is none. */
export function linkTarget(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (errorCode(error) === "EINVAL" || errorCode(error) === "ENOENT") return null;
    throw error;
  }
}

/** Where a file really is, its own links followed; null when there is none. */
export function realDirectory(path: string): string | null {
  try {
    return dirname(realpathSync(path));
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return null;
    throw error;
  }
}

/** All links followed; null when it leads nowhere. */
export function realPath(path: string): string | null {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return null;
    throw error;
  }
}

export function isDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** 0 when there is nothing. */
export function inode(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? 0;
}

/** When it was made, by the wall clock; 0: it is gone, or the file system does not tell. Follows no link. */
export function birthMs(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.birthtimeMs ?? 0;
}

/**
 * When its content, name or mode changed last, by the wall clock; of a link, the later of link and file.
 * null: nothing is there.
 */
export function changedAtMs(path: string): number | null {
  const own = lstatSync(path, { throwIfNoEntry: false });
  if (own === undefined) return null;
  return Math.max(own.ctimeMs, statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? 0);
}

/** null when there is no such file. */
export function fileBytes(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.size ?? null;
}

export function permissions(path: string): number {
  return statSync(path).mode & 0o7777;
}

/**
 * The mode of a new file or directory in a data directory: the group may read it where it may read the
 * directory (`initdb --allow-group-access`), as with files that PostgreSQL makes.
 */
export function modeIn(dataDir: string, mode: number): number {
  const isGroups = exists(dataDir) && (permissions(dataDir) & 0o070) === 0o050;
  return isGroups ? mode | ((mode & 0o500) >> 3) : mode;
}

export function setPermissions(path: string, mode: number): void {
  chmodSync(path, mode);
}

export function makeDirectory(path: string, mode: number): void {
  mkdirSync(path, { recursive: true, mode });
}

export function move(from: string, to: string): void {
  renameSync(from, to);
}

export function link(target: string, path: string): void {
  symlinkSync(target, path);
}

/** Removes one file; nothing happens when there is none. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}

export function removeEmptyDirectory(path: string): void {
  rmdirSync(path);
}

/**
 * Removes one small directory that the agent made, with everything in it. Big ones go through a child
 * process.
 */
export function removeSmallDirectory(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

/**
 * Replaces a file in one step: readers see the old text or the new one. The mode is that of the file it
 * replaces, else `mode`. Returns false, and touches nothing, when the text is there already. A file that the
 * agent may not read (after an edit by root) is replaced with `mode`.
 */
export function writeAtomically(path: string, text: string, mode: number): boolean {
  const old = lstatSync(path, { throwIfNoEntry: false });
  const before = old?.isFile() ? textIfReadable(path) : null;
  if (before === text) return false;
  replaceFile(path, text, { mode: old !== undefined && before !== null ? old.mode & 0o777 : mode });
  return true;
}

/** null: it may not be read. */
export function textIfReadable(path: string): string | null {
  try {
    return readText(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EACCES") throw error;
    return null;
  }
}

/** Writes a small file that is not there yet. */
export function writeSmall(path: string, content: Uint8Array, mode: number): void {
  writeFileSync(path, content, { mode, flag: "wx" });
}

/** Writes as writeAtomically does, and is on disk, the name included, before it resolves. */
export async function writeDurably(path: string, text: string, mode: number): Promise<void> {
  writeAtomically(path, text, mode);
  await syncPath(path);
  await syncPath(dirname(path));
}

/** fsync of a file or directory, off the main thread. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
