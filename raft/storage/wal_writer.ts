/**
 * Writes the log: segments, snapshots, deletion of what is no longer needed. Synchronous, on a Disk; runs in the
 * Worker in production and inline in tests and in the simulator, so that what is tested is what runs.
 *
 * Invariants: nothing is written to a segment before everything in its predecessor is durable; a snapshot's mark is
 * written only after its file, name included, is durable; nothing is deleted before what replaces it is durable.
 * Any error leaves the writer unusable: the caller stops and never tries again.
 */
import type { Disk, DiskFile } from "./disk.ts";
import type { LogIdentity } from "./replay.ts";
import type { SegmentInfo, WalTail } from "./recover.ts";
import { snapshotIndexOf, snapshotName } from "./snapshot_format.ts";
import {
  encodeUnsealed,
  getUint53,
  RECORD_HEADER_BYTES,
  RecordType,
  sealRecords,
  SEGMENT_HEADER_BYTES,
  segmentName,
  type SnapshotRef,
  unsealedBytes,
  viewOf,
} from "./wal_format.ts";
import type { HardState, Index } from "../core/types.ts";

/** One write: snapshot files first, then records, then what may go. */
export interface WriteJob {
  readonly snapshots: readonly { readonly index: Index; readonly file: Uint8Array }[];
  /** Unsealed records (see `encodeUnsealed`). */
  readonly records: Uint8Array;
  readonly sync: boolean;
  /** Entries up to here are no longer needed; 0: no change. */
  readonly compactTo: Index;
}

/** What the writer must know of the log it goes on with. Plain data: it is posted to a Worker. */
export interface WriterState {
  readonly identity: LogIdentity;
  readonly segmentBytes: number;
  /** Null: no segment has been begun yet. */
  readonly tail: WalTail | null;
  readonly segments: readonly SegmentInfo[];
  readonly hardState: HardState;
  readonly snapshot: SnapshotRef;
  readonly lastIndex: Index;
  /** Number of the segment that is made already but not begun; 0: none. */
  readonly prepared: number;
}

/** There is no room for another segment. What was written before is safe: the log may be opened again. */
export class DiskFullError extends Error {
  override readonly name = "DiskFullError";
}

