import { expect, test } from "bun:test";
import { recordOf } from "./record.ts";
import { type CutMember, isElected, votesFor } from "./succession.ts";

const EPOCH = 3;
const member = (name: string, lsn: number | null, change: Partial<CutMember> = {}): CutMember => ({
  name,
  token: `data-${name}`,
  cut: lsn === null ? undefined : { epoch: EPOCH, timeline: 2, lsn },
  ...change,
});
const record = (names: string, quorum: number) =>
  recordOf("p", "data-p", Object.fromEntries([...names].map((name) => [name, `data-${name}`])), quorum);
const votes = (candidate: CutMember, others: readonly CutMember[], names = "abc", quorum = 1) => {
  const sync = record(names, quorum);
  const found = votesFor(candidate, [candidate, ...others], sync, EPOCH);
  return [found.join(""), isElected(sync, candidate.name, found)];
};

const A = member("a", 100);

test.each<[string, readonly [string, boolean], readonly [string, boolean] | unknown[]]>([
  ["one with no more WAL", ["ab", true], votes(A, [member("b", 100)])],
  ["one with more WAL", ["a", false], votes(A, [member("b", 101)])],
  ["one that may still acknowledge", ["a", false], votes(A, [member("b", null)])],
  [
    "a cut from an earlier epoch",
    ["a", false],
    votes(A, [
      member("b", null, { cut: { epoch: EPOCH - 1, timeline: 2, lsn: 1 } }),
    ]),
  ],
  [
    "more WAL on an older timeline",
    ["ab", true],
    votes(A, [
      member("b", null, { cut: { epoch: EPOCH, timeline: 1, lsn: 900 } }),
    ]),
  ],
  [
    "less WAL on a later timeline",
    ["a", false],
    votes(A, [
      member("b", null, { cut: { epoch: EPOCH, timeline: 3, lsn: 90 } }),
    ]),
  ],
  ["one that is no voter", ["a", false], votes(A, [member("x", 10)])],
  ["one with other data", ["a", false], votes(A, [member("b", 10, { token: "anew" })])],
  ["one without data", ["a", false], votes(A, [member("b", 10, { token: undefined })])],
  ["its own vote is enough", ["a", true], votes(A, [], "a", 0)],
  ["all of them are needed", ["ab", false], votes(A, [member("b", 50), member("c", null)], "abc", 2)],
  ["all of them vote", ["abc", true], votes(A, [member("b", 50), member("c", 100)], "abc", 2)],
  ["a candidate that is no voter", ["", false], votes(member("x", 900), [member("b", 50)])],
  ["a candidate that is not cut off", ["", false], votes(member("a", null), [member("b", 50)])],
  ["only the leader may be chosen", ["", false], votes(A, [], "", 0)],
])("%s", (_, expected, found) => {
  expect(found).toEqual(expected as never);
});

test("the votes of others elect nobody who has none: it may go on acknowledging", () => {
  const sync = record("abc", 1);
  expect(isElected(sync, "a", ["b", "c"])).toBe(false);
  expect(isElected(sync, "a", ["a", "b"])).toBe(true);
  expect(isElected(record("bc", 1), "a", ["a", "b", "c"])).toBe(false);
});
