/** The contents of a log directory: what an opened log would give. Pure data with the rules of writing to it. */
import { decodeConfiguration } from "../core/configuration.ts";
import type { Entry, HardState, Index, NodeId, Snapshot, Term } from "../core/types.ts";
import type { LogBatch, StoredLog } from "../node/ports.ts";

const NO_HARD_STATE: HardState = { term: 0, vote: 0, commit: 0 };

export class LogImage {
  hardState: HardState = NO_HARD_STATE;
  snapshot: Snapshot | null = null;
  /** After the snapshot, without gaps. */
  private entries: Entry[] = [];

  static of({ hardState, snapshot, entries }: StoredLog): LogImage {
    const image = new LogImage();
    image.hardState = hardState;
    image.snapshot = snapshot;
    image.entries = entries.slice();
    return image;
  }

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

  /** That the log begins with or holds, by index. */
  configurations(): { readonly index: Index; readonly voters: readonly NodeId[] }[] {
    const { snapshot } = this;
    const first = snapshot === null ? [] : [{ index: snapshot.index, voters: snapshot.configuration.voters }];
    const later = this.entries.filter(({ kind }) => kind === "config");
    return [
      ...first,
      ...later.map(({ index, data }) => ({ index, voters: decodeConfiguration(data).voters })),
    ];
  }

  /** Nothing that a member may have promised differs. */
  equals(other: LogImage): boolean {
    const { term, vote } = this.hardState;
    return term === other.hardState.term && vote === other.hardState.vote &&
      this.snapshot?.index === other.snapshot?.index && this.entries.length === other.entries.length &&
      this.entries.every((entry, i) => same(entry, other.entries[i]!));
  }

  apply(batch: LogBatch): void {
    if (batch.snapshot !== null) this.applySnapshot(batch.snapshot);
    this.applyEntries(batch.entries);
    if (batch.hardState !== null) this.hardState = batch.hardState;
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

function same(a: Entry, b: Entry): boolean {
  return a.index === b.index && a.term === b.term && a.kind === b.kind &&
    Buffer.compare(a.data, b.data) === 0;
}
