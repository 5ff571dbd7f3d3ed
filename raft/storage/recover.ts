/**
 * Decides what a directory of segments and snapshots holds after any kind of stop. Pure: takes bytes, returns
 * a verdict.
 *
 * The rule: records that may have been acknowledged are returned, or the log is refused; records that were
 * certainly never durable (a torn last write) are cut. A record counts as torn only when nothing written
 * after a later fdatasync follows it, and when its end or one of its sectors still holds the zeros it was
 * made with. A flipped bit leaves neither sign; where the record has zeros of its own, the checksum shows it.
 * Such a log is refused: this member cannot say what it has promised, and another one can. Some damage of the
 * last write counts as torn: a sector that turns into zeros, and more than one flipped bit in its length, or
 * anywhere if its payload has a whole sector of zeros. Where the commit index is known, even that is refused.
 */
import { type LogIdentity, Replay } from "./replay.ts";
import { decodeSnapshotFile, laterSnapshot, snapshotIndexOf, snapshotName } from "./snapshot_format.ts";
import { laterVersion } from "./storage_error.ts";
import {
  declaredLength,
  decodeRecord,
  hasOneFlippedBit,
  isLaterWrite,
  nextWrite,
  type RawRecord,
  readRaw,
  RECORD_HEADER_BYTES,
  recordBytes,
  SECTOR_BYTES,
  segmentName,
  segmentSequence,
  unknownRecord,
} from "./wal_format.ts";
import type { Index, Snapshot } from "../core/types.ts";
import type { StoredLog } from "../node/ports.ts";

/** Place at which writing goes on. */
export interface WalTail {
  readonly sequence: number;
  readonly offset: number;
  readonly crc: number;
  readonly write: number;
  /** False: the last records were not meant to be durable, and `write` is still their number. */
  readonly closed: boolean;
}

export interface SegmentInfo {
  readonly sequence: number;
  /** Highest entry index that was ever written to the segment; 0: none. */
  readonly maxIndex: Index;
}

export interface Damage {
  readonly file: string;
  readonly offset: number;
  readonly problem: string;
}

export interface RecoveredLog {
  readonly stored: StoredLog;
  readonly lastIndex: Index;
  /** End of the log; null: no segment was ever begun. */
  readonly tail: WalTail | null;
  readonly segments: readonly SegmentInfo[];
  /** Torn tail that has to be overwritten with zeros, from `offset` on. */
  readonly cut: { readonly file: string; readonly offset: number } | null;
  /** Files without meaning: temporary ones, snapshots without a mark, segments never begun. */
  readonly leftovers: readonly string[];
}

export type Recovery = { readonly ok: true; readonly log: RecoveredLog } | {
  readonly ok: false;
  readonly damage: Damage;
};

interface Segment {
  readonly sequence: number;
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Number of bytes up to the last one that is not zero. */
  readonly usedBytes: number;
}

interface Cursor {
  crc: number;
  write: number;
  closed: boolean;
}

/**
 * Recovers a log. `logExpected`: the directory is known to have held one (its identity was recorded), so an
 * empty directory is damage and not a beginning. Throws StorageError "version".
 */
