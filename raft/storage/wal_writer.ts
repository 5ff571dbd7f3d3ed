/**
 * Writes the log: segments, snapshots, deletion of what is no longer needed. Synchronous, on a Disk. The same
 * code runs in the Worker in production, and inline in tests and in the simulator.
 *
 * Invariants: nothing is written to a segment before everything in its predecessor is durable; a snapshot's
 * mark is written only after its file, name included, is durable; nothing is deleted before what replaces it
 * is durable. Any error leaves the writer unusable: the caller stops and never tries again. A full disk is no
 * error: a write without room has written whole records only, is not synced, and goes on where it was when
 * there is room (`retry`).
 */
import type { Disk, DiskFile } from "./disk.ts";
import type { LogIdentity } from "./replay.ts";
import type { SegmentInfo, WalTail } from "./recover.ts";
import { snapshotIndexOf, snapshotName } from "./snapshot_format.ts";
import { OutOfSpaceError, type Shortage, Space, writeZeros } from "./space.ts";
import {
  encodeUnsealed,
  nextWrite,
  RECORD_HEADER_BYTES,
  RecordType,
  sealRecords,
  SEGMENT_HEADER_BYTES,
  segmentName,
  type SnapshotRef,
  unsealedBytes,
} from "./wal_format.ts";
import { getUint53 } from "../core/integers.ts";
import type { HardState, Index } from "../core/types.ts";

/** One write: snapshot files first, then records, then deletions. */
export interface WriteJob {
  readonly snapshots: readonly { readonly index: Index; readonly file: Uint8Array }[];
  /** Records, unsealed (see `encodeUnsealed`). */
  readonly records: Uint8Array;
  readonly sync: boolean;
  /** Index up to which entries are no longer needed; 0: no change. */
  readonly compactTo: Index;
}

/** State of the log with which a writer goes on. Plain data: it is posted to a Worker. */
export interface WriterState {
  readonly identity: LogIdentity;
  readonly segmentBytes: number;
  /** End of the log; null: no segment has been begun yet. */
  readonly tail: WalTail | null;
  readonly segments: readonly SegmentInfo[];
  readonly hardState: HardState;
  readonly snapshot: SnapshotRef;
  readonly lastIndex: Index;
  /** Number of the segment that is made but not begun; 0: none. */
  readonly prepared: number;
  /** Size of the ballast, see space.ts; 0: none. */
  readonly ballastBytes: number;
}

/** Part of a job that is not written yet. */
interface Rest {
  readonly job: WriteJob;
  snapshots: WriteJob["snapshots"];
  records: Uint8Array;
}

export class WalWriter {
  #disk: Disk;
  #identity: LogIdentity;
  #segmentBytes: number;
  #segments: { sequence: number; maxIndex: Index }[];
  #file: DiskFile | null = null;
  #tail: { sequence: number; offset: number; crc: number; write: number; closed: boolean };
  #hardState: HardState;
  #snapshot: SnapshotRef;
  #lastIndex: Index;
  #prepared: number;
  #ballastBytes: number;
  #space: Space;
  /** Whether the next segment found no room: it is tried again at the next look at the space. */
  #full = false;
  #rest: Rest | null = null;
  #compactTo: Index = 0;
  #oldSnapshots = false;
  #unsynced = false;

  constructor(disk: Disk, state: WriterState) {
    this.#disk = disk;
    this.#ballastBytes = state.ballastBytes;
    this.#space = new Space(disk, state.ballastBytes);
    this.#identity = state.identity;
    this.#segmentBytes = state.segmentBytes;
    this.#segments = state.segments.map((s) => ({ ...s }));
    this.#tail = state.tail ? { ...state.tail } : { sequence: 0, offset: 0, crc: 0, write: 0, closed: true };
    this.#hardState = state.hardState;
    this.#snapshot = state.snapshot;
    this.#lastIndex = state.lastIndex;
    this.#prepared = state.prepared;
  }

