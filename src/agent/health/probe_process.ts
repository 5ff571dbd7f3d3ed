/**
 * A process of this executable that looks at the disks of one PostgreSQL and ends: `agent __probe DIRECTORY`.
 * A disk that hangs keeps a process in the kernel, where no signal reaches it. So the look happens in a
 * process that the agent can leave behind, and not in one of its threads: a thread that cannot end would keep
 * the agent's sockets and locks after its end, and a successor could not start.
 *
 * Writes a line before and after each place, so that the agent knows where it hangs. Writes one small file in
 * the data directory and one in pg_wal if that is another file system (probe_file.ts).
 */
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  realpathSync,
  statfsSync,
  writeSync,
} from "node:fs";
import type { PlaceKind, PlaceReading } from "../../model/place_reading.ts";
import { errorCode, join } from "../../postgres/disk.ts";
import { probeFile } from "./probe_file.ts";

export const PROBE_COMMAND = "__probe";
/** With less room, or fewer inodes, each look makes a new file: what is used up is found out at once. */
const SCARCE_BYTES = 2 ** 30;
const SCARCE_INODES = 1000;
/** What PostgreSQL always has in the directory. */
const BESIDE = { data: "PG_VERSION", wal: "archive_status" };
/** More are not looked at. */
const MOST_TABLESPACES = 100;

/** Ends the process. */
export function runProbe(dataDir: string): void {
  const say = (line: object) => writeSync(1, `${JSON.stringify(line)}\n`);
  const written = new Set<number>();
  const look = (kind: PlaceKind, path: string) => {
    say({ at: path, kind });
    const reading = lookAt(kind, path, written);
    if (reading !== null) say({ reading });
  };
  look("data", dataDir);
  look("wal", join(dataDir, "pg_wal"));
  for (const path of tablespaces(dataDir)) look("tablespace", path);
}

function tablespaces(dataDir: string): string[] {
  const links = join(dataDir, "pg_tblspc");
  try {
    return readdirSync(links).slice(0, MOST_TABLESPACES).map((name) => join(links, name));
  } catch (error) {
    // The write in the data directory has told of it already.
    if (errorCode(error) === null) throw error;
    return [];
  }
}

/** null: it is not there. */
function lookAt(kind: PlaceKind, path: string, written: Set<number>): PlaceReading | null {
  let directory: number;
  try {
    directory = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    const code = errorCode(error);
    if (code === null) throw error;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    return { kind, path, device: 0, ...NO_ROOM_KNOWN, writeMs: null, failure: { call: "open", code } };
  }
  try {
    const device = fstatSync(directory).dev;
    const { isScarce, ...room } = roomOf(directory);
    const base = { kind, path: shownPath(path), device, ...room };
    if (kind === "tablespace" || written.has(device)) {
      return { ...base, writeMs: null, failure: refusal(directory) };
    }
    written.add(device);
    const options = { directory: through(directory), beside: BESIDE[kind], isScarce, nowMs: Date.now() };
    return { ...base, ...probeFile(options) };
  } finally {
    closeSync(directory);
  }
}

const NO_ROOM_KNOWN = { totalBytes: 0, freeBytes: 0 };

function roomOf(directory: number): Pick<PlaceReading, "totalBytes" | "freeBytes"> & { isScarce: boolean } {
  try {
    const { bavail, blocks, bsize, files, ffree } = statfsSync(through(directory));
    const freeBytes = bavail * bsize;
    // A file system without a fixed number of inodes says that it has none.
    const isScarce = freeBytes < SCARCE_BYTES || (files > 0 && ffree < SCARCE_INODES);
    return { totalBytes: blocks * bsize, freeBytes, isScarce };
  } catch (error) {
    if (errorCode(error) === null) throw error;
    return { ...NO_ROOM_KNOWN, isScarce: true };
  }
}

/**
 * The directory that was opened, whatever has its name by now: one that is moved aside takes a late file with
 * it, and none appears in its successor.
 */
function through(directory: number): string {
  return `/proc/self/fd/${directory}`;
}

function shownPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errorCode(error) === null) throw error;
    return path;
  }
}

/** Whether the file system is read-only, where nothing is written. */
function refusal(directory: number): PlaceReading["failure"] {
  try {
    accessSync(through(directory), constants.W_OK);
    return null;
  } catch (error) {
    const code = errorCode(error);
    if (code === null) throw error;
    return code === "EROFS" ? { call: "open", code } : null;
  }
}
