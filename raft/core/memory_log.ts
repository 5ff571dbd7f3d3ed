/** A stored log in memory, for whoever carries out a RawNode's Readys by hand: scenarios and tests. */
import type { StoredLog } from "../node/ports.ts";
import { assert } from "./assert.ts";
import type { Entry, HardState, Index, Snapshot, Term } from "./types.ts";

/**
 * What a server has on its disk, as a value that is written step by step. A RawNode is made from it, and made anew from
 * it after a crash. Throws InvariantError for what would leave a gap.
 */
export class MemoryLog implements StoredLog {
  #hardState: HardState = { term: 0, vote: 0, commit: 0 };
  #snapshot: Snapshot | null = null;
  /** From firstIndex on. */
  #entries: Entry[] = [];

  /** With what `stored` holds. @default empty */
  constructor(stored?: StoredLog) {
    if (stored === undefined) return;
    this.#hardState = stored.hardState;
    this.#snapshot = stored.snapshot;
    this.append(stored.entries);
  }

  get hardState(): HardState {
    return this.#hardState;
  }

  get snapshot(): Snapshot | null {
    return this.#snapshot;
  }

  /** Those behind the snapshot. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  get empty(): boolean {
    return this.#hardState.term === 0 && this.#snapshot === null && this.#entries.length === 0;
  }

  get firstIndex(): Index {
    return (this.#snapshot?.index ?? 0) + 1;
  }

  get lastIndex(): Index {
    return this.firstIndex + this.#entries.length - 1;
  }

  /** The term of the entry at `index`, also of the last one that the snapshot covers; null when it is not known. */
  term(index: Index): Term | null {
    if (index === this.firstIndex - 1) return this.#snapshot?.term ?? 0;
    return this.#entries[index - this.firstIndex]?.term ?? null;
  }

  /** Writes entries in the place of whatever stands at the first one's index and behind it. */
  append(entries: readonly Entry[]): void {
    const fresh = entries.filter(({ index }) => index >= this.firstIndex);
    const first = fresh[0]?.index;
    if (first === undefined) return;
    assert(first <= this.lastIndex + 1, `gap in the stored log before ${first}`);
    this.#entries = [...this.#entries.slice(0, first - this.firstIndex), ...fresh];
  }

  /** A snapshot of the leader replaces the whole log. */
  applySnapshot(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#entries = [];
  }

  /** The own snapshot (RawNode.makeSnapshot) stands in for the entries that it covers. */
  compact(snapshot: Snapshot): void {
    assert(this.term(snapshot.index) === snapshot.term, `the stored log does not hold ${snapshot.index}`);
    this.#entries = this.#entries.slice(snapshot.index - this.firstIndex + 1);
    this.#snapshot = snapshot;
  }

  setHardState(hardState: HardState): void {
    this.#hardState = hardState;
  }
}
