import { expect, test } from "bun:test";
import { figuresOf, type Measured, tableOf } from "./figures.ts";
import { percentile, summarize, type Summary } from "./summary.ts";

function summary(p50Ms: number, p99Ms = p50Ms, perSecond: number | null = null): Summary {
  return { count: 100, p50Ms, p99Ms, perSecond };
}

const GOOD: Measured = {
  roundTrip: summary(0.05),
  fdatasync: summary(0.1),
  commit1: summary(0.44, 2),
  commit64: summary(5, 10, 9000),
  readIndex: summary(0.25, 1),
  election: summary(800, 1150),
  catchUp: [{ commands: 1000, seconds: 0.5 }],
  directoryBytes: 5e6,
  endurance: null,
  etcd: null,
};

const missed = (measured: Measured) =>
  figuresOf(measured).filter(({ held }) => !held).map(({ name }) => name);

test("percentiles are values that were measured", () => {
  expect(percentile([1], 0.99)).toBe(1);
  expect(summarize([3, 1, 2], 6)).toEqual({ count: 3, p50Ms: 2, p99Ms: 3, perSecond: 500 });
  expect(summarize(Array.from({ length: 1000 }, (_, i) => i + 1)).p99Ms).toBe(990);
  expect(() => summarize([])).toThrow("no values");
});

test("each bound is held or missed by its own figure", () => {
  expect(missed(GOOD)).toEqual([]);
  expect(missed({ ...GOOD, commit1: summary(0.46, 2) })).toEqual(["commit, 1 in flight, p50"]);
  expect(missed({ ...GOOD, commit1: summary(0.4, 2.1) })).toEqual(["commit, 1 in flight, p99"]);
  expect(missed({ ...GOOD, commit64: summary(5, 10, 7999) })).toEqual(["commits, 64 in flight"]);
  expect(missed({ ...GOOD, readIndex: summary(0.31) })).toEqual(["ReadIndex, p50"]);
  expect(missed({ ...GOOD, election: summary(901, 1201) }).length).toBe(2);
  expect(missed({ ...GOOD, directoryBytes: 21 * 1024 * 1024 })).toEqual(["raft directory of a member"]);
});

test("memory must not grow with the number of commands", () => {
  const grown = (lateRssBytes: number) =>
    missed({ ...GOOD, endurance: { earlyRssBytes: 100e6, lateRssBytes } });
  expect(grown(129e6)).toEqual([]);
  expect(grown(131e6)).toEqual(["memory of the leader after 1,000,000 commands"]);
});

test("etcd is compared without what HTTP costs it", () => {
  const etcd = {
    version: "etcd 3.4.23",
    http: summary(0.27),
    put1: summary(0.86, 2.1),
    put64: summary(10, 20, 6400),
    read: summary(0.54),
    election: summary(1400),
  };
  expect(missed({ ...GOOD, etcd })).toEqual([]);
  expect(missed({ ...GOOD, etcd: { ...etcd, put1: summary(0.7) } })).toEqual(["commit, 1 in flight, p50"]);
});

test("the table marks what is missed", () => {
  const lines = tableOf(figuresOf({ ...GOOD, readIndex: summary(0.31) }));
  expect(lines.filter((line) => line.startsWith("!"))).toEqual([
    "! ReadIndex, p50                     0.310 ms  <= 0.300 ms (2 x round trip + 0.2 ms)",
  ]);
});
