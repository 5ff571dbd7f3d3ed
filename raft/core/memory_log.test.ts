import { expect, test } from "bun:test";
import { MemoryStoredLog } from "./memory_log.ts";
import { entriesOf, storedTerms } from "./testing.ts";

const SNAPSHOT = { index: 2, term: 1, configuration: { voters: [1], learners: [] }, data: new Uint8Array(0) };

test("a stored log in memory: entries replace what stands there, and have no gaps", () => {
  const log = new MemoryStoredLog();
  expect([log.empty, log.firstIndex, log.lastIndex, log.term(0), log.term(1)]).toEqual([true, 1, 0, 0, null]);
  log.append(entriesOf([1, 1, 1]));
  log.append(entriesOf([2], 2));
  expect([log.empty, log.lastIndex, log.term(1), log.term(2), log.term(3)]).toEqual([false, 2, 1, 2, null]);
  log.setHardState({ term: 2, vote: 1, commit: 1 });
  expect(log.hardState).toEqual({ term: 2, vote: 1, commit: 1 });
  expect(() => log.append(entriesOf([2], 4))).toThrow("gap");
});

test("the own snapshot keeps what lies behind it; that of the leader replaces everything", () => {
  const own = new MemoryStoredLog(storedTerms([1, 1, 1]));
  own.compact(SNAPSHOT);
  expect([own.firstIndex, own.lastIndex, own.term(2), own.term(1)]).toEqual([3, 3, 1, null]);
  // The snapshot has overtaken this write: only what lies behind it counts.
  own.append(entriesOf([1, 1, 1], 2));
  expect([own.firstIndex, own.lastIndex]).toEqual([3, 4]);
  expect(() => own.compact({ ...SNAPSHOT, index: 9 })).toThrow("does not hold");

  const received = new MemoryStoredLog(storedTerms([1, 1, 1]));
  received.applySnapshot(SNAPSHOT);
  expect([received.firstIndex, received.lastIndex, received.empty]).toEqual([3, 2, false]);
});
