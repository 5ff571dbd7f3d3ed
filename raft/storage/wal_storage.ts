/**
 * LogStorage on the write-ahead log: turns batches into records, and all batches that come during a write
 * into one next write with one fdatasync. A WriteBackend writes: a Worker, or this very thread.
 */
import type { BrokenRule } from "../core/broken_rules.ts";
import { encodeSnapshotFile } from "./snapshot_format.ts";
import { TermRuns } from "./term_runs.ts";
import { encodeUnsealed, type WalRecord } from "./wal_format.ts";
import type { LogIdentity } from "./replay.ts";
import type { Shortage } from "./space.ts";
import type { WriteJob } from "./wal_writer.ts";
import type { Entry, HardState, Index, Snapshot } from "../core/types.ts";
import type { LogBatch, LogStorage, StoredLog } from "../node/ports.ts";

export interface WriteBackend {
  /**
   * Writes a job, one at a time. `done` may be called before `submit` returns; on a full disk, when there is
   * room again.
   */
  submit(job: WriteJob, done: (error: Error | null) => void): void;
  /**
   * Looks at the room on the disk, and retries what waits for it. An error ends the backend, as a write's
   * error does.
   */
  checkSpace(told: (found: Shortage | Error | null) => void): void;
  /** Closes the files; `closed` is called when none is touched any more. */
  close(closed: () => void): void;
}

/** Simulator only: ways to break the storage, which prove that the simulator would notice. */
export type BrokenStorage = Extract<BrokenRule, "ack-before-fsync" | "vote-not-persisted">;

export interface WalStorageOptions {
  readonly identity: LogIdentity;
  readonly backend: WriteBackend;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
  readonly broken?: BrokenStorage;
  /** Name of the directory, for messages. @default "the log" */
  readonly where?: string;
  /** Instance of the directory, see `instance`. @default 0 */
  readonly instance?: number;
  /** Told how long each write took that had to be durable. @default not told */
  readonly onSynced?: (tookMs: number) => void;
  /** Called with the error that ends this storage, before the callers are told. */
  readonly onFailure?: (error: Error) => void;
}

/** Interval of looks at the room on the disk; the next one holds while there is too little. */
const SPACE_EVERY_MS = 5000;
const SHORT_SPACE_EVERY_MS = 1000;

type Done = (error: Error | null) => void;

interface Pending {
  readonly batch: EncodedBatch;
  readonly done: Done;
  readonly sinceMs: number;
}

interface EncodedBatch {
  readonly records: Uint8Array;
  readonly snapshot: { readonly index: Index; readonly file: Uint8Array } | null;
  readonly sync: boolean;
}

/** Log of `openWal`. After a failed write every `append` fails with the same error. */
export class WalStorage implements LogStorage {
  /**
   * Random 48 bits made with the directory, which distinguish it from another one in its place. For
   * RaftNodeOptions.
   */
  readonly instance: number;
  #stored: StoredLog | null;
  #options: WalStorageOptions;
  #terms: TermRuns;
  #hardState: HardState;
  #waiting: Pending[] = [];
  #writing: Pending[] = [];
  #busy = false;
  #compactTo: Index = 0;
  #shortage: Shortage | null = null;
  #spaceSeenMs = -Infinity;
  #lookingAtSpace = false;
  #failed: Error | null = null;
  #closed = false;
  /** Callbacks of `close`; null: the files are closed. */
  #onClosed: (() => void)[] | null = [];

  constructor(stored: StoredLog, options: WalStorageOptions) {
    this.instance = options.instance ?? 0;
    this.#stored = stored;
    this.#options = options;
    this.#hardState = stored.hardState;
    this.#terms = new TermRuns(stored.snapshot ?? { index: 0, term: 0 });
    for (const entry of stored.entries) this.#terms.push(entry);
  }