const ZEROS = new Uint8Array(64 * 1024);

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
  /** Offset before which making the next segment is not tried again after the disk was full. */
  #prepareAgainAt = 0;
  #compactTo: Index = 0;
  #oldSnapshots = false;
  #unsynced = false;
  #onWarning: (text: string) => void;

  constructor(disk: Disk, state: WriterState, onWarning: (text: string) => void = () => {}) {
    this.#disk = disk;
    this.#onWarning = onWarning;
    this.#identity = state.identity;
    this.#segmentBytes = state.segmentBytes;
    this.#segments = state.segments.map((s) => ({ ...s }));
    this.#tail = state.tail ? { ...state.tail } : { sequence: 0, offset: 0, crc: 0, write: 0, closed: true };
    this.#hardState = state.hardState;
    this.#snapshot = state.snapshot;
    this.#lastIndex = state.lastIndex;
    this.#prepared = state.prepared;
  }

  /** Where this writer stands, for another one to go on with after both called `close` and `resume`. */
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
    };
  }

  /**
   * Prepares a log that was just recovered. What was found may so far be only in the page cache: it is made durable
   * before anything is built on it.
   */
  open(): void {
    if (this.#tail.sequence === 0) {
      this.#beginSegment(true);
    } else {
      this.resume();
      this.#file!.datasync();
      if (!this.#tail.closed) {
        this.#append(encodeUnsealed([{ kind: "hardState", hardState: this.#hardState }]), true);
      }
    }
    this.sync();
    this.#prepareNext();
  }

  /** Opens the current segment's file, for a writer that takes over a `state`. */
  resume(): void {
    this.#file = this.#disk.open(segmentName(this.#tail.sequence));
  }

  /** Hands the job to the operating system; durable after `sync`. */
  write(job: WriteJob): void {
    for (const { index, file } of job.snapshots) this.#writeSnapshot(index, file);
    if (job.records.length > 0) this.#append(job.records, job.sync);
    this.#compactTo = Math.max(this.#compactTo, job.compactTo);
  }

  /** Makes everything written durable. */
  sync(): void {
    if (!this.#unsynced) return;
    this.#file!.datasync();
    this.#unsynced = false;
  }

  /** Work that nobody waits for: making the next segment, deleting what a durable snapshot covers. */
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
    const file = this.#disk.create(temporary);
    file.write(bytes, 0);
    file.datasync();
    file.close();
    this.#disk.rename(temporary, name);
    this.#disk.syncDirectory();
    this.#oldSnapshots = true;
  }

  /** Appends unsealed records, going over to the next segment when one does not fit any more. */
  #append(records: Uint8Array, synced: boolean): void {
    const view = viewOf(records);
    let from = 0;
    for (let at = 0; at < records.length;) {
      const bytes = unsealedBytes(view, at);
      const end = this.#tail.offset + (at - from) + bytes;
      // A record larger than a segment extends the file of a segment that is otherwise empty.
      if (end > this.#segmentBytes && !(at === from && this.#segmentIsFresh())) {
        if (at > from) this.#put(records.subarray(from, at), true);
        this.sync();
        this.#beginSegment(false);
        from = at;
      }
      this.#note(view, at);
      at += bytes;
    }
    this.#put(records.subarray(from), synced);
  }

  #segmentIsFresh(): boolean {
    return this.#tail.offset <= SEGMENT_HEADER_BYTES;
  }

  #put(records: Uint8Array, synced: boolean): void {
    const tail = this.#tail;
    if (tail.closed) tail.write++;
    tail.crc = sealRecords(records, tail.crc, tail.write, synced);
    this.#file!.write(records, tail.offset);
    tail.offset += records.length;
    tail.closed = synced;
    this.#unsynced = true;
  }

  /** Follows the log's state, which the header of the next segment repeats. */
  #note(view: DataView, at: number): void {
    const field = (i: number) => getUint53(view, at + RECORD_HEADER_BYTES + i * 8);
    switch (view.getUint8(at + 8)) {
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

  #beginSegment(synced: boolean): void {
    const sequence = this.#tail.sequence + 1;
    if (this.#prepared !== sequence && !this.#preallocate(sequence)) {
      throw new DiskFullError("no space is left for the next segment of the raft log");
    }
    this.#file?.close();
    this.#file = this.#disk.open(segmentName(sequence));
    // A segment is begun only when its predecessor is durable, so its first record belongs to the next write.
    Object.assign(this.#tail, { sequence, offset: 0, closed: true });
    this.#segments.push({ sequence, maxIndex: 0 });
    this.#prepareAgainAt = 0;
    const header = {
      sequence,
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
    if (this.#prepared === next || this.#tail.offset < this.#prepareAgainAt) return;
    if (this.#preallocate(next)) return;
    // No failure yet: the current segment has room, and the operator may make some.
    this.#prepareAgainAt = this.#tail.offset + ZEROS.length;
    const leftBytes = Math.max(0, this.#segmentBytes - this.#tail.offset);
    this.#onWarning(`no space for the next segment of the raft log: this member stops in ${leftBytes} bytes`);
  }

  /** False when the disk is full. */
  #preallocate(sequence: number): boolean {
    const file = this.#disk.create(segmentName(sequence));
    try {
      for (let at = 0; at < this.#segmentBytes; at += ZEROS.length) {
        file.write(ZEROS.subarray(0, Math.min(ZEROS.length, this.#segmentBytes - at)), at);
      }
      file.datasync();
    } catch (cause) {
      if ((cause as { code?: unknown }).code === "ENOSPC") return false;
      throw cause;
    } finally {
      file.close();
    }
    this.#disk.syncDirectory();
    this.#prepared = sequence;
    return true;
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
      // In order, so that no crash leaves a gap between the remaining ones.
      this.#disk.syncDirectory();
    }
  }
}
