/** The contents of a log directory: what an opened log would give. Pure data with the rules of writing to it. */
import type { Entry, HardState, Index, Snapshot, Term } from "../core/types.ts";
import type { LogBatch, StoredLog } from "../node/ports.ts";
import type { Prng } from "./prng.ts";

const NO_HARD_STATE: HardState = { term: 0, vote: 0, commit: 0 };

export class LogImage {
  hardState: HardState = NO_HARD_STATE;
  snapshot: Snapshot | null = null;
  /** After the snapshot, without gaps. */
  private entries: Entry[] = [];
  private written = false;

  get lastIndex(): Index {
    const last = this.entries[this.entries.length - 1];
    return last?.index ?? this.snapshot?.index ?? 0;
  }

  /** 0 up to the snapshot's index, null where there is nothing. */
  termAt(index: Index): Term | null {
    if (index <= (this.snapshot?.index ?? 0)) return 0;
    const first = this.entries[0];
    return first === undefined ? null : this.entries[index - first.index]?.term ?? null;
  }

  load(): StoredLog {
    return {
      hardState: this.hardState,
      snapshot: this.snapshot,
      entries: this.entries.slice(),
      empty: !this.written,
    };
  }

  apply(batch: LogBatch): void {
    this.written = true;
    if (batch.snapshot !== null) this.applySnapshot(batch.snapshot);
    this.applyEntries(batch.entries);
    if (batch.hardState !== null) this.hardState = batch.hardState;
  }

  /** A part of the batch, in the order in which it is written: snapshot, entries, hard state. */
  applyTorn(batch: LogBatch, random: Prng): void {
    if (batch.snapshot !== null) {
      if (random.chance(0.5)) return;
      this.written = true;
      this.applySnapshot(batch.snapshot);
    }
    const kept = batch.entries.slice(0, random.below(batch.entries.length + 1));
    if (kept.length > 0) this.written = true;
    this.applyEntries(kept);
  }

  private applySnapshot(snapshot: Snapshot): void {
    const covered = snapshot.index <= (this.snapshot?.index ?? 0);
    if (covered) return;
    // The log goes on behind a snapshot of itself; one of another history replaces it.
    const continues = this.termAt(snapshot.index) === snapshot.term;
    this.entries = continues ? this.entries.filter((entry) => entry.index > snapshot.index) : [];
    this.snapshot = snapshot;
  }

  private applyEntries(entries: readonly Entry[]): void {
    const start = this.snapshot?.index ?? 0;
    for (const entry of entries) {
      if (entry.index <= start) continue;
      const at = entry.index - start - 1;
      if (at > this.entries.length) {
        throw new Error(`gap in the log: entry ${entry.index} after ${this.lastIndex}`);
      }
      this.entries.length = at;
      this.entries.push(entry);
    }
  }
}