  load(): StoredLog {
    if (!this.#stored) throw new Error("the log was loaded already");
    const stored = this.#stored;
    this.#stored = null;
    return stored;
  }

  append(batch: LogBatch, done: Done): void {
    if (this.#closed) return;
    if (this.#failed) return done(this.#failed);
    const { broken } = this.#options;
    const encoded = this.#encode(broken === "vote-not-persisted" ? { ...batch, hardState: null } : batch);
    const early = broken === "ack-before-fsync";
    const pending: Pending = { batch: encoded, done: early ? () => {} : done, sinceMs: this.#options.now() };
    this.#waiting.push(pending);
    this.#flush();
    if (early) done(null);
  }

  compact(index: Index): void {
    this.#compactTo = Math.max(this.#compactTo, index);
    this.#terms.compact(index);
  }

  oldestPendingMs(): number {
    const oldest = this.#writing[0] ?? this.#waiting[0];
    return oldest ? Math.max(0, this.#options.now() - oldest.sinceMs) : 0;
  }

  /**
   * Returns what is known of the room on the disk. Has to be called again and again, because it asks for the
   * room only now and then.
   */
  shortOfSpace(): string | null {
    const nowMs = this.#options.now();
    const everyMs = this.#shortage ? SHORT_SPACE_EVERY_MS : SPACE_EVERY_MS;
    if (!this.#lookingAtSpace && !this.#closed && !this.#failed && nowMs - this.#spaceSeenMs >= everyMs) {
      this.#lookingAtSpace = true;
      this.#spaceSeenMs = nowMs;
      this.#options.backend.checkSpace((found) => {
        this.#lookingAtSpace = false;
        // A member that is short of space takes no commands, and would never learn of room by a write.
        this.#shortage = found instanceof Error ? null : found;
        if (found instanceof Error) this.#fail(found);
      });
    }
    return this.#shortage && describe(this.#shortage, this.#options.where ?? "the log");
  }

  /**
   * Closes the log: it calls nothing back any more, and what was not durable yet may be lost. `closed` is
   * called when no file is open any more, and the directory may be opened again. May be called again with
   * another `closed`.
   */
  close(closed: () => void = () => {}): void {
    if (!this.#onClosed) return closed();
    this.#onClosed.push(closed);
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting = [];
    this.#writing = [];
    this.#options.backend.close(() => {
      const waiting = this.#onClosed ?? [];
      this.#onClosed = null;
      for (const each of waiting) each();
    });
  }

  #encode(batch: LogBatch): EncodedBatch {
    const records: WalRecord[] = [];
    let sync = false;
    if (batch.snapshot) {
      records.push(this.#markOf(batch.snapshot));
      sync = true;
    }
    for (const entry of batch.entries) {
      this.#place(entry, records);
      sync = true;
    }
    if (batch.hardState) {
      const { term, vote } = batch.hardState;
      if (term !== this.#hardState.term || vote !== this.#hardState.vote) sync = true;
      this.#hardState = batch.hardState;
      records.push({ kind: "hardState", hardState: batch.hardState });
    }
    const { identity } = this.#options;
    const snapshot = batch.snapshot && {
      index: batch.snapshot.index,
      file: encodeSnapshotFile(batch.snapshot, identity.clusterId, identity.nodeId),
    };
    return { records: encodeUnsealed(records), snapshot, sync: sync && batch.sync };
  }

  #markOf({ index, term }: Snapshot): WalRecord {
    const reset = !this.#terms.has(index, term);
    if (reset) this.#terms = new TermRuns({ index, term });
    return { kind: "snapshotMark", snapshot: { index, term }, reset };
  }

  #place(entry: Entry, records: WalRecord[]): void {
    if (entry.index <= this.#terms.last) {
      this.#terms.truncate(entry.index);
      records.push({ kind: "truncate", from: entry.index });
    }
    this.#terms.push(entry);
    records.push({ kind: "entry", entry });
  }

  #flush(): void {
    // This is a loop and not a recursion: an inline backend completes before `submit` returns.
    while (!this.#busy && this.#waiting.length > 0 && !this.#closed && !this.#failed) {
      this.#busy = true;
      this.#writing = this.#waiting;
      this.#waiting = [];
      const job = jobOf(this.#writing, this.#compactTo);
      const { now, onSynced } = this.#options;
      const sinceMs = now();
      this.#options.backend.submit(job, (error) => {
        if (job.sync && error === null && !this.#closed) onSynced?.(now() - sinceMs);
        this.#written(error);
      });
    }
  }

  #fail(error: Error): void {
    if (this.#failed) return;
    this.#failed = error;
    this.#options.onFailure?.(error);
  }

  #written(error: Error | null): void {
    if (this.#closed) return;
    const finished = this.#writing;
    this.#writing = [];
    this.#busy = false;
    if (error) {
      finished.push(...this.#waiting);
      this.#waiting = [];
      this.#fail(error);
    }
    for (const pending of finished) {
      if (this.#closed) return;
      pending.done(error);
    }
    this.#flush();
  }
}

function describe({ freeBytes, blocked }: Shortage, where: string): string {
  const free = `${(freeBytes / 1024 / 1024).toFixed(1)} MiB`;
  const state = blocked ? "and a write waits for room" : "and the space kept back is in use or soon will be";
  return `the disk of the raft log in ${where} is full: ${free} are free, ${state}. Make room on that filesystem`;
}

function jobOf(pending: readonly Pending[], compactTo: Index): WriteJob {
  const batches = pending.map((p) => p.batch);
  let total = 0;
  for (const { records } of batches) total += records.length;
  const records = new Uint8Array(total);
  let offset = 0;
  for (const batch of batches) {
    records.set(batch.records, offset);
    offset += batch.records.length;
  }
  return {
    snapshots: batches.flatMap((b) => b.snapshot ?? []),
    records,
    sync: batches.some((b) => b.sync),
    compactTo,
  };
}