export function recover(
  files: ReadonlyMap<string, Uint8Array>,
  identity: LogIdentity,
  logExpected: boolean,
): Recovery {
  const all = segmentsOf(files);
  const begun = all.slice(0, all.findLastIndex((s) => s.usedBytes > 0) + 1);
  const gap = sequenceGap(all);
  if (gap) return refuse(gap, 0, "the segment is missing");
  // Each of these was made, and its size durable, before the next one's name was.
  const emptied = all.slice(0, -1).find(({ bytes }) => bytes.length === 0);
  if (emptied) return refuse(emptied.name, 0, "the file is shorter than it was made");

  const replay = new Replay(identity);
  const cursor: Cursor = { crc: 0, write: 0, closed: true };
  const infos: SegmentInfo[] = [];
  let tail: WalTail | null = null;
  let cut: RecoveredLog["cut"] = null;
  let madeBytes = 0;

  for (const [i, segment] of begun.entries()) {
    const lastOne = i === begun.length - 1;
    const read = readSegment(segment, i === 0, replay, cursor);
    if (read.problem) return refuse(segment.name, read.offset, read.problem);
    const { offset } = read;
    if (offset < segment.usedBytes || (offset === 0 && segment.usedBytes > 0)) {
      const problem = lastOne
        ? notTorn(segment, offset, expectedWrite(cursor, offset))
        : "a record is damaged";
      if (problem) return refuse(segment.name, offset, problem);
      cut = { file: segment.name, offset };
    }
    // A header that cannot be read tells no size; segments are as long as their predecessors.
    if (offset > 0) madeBytes = read.segmentBytes;
    if (madeBytes > segment.bytes.length) {
      return refuse(segment.name, segment.bytes.length, "the file is shorter than it was made");
    }
    if (offset === 0) continue;
    infos.push({ sequence: segment.sequence, maxIndex: read.maxIndex });
    tail = { sequence: segment.sequence, offset, ...cursor };
  }

  if (!tail && (logExpected || (begun[0] && begun[0].sequence !== 1))) {
    return refuse(segmentName(begun[0]?.sequence ?? 1), 0, "the log is gone");
  }
  return conclude(files, identity, replay, { tail, segments: infos, cut, all });
}

function refuse(file: string, offset: number, problem: string): Recovery {
  return { ok: false, damage: { file, offset, problem } };
}

function segmentsOf(files: ReadonlyMap<string, Uint8Array>): Segment[] {
  const segments: Segment[] = [];
  for (const [name, bytes] of files) {
    const sequence = segmentSequence(name);
    if (sequence === null) continue;
    let usedBytes = bytes.length;
    while (usedBytes > 0 && bytes[usedBytes - 1] === 0) usedBytes--;
    segments.push({ sequence, name, bytes, usedBytes });
  }
  return segments.sort((a, b) => a.sequence - b.sequence);
}

function sequenceGap(segments: readonly Segment[]): string | null {
  for (let i = 1; i < segments.length; i++) {
    const expected = segments[i - 1]!.sequence + 1;
    if (segments[i]!.sequence !== expected) return segmentName(expected);
  }
  return null;
}

/** Reads records up to the first invalid one; `problem` is set when a whole record contradicts the log. */
function readSegment(segment: Segment, firstOfLog: boolean, replay: Replay, cursor: Cursor) {
  let offset = 0;
  let maxIndex = 0;
  let segmentBytes = 0;
  const stop = (problem: string | null) => ({ offset, maxIndex, segmentBytes, problem });
  while (offset < segment.usedBytes) {
    const raw = readRaw(segment.bytes, offset);
    if (!raw) return stop(null);
    const begins = firstOfLog && offset === 0;
    if (!begins && raw.previousCrc !== cursor.crc) return stop("the checksum chain is broken");
    if (!begins && raw.write !== expectedWrite(cursor, offset)) return stop("a write is missing");
    const record = decodeRecord(raw.type, raw.payload);
    if (!record) {
      throw laterVersion(`${segment.name}, byte ${offset}: ${unknownRecord(raw.type, raw.payload)}`);
    }
    if ((record.kind === "segmentHeader") !== (offset === 0)) return stop("a segment header is misplaced");
    const problem = replay.apply(record, segment.sequence);
    if (problem) return stop(problem);
    if (record.kind === "entry") maxIndex = Math.max(maxIndex, record.entry.index);
    if (record.kind === "segmentHeader") segmentBytes = record.header.segmentBytes;
    advance(cursor, raw);
    offset += raw.totalBytes;
  }
  return stop(null);
}

function advance(cursor: Cursor, raw: RawRecord): void {
  cursor.crc = raw.crc;
  cursor.write = raw.write;
  cursor.closed = raw.syncedAfter;
}

/**
 * Write number of the record behind the cursor. A new segment begins only after an fdatasync of the old one.
 */
function expectedWrite(cursor: Cursor, offset: number): number {
  return cursor.closed || offset === 0 ? nextWrite(cursor.write) : cursor.write;
}

