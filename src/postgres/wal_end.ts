/**
 * The end of valid WAL on the disk of a server that does not run: everything before it may have been
 * acknowledged to a client. pg_control alone names a lower bound, often minutes old; the records after it are
 * found by pg_waldump.
 */
import { formatLsn, type Lsn, parseLsn } from "../model/lsn.ts";
import type { ControlFile } from "./control_file.ts";
import { historyOnDisk } from "./data_directory.ts";
import { exists, join, list } from "./disk.ts";
import { leftAt } from "./history.ts";
import type { Programs } from "./programs.ts";
import { youngerTimelines } from "./replayed_timeline.ts";
import { runProgram, succeeded } from "./run_program.ts";

const PAGE = 8192;
const SHORT_HEADER = 24;
const LONG_HEADER = 40;

/**
 * The messages of pg_waldump (13 to 18) where no record is, or in a file that was made in advance and never
 * written.
 */
const NOTHING_THERE =
  /could not find a valid record|error in WAL record|header specifies 0 bytes|invalid WAL segment size .*\(0 bytes\)/;

export interface WalEnd {
  readonly timeline: number;
  readonly lsn: Lsn;
  /**
   * Read so far when time was over, or an error of the disk came: there may be more. Good enough to compare
   * members by, and no vote: what lies behind may have been acknowledged. Absent: this is the end.
   */
  readonly isPart?: true;
}

/** From here on pg_waldump is to look: pg_control vouches for everything before. */
export function knownEnd(control: ControlFile): WalEnd {
  const lsn = Math.max(control.checkpointLsn, control.minRecoveryLsn);
  return { timeline: control.timeline, lsn };
}

/**
 * Position after a record of `totalBytes` (tot of pg_waldump) that begins at `start`: records are aligned to
 * 8 bytes and continue behind the header of each page that they cross.
 */
export function recordEnd(start: Lsn, totalBytes: number, segmentBytes: number): Lsn {
  let at = start;
  let left = Math.ceil(totalBytes / 8) * 8;
  for (;;) {
    if (at % PAGE === 0) at += at % segmentBytes === 0 ? LONG_HEADER : SHORT_HEADER;
    const inPage = PAGE - at % PAGE;
    if (left <= inPage) return at + left;
    at += inPage;
    left -= inPage;
  }
}

/** End of the last record in pg_waldump's output (its tail is enough); null when there is none. */
export function lastRecordEnd(output: string, segmentBytes: number): Lsn | null {
  const lines = output.split("\n");
  for (let at = lines.length - 1; at >= 0; at--) {
    const match = /len \(rec\/tot\):\s*\d+\/\s*(\d+),.*?lsn: ([0-9A-F]+\/[0-9A-F]+),/.exec(lines[at]!);
    const start = match ? parseLsn(match[2]!) : null;
    // The first piece of a cut output may be half a line, which does not match, or matches as a whole.
    if (match && start !== null) return recordEnd(start, Number(match[1]), segmentBytes);
  }
  return null;
}

/**
 * From here on, in this directory. A rewind notes a position up to which its server needs WAL, and has copied
 * the WAL of a moment before; that may not be on this disk before its first start.
 */
export function surelyThere(dataDir: string, control: ControlFile): WalEnd {
  const isUnstarted = exists(join(dataDir, "backup_label"));
  return isUnstarted ? { timeline: control.timeline, lsn: control.checkpointLsn } : knownEnd(control);
}

/**
 * Never before the position in pg_control, but for a directory that has not been started yet. Reads for at
 * most `timeoutMs`, and then reports how far it came: another call goes on from there (`begin`).
 */
export async function findWalEnd(
  programs: Programs,
  dataDir: string,
  control: ControlFile,
  timeoutMs: number,
  begin: WalEnd = surelyThere(dataDir, control),
): Promise<WalEnd> {
  const walDir = join(dataDir, "pg_wal");
  let end = await readOn(programs, walDir, begin, control.segmentBytes, timeoutMs);
  // A standby may have received the beginning of a younger timeline without having replayed it.
  for (const timeline of end.isPart ? [] : youngerTimelines(walDir, end.timeline)) {
    const branch = leftAt(historyOnDisk(dataDir, timeline), end.timeline);
    if (branch === null || branch < knownEnd(control).lsn) continue;
    const from = { timeline, lsn: branch };
    const further = await readOn(programs, walDir, from, control.segmentBytes, timeoutMs);
    if (further.lsn > from.lsn) end = further;
  }
  return end;
}

/**
 * First and last name of the run of segment files that holds `from`; null when there is no file for it.
 * pg_waldump waits 5 s for a file that it misses, in the hope that a server is about to make it, so it must
 * not get there.
 */
export function runOfFiles(
  names: readonly string[],
  from: WalEnd,
  segmentBytes: number,
): { readonly first: string; readonly last: string } | null {
  const present = new Set(names);
  const perId = 2 ** 32 / segmentBytes;
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, "0");
  const nameOf = (segment: number) =>
    hex(from.timeline) + hex(Math.floor(segment / perId)) + hex(segment % perId);
  const begin = Math.floor(from.lsn / segmentBytes);
  let segment = begin;
  while (present.has(nameOf(segment))) segment++;
  return segment === begin ? null : { first: nameOf(begin), last: nameOf(segment - 1) };
}

async function readOn(
  programs: Programs,
  walDir: string,
  from: WalEnd,
  segmentBytes: number,
  timeoutMs: number,
): Promise<WalEnd> {
  const files = runOfFiles(list(walDir) ?? [], from, segmentBytes);
  if (files === null) return from;
  // Without names it learns the size of segments from any file there, also from one that was made in advance
  // and is still empty, and then reads nothing at all.
  const args = ["-p", walDir, "-s", formatLsn(from.lsn), files.first, files.last];
  // It ends with an error, unless the last file is full: the first invalid record marks the end.
  const result = await runProgram(programs.path("pg_waldump"), args, { timeoutMs, keep: 32 * 1024 });
  const found = lastRecordEnd(result.stdout, segmentBytes);
  if (found === null && !NOTHING_THERE.test(result.stderr)) {
    // Silence is no answer: a position that is too low would let a member rejoin that has to be rewound.
    throw new Error(`pg_waldump: ${result.stderr.trim() || result.failure || "it said nothing"}`);
  }
  const isWhole = succeeded(result) || (result.failure === null && NOTHING_THERE.test(result.stderr));
  return {
    timeline: from.timeline,
    lsn: Math.max(from.lsn, found ?? 0),
    ...(isWhole ? {} : { isPart: true }),
  };
}
