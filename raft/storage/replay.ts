/**
 * Replays the records of a log, one after another. Pure; refuses, with a sentence, records that no writer
 * wrote.
 */
import type { SegmentHeader, SnapshotRef, WalRecord } from "./wal_format.ts";
import type { Entry, HardState, Index } from "../core/types.ts";

export interface LogIdentity {
  readonly clusterId: number;
  readonly nodeId: number;
}

/** Log as replayed so far. Invariant: `entries` has no gaps and ends at `last`. */
export class Replay {
  hardState: HardState = { term: 0, vote: 0, commit: 0 };
  snapshot: SnapshotRef = { index: 0, term: 0 };
  entries: Entry[] = [];
  last: Index = 0;
  #identity: LogIdentity;
  #begun = false;

  constructor(identity: LogIdentity) {
    this.#identity = identity;
  }

  /** Index of the first entry that the replayed files still hold (or would hold next). */
  get first(): Index {
    return this.last + 1 - this.entries.length;
  }

  /** Applies a record; returns what is wrong with it, or null. */
  apply(record: WalRecord, sequence: number): string | null {
    if (record.kind === "segmentHeader") return this.#header(record.header, sequence);
    if (!this.#begun) return "the segment has no header";
    switch (record.kind) {
      case "entry": {
        const { index } = record.entry;
        if (index !== this.last + 1) return `entry ${index} where ${this.last + 1} was expected`;
        this.entries.push(record.entry);
        this.last = index;
        return null;
      }
      case "hardState":
        this.hardState = record.hardState;
        return null;
      case "truncate": {
        if (record.from > this.last) return `truncation from ${record.from} behind the end at ${this.last}`;
        // The truncation may reach into segments that a later snapshot has allowed to be deleted.
        this.entries.length = Math.max(0, record.from - this.first);
        this.last = record.from - 1;
        return null;
      }
      case "snapshotMark":
        this.snapshot = record.snapshot;
        if (record.reset) {
          this.entries = [];
          this.last = record.snapshot.index;
        }
        return null;
    }
  }

  #header(header: SegmentHeader, sequence: number): string | null {
    const { clusterId, nodeId } = this.#identity;
    if (header.clusterId !== clusterId) return "the segment belongs to another cluster";
    if (header.nodeId !== nodeId) return "the segment belongs to another member";
    if (header.sequence !== sequence) return `the segment says that it is number ${header.sequence}`;
    if (!this.#begun) {
      this.#begun = true;
      this.hardState = header.hardState;
      this.snapshot = header.snapshot;
      this.last = header.firstIndex - 1;
      return null;
    }
    if (header.firstIndex !== this.last + 1) return `the segment begins at ${header.firstIndex}`;
    return null;
  }
}