  /** State of this writer, with which another one goes on: this one calls `close`, the other `resume`. */
  state(): WriterState {
    return {
      identity: this.#identity,
      segmentBytes: this.#segmentBytes,
      tail: { ...this.#tail },
      segments: this.#segments.map((s) => ({ ...s })),
      hardState: this.#hardState,
      snapshot: this.#snapshot,
      lastIndex: this.#lastIndex,
      prepared: this.#prepared,
      ballastBytes: this.#ballastBytes,
    };
  }

  /** Prepares a log that was just recovered and made durable. Throws OutOfSpaceError. */
  open(): void {
    if (this.#tail.sequence === 0) {
      this.#beginSegment();
      this.#putHeader(true);
    } else {
      this.resume();
      if (!this.#tail.closed) {
        const records = encodeUnsealed([{ kind: "hardState", hardState: this.#hardState }]);
        this.#append({ records }, true);
      }
    }
    this.sync();
    this.#prepareNext();
    this.#space.check();
  }

  /** Opens the current segment's file, for a writer that takes over a `state`. */
  resume(): void {
    this.#file = this.#disk.open(segmentName(this.#tail.sequence));
  }

  /**
   * Hands the job to the operating system; it is durable after `sync`. False: there is no room for it, see
   * `retry`.
   */
  write(job: WriteJob): boolean {
    if (this.#rest) throw new Error("a write before this one still waits for room");
    this.#rest = { job, snapshots: job.snapshots, records: job.records };
    return this.retry();
  }

  /** Goes on with a job that found no room. True when everything is handed over. */
  retry(): boolean {
    const rest = this.#rest;
    if (!rest) return true;
    try {
      for (const { index, file } of rest.snapshots) {
        this.#writeSnapshot(index, file);
        rest.snapshots = rest.snapshots.slice(1);
      }
      this.#append(rest, rest.job.sync);
    } catch (cause) {
      if (cause instanceof OutOfSpaceError) return false;
      throw cause;
    }
    this.#rest = null;
    this.#compactTo = Math.max(this.#compactTo, rest.job.compactTo);
    return true;
  }

  /** Looks at the room on the disk. Null: enough. */
  checkSpace(): Shortage | null {
    if (this.#full) this.#full = this.#disk.freeBytes() < this.#segmentBytes;
    this.#prepareNext();
    const shortage = this.#space.check();
    const blocked = this.#rest !== null;
    if (!shortage && !blocked) return null;
    return { freeBytes: shortage?.freeBytes ?? this.#disk.freeBytes(), blocked };
  }

  /** Makes everything written durable. */
  sync(): void {
    if (!this.#unsynced) return;
    this.#file!.datasync();
    this.#unsynced = false;
  }

  /**
   * Does the work that nothing waits for: makes the next segment, and deletes what a durable snapshot covers.
   */
  tidy(): void {
    this.#prepareNext();
    if (!this.#unsynced) this.#removeCovered();
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  #writeSnapshot(index: Index, bytes: Uint8Array): void {
    const name = snapshotName(index);
    const temporary = `${name}.tmp`;
    this.#space.within(() => {
      const file = this.#disk.create(temporary);
      try {
        file.write(bytes, 0);
        file.datasync();
      } finally {
        file.close();
      }
      this.#disk.rename(temporary, name);
    }, temporary);
    this.#disk.syncDirectory();
    this.#oldSnapshots = true;
  }

  /**
   * Appends unsealed records, and takes them off `rest`. Goes over to the next segment when one no longer
   * fits.
   */
  #append(rest: { records: Uint8Array }, synced: boolean): void {
    while (rest.records.length > 0) {
      if (this.#tail.offset === 0) this.#putHeader(false);
      const bytes = this.#fitting(rest.records);
      if (bytes > 0) {
        const part = rest.records.subarray(0, bytes);
        // A part with another segment behind it is synced before that segment is begun.
        this.#put(part, synced || bytes < rest.records.length);
        this.#note(part);
        rest.records = rest.records.subarray(bytes);
      } else {
        this.sync();
        this.#beginSegment();
      }
    }
  }

  /** Number of bytes of whole records for which the current segment has room. */
  #fitting(records: Uint8Array): number {
    let at = 0;
    while (at < records.length) {
      const end = at + unsealedBytes(records, at);
      // A record larger than a segment extends the file of a segment that is otherwise empty.
      const alone = at === 0 && this.#segmentIsFresh();
      if (this.#tail.offset + end > this.#segmentBytes && !alone) break;
      at = end;
    }
    return at;
  }

  #segmentIsFresh(): boolean {
    return this.#tail.offset <= SEGMENT_HEADER_BYTES;
  }

  #put(records: Uint8Array, synced: boolean): void {
    const tail = this.#tail;
    const write = tail.closed ? nextWrite(tail.write) : tail.write;
    const crc = sealRecords(records, tail.crc, write, synced);
    // Without room the tail stays as it is: the same bytes go to the same place when there is room.
    this.#space.within(() => this.#file!.write(records, tail.offset));
    Object.assign(tail, { crc, write, offset: tail.offset + records.length, closed: synced });
    this.#unsynced = true;
  }

  /** Follows the state of the log, which the header of the next segment repeats. */
  #note(records: Uint8Array): void {
    for (let at = 0; at < records.length; at += unsealedBytes(records, at)) this.#noteRecord(records, at);
  }

  #noteRecord(records: Uint8Array, at: number): void {
    const field = (i: number) => getUint53(records, at + RECORD_HEADER_BYTES + i * 8);
    switch (records[at + 8]) {
      case RecordType.entry: {
        this.#lastIndex = field(1);
        const segment = this.#segments.at(-1)!;
        segment.maxIndex = Math.max(segment.maxIndex, this.#lastIndex);
        return;
      }
      case RecordType.hardState:
        this.#hardState = { term: field(0), vote: field(1), commit: field(2) };
        return;
      case RecordType.truncate:
        this.#lastIndex = field(0) - 1;
        return;
      case RecordType.snapshotMark:
        this.#snapshot = { index: field(0), term: field(1) };
        if (field(2) !== 0) this.#lastIndex = this.#snapshot.index;
        return;
    }
  }

  #beginSegment(): void {
    const sequence = this.#tail.sequence + 1;
    if (this.#prepared !== sequence) this.#preallocate(sequence);
    this.#file?.close();
    this.#file = this.#disk.open(segmentName(sequence));
    // A segment is begun only when its predecessor is durable, so its first record belongs to the next write.
    Object.assign(this.#tail, { sequence, offset: 0, closed: true });
    this.#segments.push({ sequence, maxIndex: 0 });
  }

  #putHeader(synced: boolean): void {
    const header = {
      sequence: this.#tail.sequence,
      ...this.#identity,
      segmentBytes: this.#segmentBytes,
      firstIndex: this.#lastIndex + 1,
      hardState: this.#hardState,
      snapshot: this.#snapshot,
    };
    this.#put(encodeUnsealed([{ kind: "segmentHeader", header }]), synced);
  }

  #prepareNext(): void {
    const next = this.#tail.sequence + 1;
    if (this.#prepared === next || this.#full) return;
    try {
      this.#preallocate(next);
    } catch (cause) {
      if (!(cause instanceof OutOfSpaceError)) throw cause;
      // This is no failure yet: the current segment has room.
      this.#full = true;
    }
  }

  /** Makes the file of a segment. Throws OutOfSpaceError. */
  #preallocate(sequence: number): void {
    const name = segmentName(sequence);
    this.#space.within(() => writeZeros(this.#disk, name, this.#segmentBytes), name);
    this.#disk.syncDirectory();
    this.#prepared = sequence;
  }

  #removeCovered(): void {
    if (this.#oldSnapshots) {
      for (const name of this.#disk.list()) {
        const index = snapshotIndexOf(name);
        if (index !== null && index < this.#snapshot.index) this.#disk.remove(name);
      }
      this.#oldSnapshots = false;
    }
    const upTo = Math.min(this.#compactTo, this.#snapshot.index);
    while (this.#segments.length > 1 && this.#segments[0]!.maxIndex <= upTo) {
      this.#disk.remove(segmentName(this.#segments.shift()!.sequence));
      // They go in order, so that no crash leaves a gap between the remaining ones.
      this.#disk.syncDirectory();
    }
  }
}
