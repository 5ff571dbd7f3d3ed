/**
 * A stored log in memory: for scenarios and tests that carry out a RawNode's Readys by hand, and the model of
 * a disk.
 */
import type { LogBatch, StoredLog } from "../node/ports.ts";
import { assert } from "./assert.ts";
import { decodeConfiguration } from "./configuration.ts";
import type { Entry, HardState, Index, NodeId, Snapshot, Term } from "./types.ts";

/**
 * The contents of a server's disk, written step by step. A RawNode is made from it, and made anew from it
 * after a crash. Throws InvariantError for a write that would leave a gap.
 */
export class MemoryStoredLog implements StoredLog {
  #hardState: HardState = { term: 0, vote: 0, commit: 0 };
  #snapshot: Snapshot | null = null;
  /** Entries from firstIndex on. */
  #entries: Entry[] = [];

  /** Begins with what `stored` holds. @default empty */
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

  /** Entries behind the snapshot. */
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

  /**
   * Term of the entry at `index`, also of the last one that the snapshot covers; null when it is not known.
   */
  term(index: Index): Term | null {
    if (index === this.firstIndex - 1) return this.#snapshot?.term ?? 0;
    return this.#entries[index - this.firstIndex]?.term ?? null;
  }

  /** Writes entries in place of those at the first one's index and behind it. */
  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const at = entry.index - this.firstIndex;
      if (at < 0) continue;
      assert(at <= this.#entries.length, `gap in the stored log before ${entry.index}`);
      this.#entries.length = at;
      this.#entries.push(entry);
    }
  }

  /** Replaces the whole log by a snapshot of the leader. */
  applySnapshot(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#entries = [];
  }

  /** Puts this server's own snapshot (RawNode.makeSnapshot) in place of the entries that it covers. */
  compact(snapshot: Snapshot): void {
    assert(this.term(snapshot.index) === snapshot.term, `the stored log does not hold ${snapshot.index}`);
    this.#entries = this.#entries.slice(snapshot.index - this.firstIndex + 1);
    this.#snapshot = snapshot;
  }

  setHardState(hardState: HardState): void {
    this.#hardState = hardState;
  }

  /** Takes a batch as a log on a disk does: a snapshot that the log is beyond changes nothing. */
  apply({ hardState, snapshot, entries }: LogBatch): void {
    if (snapshot !== null && snapshot.index >= this.firstIndex) {
      if (this.term(snapshot.index) === snapshot.term) this.compact(snapshot);
      else this.applySnapshot(snapshot);
    }
    this.append(entries);
    if (hardState !== null) this.#hardState = hardState;
  }

  /** Configurations with which the log begins or which it holds, by index. */
  configurations(): { readonly index: Index; readonly voters: readonly NodeId[] }[] {
    const snapshot = this.#snapshot;
    const first = snapshot === null ? [] : [{ index: snapshot.index, voters: snapshot.configuration.voters }];
    const later = this.#entries.filter(({ kind }) => kind === "config");
    return [
      ...first,
      ...later.map(({ index, data }) => ({ index, voters: decodeConfiguration(data).voters })),
    ];
  }

  /** Whether both hold the same promises of a member. */
  equals(other: MemoryStoredLog): boolean {
    const { term, vote } = this.#hardState;
    return term === other.hardState.term && vote === other.hardState.vote &&
      this.#snapshot?.index === other.snapshot?.index && this.#entries.length === other.entries.length &&
      this.#entries.every((entry, i) => same(entry, other.entries[i]!));
  }
}

function same(a: Entry, b: Entry): boolean {
  return a.index === b.index && a.term === b.term && a.kind === b.kind &&
    Buffer.compare(a.data, b.data) === 0;
}
