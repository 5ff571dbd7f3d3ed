/**
 * A process of this executable that measures how long the disk of the raft log is waited for, and ends:
 * `agent __sync_probe DIRECTORY`. As the log itself, it writes over a place that exists. In a process of its
 * own for the reason that probe_process.ts has.
 *
 * Prints a line of JSON, the milliseconds of each write. Its file has no name while it is written: nothing of
 * it stays.
 */
import { closeSync, constants, fdatasyncSync, openSync, unlinkSync, writeSync } from "node:fs";
import { errorCode, join } from "../../postgres/disk.ts";

export const SYNC_PROBE_COMMAND = "__sync_probe";
/** A block of a disk. */
const BYTES = 4096;
export const SYNCS = 20;
/** What else is under way at the disk is to be met, too: they are spread over a second. */
const PAUSE_MS = 50;

/** Ends the process. */
export function runSyncProbe(directory: string): void {
  try {
    writeSync(1, `${JSON.stringify(timesOf(directory))}\n`);
  } catch (error) {
    const code = errorCode(error);
    if (code === null) throw error;
    // It ends with a line for the agent, and not as a crash.
    writeSync(2, `${directory}: ${code}\n`);
    process.exitCode = 1;
  }
}

function timesOf(directory: string): number[] {
  const path = join(directory, "sync_probe");
  const { O_RDWR, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const fd = openSync(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    unlinkSync(path);
    const bytes = new Uint8Array(BYTES);
    const tookMs: number[] = [];
    // The first one makes the place.
    for (let i = 0; i <= SYNCS; i++) {
      const beganMs = performance.now();
      writeSync(fd, bytes.fill(i), 0, BYTES, 0);
      fdatasyncSync(fd);
      if (i > 0) tookMs.push(performance.now() - beganMs);
      Bun.sleepSync(PAUSE_MS);
    }
    return tookMs;
  } finally {
    closeSync(fd);
  }
}
