/** LogStorage in memory: the twin for tests. Keeps what was appended; completes at once, or when told to. */
import type { Entry, HardState, Index, Snapshot } from "../core/types.ts";
import type { LogBatch, LogStorage, StoredLog } from "../node/ports.ts";

type Done = (error: Error | null) => void;

/** For tests, and for programs that need no durability: a member that restarts must come back under a new id. */
export class MemoryStorage implements LogStorage {
  /** While true, appended batches wait, as on a disk that hangs. */
  held = false;
  /** When set, every append fails with it. */
  failure: Error | null = null;
  /** What `shortOfSpace` says. */
  shortage: string | null = null;
  compactedTo: Index = 0;
  #now: () => number;
  #hardState: HardState = { term: 0, vote: 0, commit: 0 };
  #snapshot: Snapshot | null = null;
  #entries: Entry[] = [];
  #waiting: { batch: LogBatch; done: Done; sinceMs: number }[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  load(): StoredLog {
    const base = this.#snapshot?.index ?? 0;
    const entries = this.#entries.filter((entry) => entry.index > base);
    const empty = this.#hardState.term === 0 && entries.length === 0 && !this.#snapshot;
    return { hardState: this.#hardState, snapshot: this.#snapshot, entries, empty };
  }

  append(batch: LogBatch, done: Done): void {
    this.#waiting.push({ batch, done, sinceMs: this.#now() });
    if (!this.held) this.release();
  }

  /** Completes what waits. */
  release(): void {
    this.held = false;
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      if (!this.failure) this.#store(next.batch);
      next.done(this.failure);
      if (this.held) return;
    }
  }

  compact(index: Index): void {
    this.compactedTo = Math.max(this.compactedTo, index);
  }

  oldestPendingMs(): number {
    const oldest = this.#waiting[0];
    return oldest ? this.#now() - oldest.sinceMs : 0;
  }

  shortOfSpace(): string | null {
    return this.shortage;
  }

  /** What waits is lost, as in a crash. A new node may `load` again. */
  close(): void {
    this.#waiting = [];
  }

  #store(batch: LogBatch): void {
    if (batch.snapshot) {
      const { index, term } = batch.snapshot;
      const contained = this.#entries.some((entry) => entry.index === index && entry.term === term);
      this.#entries = contained ? this.#entries.filter((entry) => entry.index > index) : [];
      this.#snapshot = batch.snapshot;
    }
    for (const entry of batch.entries) {
      while ((this.#entries.at(-1)?.index ?? 0) >= entry.index) this.#entries.pop();
      this.#entries.push(entry);
    }
    if (batch.hardState) this.#hardState = batch.hardState;
  }
}
