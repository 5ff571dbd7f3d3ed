/** Terms of the log's indexes, as runs: enough to know whether a snapshot's last entry is in the log. */
import type { Entry, Index, Term } from "../core/types.ts";

export class TermRuns {
  /** Runs, ascending by `from`; each reaches to the next one or to `last`. */
  #runs: { from: Index; term: Term }[] = [];
  last: Index;

  /** Begins behind `base`, the snapshot on which the log stands. */
  constructor(base: { readonly index: Index; readonly term: Term }) {
    this.last = base.index;
    this.#runs.push({ from: base.index, term: base.term });
  }

  push(entry: Entry): void {
    if (entry.index !== this.last + 1) throw new Error(`entry ${entry.index} behind ${this.last}`);
    this.last = entry.index;
    if (this.#runs.at(-1)?.term !== entry.term) this.#runs.push({ from: entry.index, term: entry.term });
  }

  truncate(from: Index): void {
    this.last = from - 1;
    while (this.#runs.length > 1 && this.#runs.at(-1)!.from >= from) this.#runs.pop();
  }

  /** True when the log has an entry of this index and term, so that the entries behind it may stay. */
  has(index: Index, term: Term): boolean {
    if (index > this.last) return false;
    return this.#runs.findLast((run) => run.from <= index)?.term === term;
  }

  /** Forgets runs that end before `index`. */
  compact(index: Index): void {
    while (this.#runs.length > 1 && this.#runs[1]!.from <= index) this.#runs.shift();
  }
}
