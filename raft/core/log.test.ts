import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { encodeConfiguration, makeConfiguration } from "./configuration.ts";
import { RaftLog } from "./log.ts";
import { entryBytes } from "./message.ts";
import { bytesOf, entriesOf, storedLog, storedTerms } from "./testing.ts";
import type { Configuration, Entry, Index, Snapshot, Term } from "./types.ts";

const THREE = makeConfiguration([1, 2, 3]);
const FOUR = makeConfiguration([1, 2, 3, 4]);
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

function logOf(terms: readonly Term[], commit = 0): RaftLog {
  return new RaftLog(storedTerms(terms, { commit }), THREE);
}

function termsOf(log: RaftLog): (Term | null)[] {
  return Array.from({ length: log.lastIndex }, (_, at) => log.term(at + 1));
}

function configEntry(index: Index, term: Term, configuration: Configuration): Entry {
  return { index, term, kind: "config", data: encodeConfiguration(configuration) };
}

function snapshotAt(index: Index, term: Term, configuration = THREE): Snapshot {
  return { index, term, configuration, data: bytesOf("state") };
}

/** Terms of a log: positive, never decreasing. */
const logTerms = fc.array(fc.nat(2), { maxLength: 12 }).map((steps) => {
  let term = 1;
  return steps.map((step) => term += step);
});

test("compaction keeps so many entries behind a snapshot, and no more of them than so many bytes", () => {
  const log = logOf([1, 1, 1, 1, 1], 5);
  const each = entryBytes(log.slice(5, 1)[0]!);
  expect(log.compactionPoint(5, 3, NO_LIMIT)).toBe(2);
  expect(log.compactionPoint(4, 3, NO_LIMIT)).toBe(1);
  expect(log.compactionPoint(5, 0, NO_LIMIT)).toBe(5);
  expect(log.compactionPoint(5, 100, NO_LIMIT)).toBe(0);
  expect(log.compactionPoint(5, 3, 2 * each)).toBe(3);
  expect(log.compactionPoint(5, 3, 2 * each - 1)).toBe(4);
  expect(log.compactionPoint(5, 3, 0)).toBe(5);
  log.appliedEntries(log.nextCommitted(NO_LIMIT, false));
  log.compact(snapshotAt(5, 1), 3);
  expect(log.compactionPoint(5, 100, NO_LIMIT)).toBe(3);
});

describe("taking over a leader's entries", () => {
  test("B9: a delayed, shorter message takes nothing back", () => {
    const log = logOf([1, 1, 1, 1]);
    expect(log.tryAppend({ index: 0, term: 0 }, entriesOf([1, 1]), 0)).toBe(2);
    expect(termsOf(log)).toEqual([1, 1, 1, 1]);
    expect(log.hasUnoffered).toBe(false);
  });

  test("a conflict replaces the entry and everything behind it", () => {
    const log = logOf([1, 1, 2, 2]);
    expect(log.tryAppend({ index: 1, term: 1 }, entriesOf([1, 3], 2), 0)).toBe(3);
    expect(termsOf(log)).toEqual([1, 1, 3]);
    expect(log.unofferedEntries().map(({ index }) => index)).toEqual([3]);
  });

  test("entries that do not follow are refused and change nothing", () => {
    const log = logOf([1, 1]);
    expect(log.tryAppend({ index: 2, term: 2 }, entriesOf([2], 3), 3)).toBeNull();
    expect(log.tryAppend({ index: 3, term: 1 }, entriesOf([1], 4), 4)).toBeNull();
    expect(termsOf(log)).toEqual([1, 1]);
    expect(log.committed).toBe(0);
  });

  test("only what the message spoke of is committed: behind it our log may be another's", () => {
    const log = logOf([1, 1, 1, 1]);
    log.tryAppend({ index: 0, term: 0 }, entriesOf([1, 1]), 4);
    expect(log.committed).toBe(2);
  });

  test("a committed entry is never replaced", () => {
    const log = logOf([1, 1, 1], 2);
    expect(() => log.tryAppend({ index: 1, term: 1 }, entriesOf([2], 2), 0)).toThrow(
      "replace a committed one",
    );
  });

  test("the result is the leader's log up to the message's end, or our own where it was longer and equal", () => {
    fc.assert(fc.property(logTerms, logTerms, fc.nat(12), fc.nat(12), (ours, theirs, from, count) => {
      const log = logOf(ours);
      const start = Math.min(from, theirs.length);
      const entries = entriesOf(theirs.slice(start, start + count), start + 1);
      const fits = start === 0 || ours[start - 1] === theirs[start - 1];
      const lastNew = log.tryAppend({ index: start, term: theirs[start - 1] ?? 0 }, entries, 0);
      if (!fits) {
        expect(lastNew).toBeNull();
        expect(termsOf(log)).toEqual([...ours]);
        return;
      }
      const end = start + entries.length;
      const agrees = entries.every((entry) => ours[entry.index - 1] === entry.term);
      const tail = agrees ? ours.slice(end) : [];
      expect(lastNew).toBe(end);
      expect(termsOf(log)).toEqual([...ours.slice(0, start), ...theirs.slice(start, end), ...tail]);
    }));
  });
});

