/** LogStorage in memory, the twin for tests. Keeps what was appended; completes at once, or when told to. */
import { MemoryStoredLog } from "../core/memory_log.ts";
import type { Index } from "../core/types.ts";
import type { LogBatch, LogStorage, StoredLog } from "../node/ports.ts";

type Done = (error: Error | null) => void;

/**
 * Storage for tests, and for programs that need no durability: a member that restarts must come back under a
 * new id.
 */
export class MemoryStorage implements LogStorage {
  /** While true, appended batches wait, as on a disk that hangs. */
  held = false;
  /** Error with which every append fails, when set. */
  failure: Error | null = null;
  /** Answer of `shortOfSpace`. */
  shortage: string | null = null;
  compactedTo: Index = 0;
  #now: () => number;
  #log = new MemoryStoredLog();
  #waiting: { batch: LogBatch; done: Done; sinceMs: number }[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  load(): StoredLog {
    const { hardState, snapshot, entries, empty } = this.#log;
    return { hardState, snapshot, entries, empty };
  }

  append(batch: LogBatch, done: Done): void {
    this.#waiting.push({ batch, done, sinceMs: this.#now() });
    if (!this.held) this.release();
  }

  /** Completes the waiting batches. */
  release(): void {
    this.held = false;
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      if (!this.failure) this.#log.apply(next.batch);
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

  /** Loses the waiting batches, as in a crash. A new node may `load` again. */
  close(): void {
    this.#waiting = [];
  }
}
