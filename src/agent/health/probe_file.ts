/**
 * The small file that a probe of the disks writes, synchronizes and reads. It stays for five minutes
 * and is written over: one page, and nothing of the file system's own. A new file at each look made an inode,
 * a name and a block, and took them away again, for three times the bytes (docs/benchmark.md).
 *
 * What only a new file finds out is found out by the next one: no inode or block is to be had, or none
 * within a quota. So one is made every five minutes, and at each look while room is scarce. It is made
 * beside the old one, whose inode and block it would get otherwise, on a full disk as well. The old one
 * stays until a new one has been written, so what a look found missing is looked for again at the next.
 *
 * Never stays where something is being made or has been taken away: an empty directory must remain one.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fdatasyncSync,
  fstatSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import type { PlaceReading } from "../../model/place_reading.ts";
import { errorCode, exists, modeIn, move, removeFile } from "../../postgres/disk.ts";

/** pgsql_tmp: PG_TEMP_FILE_PREFIX, which pg_basebackup, pg_rewind and pg_checksums pass over. */
export const PROBE_FILE = "pgsql_tmp_agent_probe";
/** A new one, until it has been written. */
const NEW_FILE = `${PROBE_FILE}_new`;
const BYTES = 512;
const NEW_EVERY_MS = 300_000;

export interface ProbeFileOptions {
  /** Path of the directory. */
  readonly directory: string;
  /** Is there while the directory holds what belongs there: only beside it the file stays. */
  readonly beside: string;
  /** There is so little room that each look makes a new file, and none stays. */
  readonly isScarce: boolean;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

type Failure = PlaceReading["failure"];
/** The call under way. */
interface At {
  call: "open" | "write" | "fdatasync" | "read";
}

export function probeFile(options: ProbeFileOptions): Pick<PlaceReading, "writeMs" | "failure"> {
  const beganMs = performance.now();
  const at: At = { call: "open" };
  try {
    const failure = writeFile(options, at);
    return { writeMs: failure === null ? performance.now() - beganMs : null, failure };
  } catch (error) {
    const code = errorCode(error);
    if (code === null) throw error;
    return { writeMs: null, failure: { call: at.call, code } };
  }
}

function writeFile(options: ProbeFileOptions, at: At): Failure {
  const { directory, beside, isScarce, nowMs } = options;
  const path = `${directory}/${PROBE_FILE}`;
  const newPath = `${directory}/${NEW_FILE}`;
  const old = openOld(path, options);
  let failure: Failure;
  if (old !== null) {
    failure = writeAndClose(old.fd, old.bornMs, at);
  } else {
    const { O_RDWR, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
    const fd = openSync(newPath, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
    let isWritten = false;
    try {
      // Whatever the umask is: a backup may be made as a member of the group.
      fchmodSync(fd, modeIn(directory, 0o600));
      failure = writeAndClose(fd, nowMs, at);
      isWritten = failure === null;
    } finally {
      if (isWritten) move(newPath, path);
      else removeFile(newPath);
    }
  }
  if (isScarce || !exists(`${directory}/${beside}`)) removeFile(path);
  return failure;
}

/** null: there is none that may be written over. Only what an earlier probe has made may be. */
function openOld(path: string, { isScarce, nowMs }: ProbeFileOptions): { fd: number; bornMs: number } | null {
  if (isScarce) return null;
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  }
  let bornMs = NaN;
  try {
    const { size, nlink } = fstatSync(fd);
    const bytes = new Uint8Array(BYTES);
    const isProbes = size === BYTES && nlink === 1 && readSync(fd, bytes, 0, BYTES, 0) === BYTES;
    const madeMs = isProbes ? new DataView(bytes.buffer).getFloat64(0) : NaN;
    // The clock may have been set back: nobody knows how old the file is then.
    if (madeMs <= nowMs && nowMs < madeMs + NEW_EVERY_MS) bornMs = madeMs;
  } finally {
    if (Number.isNaN(bornMs)) closeSync(fd);
  }
  return Number.isNaN(bornMs) ? null : { fd, bornMs };
}

/**
 * null: it has come back as it was written. The time at which the file was made comes first: not every file
 * system keeps it.
 */
function writeAndClose(fd: number, bornMs: number, at: At): Failure {
  try {
    const bytes = new Uint8Array(BYTES).fill(process.pid % 256);
    new DataView(bytes.buffer).setFloat64(0, bornMs);
    at.call = "write";
    if (writeSync(fd, bytes, 0, BYTES, 0) < BYTES) return { call: at.call, code: "ENOSPC" };
    at.call = "fdatasync";
    fdatasyncSync(fd);
    at.call = "read";
    const back = new Uint8Array(BYTES);
    readSync(fd, back, 0, BYTES, 0);
    return back.every((byte, index) => byte === bytes[index]) ? null : { call: at.call, code: "other bytes" };
  } finally {
    closeSync(fd);
  }
}