describe("searching for the place where logs agree", () => {
  test("finds the last place at or below the index whose term is at most the given one", () => {
    fc.assert(fc.property(logTerms, fc.nat(12), fc.nat(30), (terms, from, term) => {
      const log = logOf(terms);
      const index = Math.min(from, terms.length);
      let expected = index;
      while (expected > 0 && terms[expected - 1]! > term) expected--;
      expect(log.findConflictByTerm(index, term)).toEqual({
        index: expected,
        term: terms[expected - 1] ?? 0,
      });
    }));
  });

  test("stops where the log is compacted", () => {
    const log = logOf([1, 1, 5, 5, 5], 5);
    log.appliedEntries(log.nextCommitted(NO_LIMIT, false));
    log.compact(snapshotAt(4, 5), 4);
    expect(log.findConflictByTerm(5, 2)).toEqual({ index: 3, term: 0 });
  });
});

describe("up to date", () => {
  test("a later last term wins, then the longer log", () => {
    const log = logOf([1, 2, 2]);
    for (
      const [term, index, expected] of [[3, 1, true], [2, 3, true], [2, 4, true], [2, 2, false], [
        1,
        9,
        false,
      ]]
    ) {
      expect(log.isUpToDate({ term: term as Term, index: index as Index })).toBe(expected as boolean);
    }
  });
});

describe("configuration", () => {
  test("is that of the last config entry, from the moment it is appended", () => {
    const log = logOf([1]);
    expect(log.configuration).toEqual(THREE);
    log.append([configEntry(2, 1, FOUR)]);
    expect(log.configuration).toEqual(FOUR);
    expect(log.configurationIndex).toBe(2);
    expect(log.configurationAt(1)).toEqual(THREE);
  });

  test("B6: returns to the former one when its entry is truncated", () => {
    const log = logOf([1]);
    log.append([configEntry(2, 1, FOUR)]);
    log.tryAppend({ index: 1, term: 1 }, entriesOf([2], 2), 0);
    expect(log.configuration).toEqual(THREE);
  });

  test("B6: survives a restart, committed or not", () => {
    const entries = [...entriesOf([1]), configEntry(2, 1, FOUR)];
    const log = new RaftLog(storedLog({ entries }), THREE);
    expect(log.configuration).toEqual(FOUR);
  });

  test("survives compaction, and comes with a snapshot", () => {
    const stored = storedLog({
      entries: [configEntry(1, 1, FOUR), ...entriesOf([1, 1], 2)],
      hardState: { term: 1, vote: 0, commit: 3 },
    });
    const log = new RaftLog(stored, THREE);
    log.appliedEntries(log.nextCommitted(NO_LIMIT, false));
    log.compact(snapshotAt(3, 1, FOUR), 2);
    expect(log.firstIndex).toBe(3);
    expect(log.configuration).toEqual(FOUR);
    log.restore(snapshotAt(9, 4, THREE));
    expect(log.configuration).toEqual(THREE);
    const restarted = new RaftLog(storedLog({ snapshot: snapshotAt(9, 4, FOUR) }), THREE);
    expect(restarted.configuration).toEqual(FOUR);
  });
});

