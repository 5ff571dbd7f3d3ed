/** LogStorage in memory: the twin for tests. Keeps what was appended; completes at once, or when told to. */
import { MemoryLog } from "../core/memory_log.ts";
import type { Index } from "../core/types.ts";
import type { LogBatch, LogStorage, StoredLog } from "../node/ports.ts";

type Done = (error: Error | null) => void;

/**
 * For tests, and for programs that need no durability: a member that restarts must come back under a new id.
 */
export class MemoryStorage implements LogStorage {
  /** While true, appended batches wait, as on a disk that hangs. */
  held = false;
  /** When set, every append fails with it. */
  failure: Error | null = null;
  /** What `shortOfSpace` says. */
  shortage: string | null = null;
  compactedTo: Index = 0;
  #now: () => number;
  #log = new MemoryLog();
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

  /** Completes what waits. */
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

  /** What waits is lost, as in a crash. A new node may `load` again. */
  close(): void {
    this.#waiting = [];
  }
}
