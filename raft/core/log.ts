/**
 * The replicated log of one member: every entry since the compaction point in memory, and how far the log is
 * durable, committed and applied. Reads and writes no disk: `offer` hands out what must be written, and
 * `written` is told when it is durable.
 *
 * Invariants: applied <= applying <= committed <= lastIndex; nothing at or below `committed` is ever
 * replaced; the configuration in force is a function of the entries (see configuration.ts).
 */
import type { StoredLog } from "../node/ports.ts";
import { assert, assertCount, InvariantError } from "./assert.ts";
import { decodeConfiguration } from "./configuration.ts";
import { entryBytes, sumOfEntryBytes } from "./message.ts";
import type { Configuration, Entry, Index, Snapshot, Term } from "./types.ts";

/** Mark of one hand-over to the disk; it comes back through `written` when everything up to it is durable. */
export interface WriteMark {
  /** Last index that was handed over and has not been replaced since. */
  upTo: Index;
  readonly snapshot: Snapshot | null;
}

/** Place in the log; term 0 when it is not known. */
export interface Position {
  readonly index: Index;
  readonly term: Term;
}

interface ConfigurationAt {
  readonly index: Index;
  readonly configuration: Configuration;
}

export class RaftLog {
  /** Last position that is no longer in memory, and the configuration there. */
  #base: Position & { readonly configuration: Configuration };
  /** Entries from #base.index + 1 on, without gaps. */
  #entries: Entry[];
  /** Index of the configurations among #entries, ascending; rebuilt with them. */
  #configurations: ConfigurationAt[] = [];
  /** Newest snapshot, for members that need entries which are gone. */
  #snapshot: Snapshot | null;

  #committed: Index;
  #applying: Index;
  #applied: Index;
  #applyingBytes = 0;
  #applyPaused = false;

  /** Last index that is durable here, and equal to what is in memory. */
  #stable: Index;
  /** Last index that was handed over to be written. */
  #offered: Index;
  /** Received snapshot that is not yet written and restored. */
  #received: Snapshot | null = null;
  #receivedOffered = false;
  #marks: WriteMark[] = [];