describe("what the disk holds", () => {
  test("entries are handed over once, and are stable when their write is", () => {
    const log = logOf([1]);
    log.append(entriesOf([1, 1], 2));
    expect(log.unofferedEntries().length).toBe(2);
    const mark = log.offer();
    expect(log.hasUnoffered).toBe(false);
    expect(log.stable).toBe(1);
    log.written(mark);
    expect(log.stable).toBe(3);
  });

  test("B8: what is replaced is not stable any more", () => {
    const log = logOf([1, 1, 1]);
    expect(log.stable).toBe(3);
    log.tryAppend({ index: 1, term: 1 }, entriesOf([2, 2], 2), 0);
    expect(log.stable).toBe(1);
    log.written(log.offer());
    expect(log.stable).toBe(3);
  });

  test("B11: a write that ends says nothing about entries that were replaced after it was handed over", () => {
    const log = logOf([1]);
    log.tryAppend({ index: 1, term: 1 }, entriesOf([2, 2], 2), 0);
    const first = log.offer();
    log.tryAppend({ index: 1, term: 1 }, entriesOf([3, 3], 2), 0);
    const second = log.offer();
    // These are the entries of the first write again; their second write is behind that of the others.
    log.tryAppend({ index: 1, term: 1 }, entriesOf([4, 4], 2), 0);
    const third = log.offer();
    log.written(first);
    expect(log.stable).toBe(1);
    log.written(second);
    expect(log.stable).toBe(1);
    log.written(third);
    expect(log.stable).toBe(3);
  });

  test("B12: a snapshot overtakes writes of entries that it replaced", () => {
    const log = logOf([1]);
    log.tryAppend({ index: 1, term: 1 }, entriesOf([1, 1, 1, 1, 1], 2), 0);
    const entries = log.offer();
    log.restore(snapshotAt(4, 3));
    const snapshot = log.offer();
    log.written(entries);
    expect(log.stable).toBe(4);
    expect(log.awaitsSnapshot).toBe(true);
    log.written(snapshot);
    expect(log.awaitsSnapshot).toBe(false);
    expect(log.applied).toBe(4);
    expect(log.lastIndex).toBe(4);
  });

  test("B35: of two snapshots in quick succession, the first one's end is not the second one's", () => {
    const log = logOf([1]);
    log.restore(snapshotAt(4, 2));
    const first = log.offer();
    log.restore(snapshotAt(9, 2));
    const second = log.offer();
    log.written(first);
    expect(log).toMatchObject({ awaitsSnapshot: true, applied: 4 });
    expect(log.hasNextCommitted(false)).toBe(false);
    log.written(second);
    expect(log).toMatchObject({ awaitsSnapshot: false, applied: 9 });
  });

  test("writes must end in order", () => {
    const log = logOf([1]);
    log.offer();
    const second = log.offer();
    expect(() => log.written(second)).toThrow("order");
  });

  test("a stored log that ends before what was committed is refused", () => {
    expect(() => logOf([1, 1], 3)).toThrow("the stored log ends at 2 but 3 was committed");
  });

  test("commit never goes beyond the end of the log", () => {
    expect(() => logOf([1]).commitTo(2)).toThrow("beyond the end");
  });
});

describe("what the state machine gets", () => {
  test("entries come in order and once, in pages", () => {
    const log = logOf([1, 1, 1, 1], 4);
    const size = 2 * (21 + bytesOf("1/1").length);
    const first = log.nextCommitted(size, false);
    expect(first.map(({ index }) => index)).toEqual([1, 2]);
    log.acceptCommitted(first, size, false);
    expect(log.hasNextCommitted(false)).toBe(false);
    log.appliedEntries(first);
    expect(log.applied).toBe(2);
    expect(log.nextCommitted(size, false).map(({ index }) => index)).toEqual([3, 4]);
  });

  test("one entry that is larger than a page still comes", () => {
    expect(logOf([1, 1], 2).nextCommitted(1, false).length).toBe(1);
  });

  test("with writes under way, only what is durable here", () => {
    const log = logOf([1]);
    log.append(entriesOf([1], 2));
    const mark = log.offer();
    log.commitTo(2);
    expect(log.nextCommitted(NO_LIMIT, true).map(({ index }) => index)).toEqual([1]);
    log.written(mark);
    expect(log.nextCommitted(NO_LIMIT, true).map(({ index }) => index)).toEqual([1, 2]);
  });

  test("B36: nothing behind a received snapshot before that is restored", () => {
    const log = logOf([1]);
    log.restore(snapshotAt(5, 2));
    log.tryAppend({ index: 5, term: 2 }, entriesOf([2], 6), 6);
    expect(log.hasNextCommitted(false)).toBe(false);
    log.written(log.offer());
    expect(log.nextCommitted(NO_LIMIT, false).map(({ index }) => index)).toEqual([6]);
  });
});

describe("compaction", () => {
  test("forgets up to where it is told and keeps what is behind the snapshot", () => {
    const log = logOf([1, 1, 2, 2, 2], 5);
    log.appliedEntries(log.nextCommitted(NO_LIMIT, false));
    log.compact(snapshotAt(4, 2), 2);
    expect(log.firstIndex).toBe(3);
    expect(log.term(2)).toBe(1);
    expect(log.term(1)).toBeNull();
    expect(log.lastIndex).toBe(5);
    expect(log.snapshot?.index).toBe(4);
    expect(log.slice(3, NO_LIMIT).map(({ index }) => index)).toEqual([3, 4, 5]);
  });

  test("never covers what is not applied", () => {
    expect(() => logOf([1, 1], 2).compact(snapshotAt(2, 1), 2)).toThrow("applied");
  });
});