/** Says why the bad record at `offset` of the last segment is not just a torn write; null when it is one. */
function notTorn(segment: Segment, offset: number, write: number): string | null {
  const { bytes, usedBytes } = segment;
  for (let at = offset + 8; at + RECORD_HEADER_BYTES <= usedBytes; at += 8) {
    const later = readRaw(bytes, at);
    if (later && isLaterWrite(later.write, write)) return "a record that was durable is damaged";
  }
  const declared = offset + 8 <= bytes.length ? declaredLength(bytes, offset) : null;
  const end = offset + (declared === null ? RECORD_HEADER_BYTES : recordBytes(declared));
  if (usedBytes < end) return null; // records never end in a zero: the end was not written
  // A payload may hold zeros of its own, which look like an unwritten sector.
  if (offset + 8 <= bytes.length && hasOneFlippedBit(bytes, offset)) {
    return "a record has rotted: one of its bits has flipped";
  }
  for (let from = offset; from < usedBytes;) {
    const to = Math.min(usedBytes, (Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES);
    if (bytes.subarray(from, to).every((byte) => byte === 0)) return null;
    from = to;
  }
  return "a record fails its checksum";
}

interface Outcome {
  readonly tail: WalTail | null;
  readonly segments: readonly SegmentInfo[];
  readonly cut: RecoveredLog["cut"];
  readonly all: readonly Segment[];
}

function conclude(
  files: ReadonlyMap<string, Uint8Array>,
  identity: LogIdentity,
  replay: Replay,
  outcome: Outcome,
): Recovery {
  const { hardState, last } = replay;
  const end = outcome.tail ?? { sequence: 1, offset: 0 };
  const refuseAtEnd = (problem: string) => refuse(segmentName(end.sequence), end.offset, problem);
  let snapshot: Snapshot | null = null;
  if (replay.snapshot.index > 0) {
    const file = snapshotName(replay.snapshot.index);
    const bytes = files.get(file);
    const later = bytes ? laterSnapshot(bytes) : null;
    if (later !== null) throw laterVersion(`${file}, byte 4: ${later}`);
    const decoded = bytes ? decodeSnapshotFile(bytes) : null;
    if (!decoded) {
      return refuse(file, 0, bytes ? "the snapshot fails its checksum" : "the snapshot is missing");
    }
    const same = decoded.snapshot.index === replay.snapshot.index &&
      decoded.snapshot.term === replay.snapshot.term;
    if (!same || decoded.clusterId !== identity.clusterId) {
      return refuse(file, 0, "the snapshot is not the one that the log names");
    }
    snapshot = decoded.snapshot;
  }
  const base = snapshot?.index ?? 0;
  if (replay.first > base + 1) return refuseAtEnd(`entries ${base + 1} to ${replay.first - 1} are missing`);
  if (last < base) return refuseAtEnd(`the log ends at ${last}, before its snapshot at ${base}`);
  if (hardState.commit > last) {
    return refuseAtEnd(`entries ${last + 1} to ${hardState.commit}, known to be committed, are missing`);
  }
  const entries = replay.entries.slice(Math.max(0, base + 1 - replay.first));
  const empty = hardState.term === 0 && entries.length === 0 && !snapshot;
  const used = new Set(outcome.segments.map((s) => segmentName(s.sequence)));
  if (snapshot) used.add(snapshotName(snapshot.index));
  const ours = (name: string) =>
    name.endsWith(".tmp") || segmentSequence(name) !== null || snapshotIndexOf(name) !== null;
  const leftovers = [...files.keys()].filter((name) => ours(name) && !used.has(name));
  const commit = Math.max(hardState.commit, base);
  const log: RecoveredLog = {
    stored: { hardState: { ...hardState, commit }, snapshot, entries, empty },
    lastIndex: last,
    tail: outcome.tail,
    segments: outcome.segments,
    cut: outcome.cut && used.has(outcome.cut.file) ? outcome.cut : null,
    leftovers,
  };
  return { ok: true, log };
}