  constructor(stored: StoredLog, initial: Configuration) {
    const { snapshot, entries, hardState } = stored;
    this.#snapshot = snapshot;
    this.#base = snapshot === null ? { index: 0, term: 0, configuration: initial } : {
      index: snapshot.index,
      term: snapshot.term,
      configuration: snapshot.configuration,
    };
    this.#entries = [];
    this.#committed = this.#base.index;
    this.#append(entries);
    // The commit index in the hard state records what was promised. A log that ends before it has lost
    // entries that the cluster counts on; going on would help to overwrite them elsewhere.
    assert(
      hardState.commit <= this.lastIndex,
      `the stored log ends at ${this.lastIndex} but ${hardState.commit} was committed`,
    );
    this.#committed = Math.max(hardState.commit, this.#base.index);
    this.#applying = this.#applied = this.#base.index;
    this.#stable = this.#offered = this.lastIndex;
  }

  get firstIndex(): Index {
    return this.#base.index + 1;
  }

  get lastIndex(): Index {
    return this.#base.index + this.#entries.length;
  }

  get lastTerm(): Term {
    return this.#entries.at(-1)?.term ?? this.#base.term;
  }

  get committed(): Index {
    return this.#committed;
  }

  get applied(): Index {
    return this.#applied;
  }

  get stable(): Index {
    return this.#stable;
  }

  get snapshot(): Snapshot | null {
    return this.#snapshot;
  }

  /** Configuration in force: that of the last config entry, committed or not. */
  get configuration(): Configuration {
    return this.#configurations.at(-1)?.configuration ?? this.#base.configuration;
  }

  /**
   * Index of the entry that brought the configuration in force; 0 when it is older than the log in memory.
   */
  get configurationIndex(): Index {
    return this.#configurations.at(-1)?.index ?? 0;
  }

  /** Whether a received snapshot waits to be written and restored. */
  get awaitsSnapshot(): boolean {
    return this.#received !== null;
  }

  /** Configuration that was in force when `index` was the last entry. */
  configurationAt(index: Index): Configuration {
    assert(index >= this.#base.index && index <= this.lastIndex, `no configuration known at ${index}`);
    const found = this.#configurations.findLast((at) => at.index <= index);
    return found?.configuration ?? this.#base.configuration;
  }

  /** Term of the entry at `index`; null when the log does not know it (compacted, or not there). */
  term(index: Index): Term | null {
    if (index === this.#base.index) return this.#base.term;
    return this.#entries[index - this.#base.index - 1]?.term ?? null;
  }

  /**
   * Whether the entry at `index` has `term`: then both logs are equal up to there (log matching, paper 5.3).
   */
  matches(index: Index, term: Term): boolean {
    return this.term(index) === term;
  }

  /** Whether a log that ends at `last` holds at least what this one does (paper 5.4.1). */
  isUpToDate(last: Position): boolean {
    return last.term > this.lastTerm || (last.term === this.lastTerm && last.index >= this.lastIndex);
  }

  /**
   * Last place at or below `index` whose term is at most `term`. Terms never decrease along a log, so another
   * log whose term at `index` is `term` cannot agree with this one anywhere above: whole terms are skipped at
   * once.
   */
  findConflictByTerm(index: Index, term: Term): Position {
    for (let at = index; at > 0; at--) {
      const ours = this.term(at);
      if (ours === null) return { index: at, term: 0 };
      if (ours <= term) return { index: at, term: ours };
    }
    return { index: 0, term: 0 };
  }

  /** Entries from `from` on: at least one if there is one, otherwise no more than `maxBytes`. */
  slice(from: Index, maxBytes: number, to: Index = this.lastIndex): Entry[] {
    assert(from >= this.firstIndex, `entry ${from} is compacted`);
    const start = from - this.firstIndex;
    const end = to - this.#base.index;
    let bytes = 0;
    let at = start;
    while (at < end) {
      bytes += entryBytes(this.#entries[at]!);
      if (bytes > maxBytes && at > start) break;
      at++;
    }
    return this.#entries.slice(start, at);
  }

  /** Appends a leader's own entries. */
  append(entries: readonly Entry[]): void {
    assert(entries.length === 0 || entries[0]!.index === this.lastIndex + 1, "a leader only appends");
    this.#append(entries);
  }

  /**
   * Takes over entries that follow `previous`. Returns the last index that the sender spoke of, or null when
   * this log does not hold `previous`.
   */
  tryAppend(previous: Position, entries: readonly Entry[], commit: Index): Index | null {
    if (!this.matches(previous.index, previous.term)) return null;
    // Only a real conflict truncates. A delayed message may be older and shorter than what was acknowledged
    // since; cutting behind it would take back an acknowledgement that a leader has counted.
    const fresh = entries.findIndex((entry) => !this.matches(entry.index, entry.term));
    if (fresh !== -1) this.#append(entries.slice(fresh));
    const lastNew = previous.index + entries.length;
    // Beyond lastNew this log may still differ from the leader's.
    this.commitTo(Math.min(commit, lastNew));
    return lastNew;
  }

  commitTo(index: Index): void {
    assertCount(index, "commit index");
    if (index <= this.#committed) return;
    assert(index <= this.lastIndex, `commit ${index} lies beyond the end of the log ${this.lastIndex}`);
    this.#committed = index;
  }

  /** Replaces the log by a received snapshot of committed state. */
  restore(snapshot: Snapshot): void {
    assert(snapshot.index > this.#committed, "a snapshot must not take back committed entries");
    this.#base = { index: snapshot.index, term: snapshot.term, configuration: snapshot.configuration };
    this.#entries = [];
    this.#configurations = [];
    this.#snapshot = this.#received = snapshot;
    this.#receivedOffered = false;
    this.#committed = snapshot.index;
    this.#stable = this.#offered = snapshot.index;
    this.#limitMarks(snapshot.index);
  }

  /**
   * Index up to which the log is compacted behind a snapshot at `index`. At most `keepEntries` entries before
   * it are kept, and at most `keepBytes` of them: a few large ones must not fill the disk.
   */
  compactionPoint(index: Index, keepEntries: number, keepBytes: number): Index {
    let upTo = index;
    let bytes = 0;
    while (upTo >= this.firstIndex && index - upTo < keepEntries) {
      bytes += entryBytes(this.#entries[upTo - this.firstIndex]!);
      if (bytes > keepBytes) break;
      upTo--;
    }
    return upTo;
  }

  /** Forgets entries up to `upTo`; `snapshot` stands in for them, for members that still need them. */
  compact(snapshot: Snapshot, upTo: Index): void {
    assert(snapshot.index <= this.#applied, "a snapshot covers only what is applied");
    assert(upTo <= snapshot.index, "entries behind a snapshot are kept");
    if (this.#snapshot === null || snapshot.index > this.#snapshot.index) this.#snapshot = snapshot;
    if (upTo <= this.#base.index) return;
    const term = this.term(upTo);
    assert(term !== null, `compaction at ${upTo}, which the log does not hold`);
    const configuration = this.configurationAt(upTo);
    this.#entries = this.#entries.slice(upTo - this.#base.index);
    this.#configurations = this.#configurations.filter((at) => at.index > upTo);
    this.#base = { index: upTo, term, configuration };
  }

  // --- what the disk must do ---

  get hasUnoffered(): boolean {
    return this.#offered < this.lastIndex || (this.#received !== null && !this.#receivedOffered);
  }

  unofferedEntries(): Entry[] {
    return this.#entries.slice(this.#offered - this.#base.index);
  }

  unofferedSnapshot(): Snapshot | null {
    return this.#receivedOffered ? null : this.#received;
  }

  /** Hands over everything that is to be written, in the order of the calls. */
  offer(): WriteMark {
    const mark = { upTo: this.lastIndex, snapshot: this.unofferedSnapshot() };
    this.#offered = this.lastIndex;
    if (this.#received !== null) this.#receivedOffered = true;
    this.#marks.push(mark);
    return mark;
  }

  /** Notes that what was handed over with `mark` is durable, and its snapshot restored. */
  written(mark: WriteMark): void {
    const oldest = this.#marks.shift();
    assert(oldest === mark, "writes become durable in the order in which they were handed out");
    this.#stable = Math.max(this.#stable, mark.upTo);
    if (mark.snapshot === null) return;
    this.#applied = Math.max(this.#applied, mark.snapshot.index);
    this.#applying = Math.max(this.#applying, this.#applied);
    if (this.#received === mark.snapshot) {
      this.#received = null;
      this.#receivedOffered = false;
    }
  }

  // --- what the state machine must do ---

  /** Committed entries to apply next. `durableOnly`: only those that are durable here. */
  nextCommitted(maxBytes: number, durableOnly: boolean): Entry[] {
    // Entries behind a received snapshot make sense only when it is restored.
    if (this.awaitsSnapshot || this.#applyPaused) return [];
    const to = this.#appliable(durableOnly);
    if (to <= this.#applying) return [];
    return this.slice(this.#applying + 1, Math.max(0, maxBytes - this.#applyingBytes), to);
  }

  /** Whether nextCommitted would return something; builds nothing. */
  hasNextCommitted(durableOnly: boolean): boolean {
    if (this.awaitsSnapshot || this.#applyPaused) return false;
    return this.#appliable(durableOnly) > this.#applying;
  }

  /** Notes that `entries`, from nextCommitted, were handed over to be applied. */
  acceptCommitted(entries: readonly Entry[], maxBytes: number, durableOnly: boolean): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    this.#applying = last.index;
    this.#applyingBytes += sumOfEntryBytes(entries);
    // Entries that did not fit wait for an acknowledgement, even when the next one would be small enough by
    // itself.
    this.#applyPaused = this.#applyingBytes >= maxBytes || last.index < this.#appliable(durableOnly);
  }

  /** Notes that `entries` are applied. */
  appliedEntries(entries: readonly Entry[]): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    assert(last.index <= this.#committed, "an uncommitted entry was applied");
    this.#applied = Math.max(this.#applied, last.index);
    this.#applyingBytes -= sumOfEntryBytes(entries);
    this.#applyPaused = false;
  }

  #appliable(durableOnly: boolean): Index {
    return durableOnly ? Math.min(this.#committed, this.#stable) : this.#committed;
  }

  #append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(
      first.index > this.#committed,
      `entry ${first.index} would replace a committed one (${this.#committed})`,
    );
    assert(first.index <= this.lastIndex + 1, `gap in the log before ${first.index}`);
    if (first.index <= this.lastIndex) this.#truncate(first.index);
    for (const entry of entries) {
      assert(
        entry.index === this.lastIndex + 1 && entry.term >= this.lastTerm && entry.term > 0,
        `entry ${entry.index} of term ${entry.term} does not follow ${this.lastIndex} of ${this.lastTerm}`,
      );
      assertCount(entry.term, "term of an entry");
      this.#entries.push(entry);
      if (entry.kind === "config") {
        this.#configurations.push({ index: entry.index, configuration: decodeConfiguration(entry.data) });
      }
    }
  }

  /** Drops everything from `from` on, with the configurations that it brought. */
  #truncate(from: Index): void {
    if (from < this.firstIndex) throw new InvariantError(`truncation at ${from}, which is compacted`);
    this.#entries.length = from - this.firstIndex;
    this.#configurations = this.#configurations.filter((at) => at.index < from);
    this.#stable = Math.min(this.#stable, from - 1);
    this.#offered = Math.min(this.#offered, from - 1);
    this.#limitMarks(from - 1);
  }

  /**
   * Limits what pending writes will prove. They hold entries that were replaced after they were handed over.
   * The end of such a write says nothing about the entries that now stand there, even if those are equal
   * again: a later pending write may hold the others (ABA).
   */
  #limitMarks(upTo: Index): void {
    for (const mark of this.#marks) mark.upTo = Math.min(mark.upTo, upTo);
  }
}
