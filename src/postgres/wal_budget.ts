/**
 * How much WAL the replication slots of this server may hold, where nobody has set max_slot_wal_keep_size: a
 * slot that nobody reads would otherwise fill the disk, and PostgreSQL of a primary whose WAL disk is full
 * ends. A slot that would hold more loses its WAL instead, and its user has to begin anew.
 */
import { readdir, statfs } from "node:fs/promises";
import { join } from "./disk.ts";

const MIB = 2 ** 20;
/** Half of what WAL could ever have: the rest is for checkpoints, archiving that lags, and data beside it. */
const SHARE = 0.5;
/** PostgreSQL's own smallest use of WAL is of this size: less would drop every slot. */
const LEAST_MIB = 256;
/** A budget moves only when it has become wrong by more: each move is a reload. */
const TOLERANCE = 0.25;
const DIGITS = 2;

/** The budget in MiB for so much room; `before` stays while it is about right. Null: none yet. */
export function walBudgetMib(freeBytes: number, walBytes: number, before: number | null): number {
  const exact = Math.max(LEAST_MIB, (SHARE * (freeBytes + walBytes)) / MIB);
  if (before !== null && Math.abs(exact - before) <= TOLERANCE * before) return before;
  // Round, as people read it.
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(exact)) - DIGITS + 1);
  return Math.max(LEAST_MIB, Math.floor(exact / unit) * unit);
}

/**
 * Bytes that the file system of `pg_wal` has free for PostgreSQL, and those that WAL takes now. Waits off the
 * main thread for a disk that hangs.
 */
export async function walRoom(
  dataDir: string,
  segmentBytes: number,
): Promise<{ readonly freeBytes: number; readonly walBytes: number }> {
  const directory = join(dataDir, "pg_wal");
  const { bavail, bsize } = await statfs(directory);
  const segments = (await readdir(directory)).filter((name) => /^[0-9A-F]{24}$/.test(name));
  return { freeBytes: bavail * bsize, walBytes: segments.length * segmentBytes };
}
