import { expect, test } from "bun:test";
import type { Outcome, Transaction } from "./history.ts";
import { checkRegisters } from "./register.ts";

const at = (sentMs: number, endMs: number, outcome: Outcome = "ok") => ({
  id: `t${sentMs}`,
  node: "node1",
  timeline: 1,
  sentMs,
  endMs: outcome === "unknown" ? Infinity : endMs,
  outcome,
});
const write = (sentMs: number, endMs: number, value: number, outcome?: Outcome): Transaction => ({
  ...at(sentMs, endMs, outcome),
  operations: [{ kind: "write", key: 1, value }],
});
const read = (sentMs: number, endMs: number, value: number | null): Transaction => ({
  ...at(sentMs, endMs),
  operations: [{ kind: "read", key: 1, value }],
});
const judge = (...history: Transaction[]) => checkRegisters(history, true);

test("histories that some order explains", () => {
  expect(judge()).toEqual([]);
  expect(judge(read(0, 1, null), write(2, 3, 10), read(4, 5, 10))).toEqual([]);
  // Side by side, in either order.
  expect(judge(write(0, 10, 10), write(1, 9, 11), read(11, 12, 10))).toEqual([]);
  expect(judge(write(0, 10, 10), write(1, 9, 11), read(11, 12, 11))).toEqual([]);
  // A read during the write may see it or not, in this order.
  expect(judge(write(0, 20, 10), read(1, 2, null), read(3, 4, 10))).toEqual([]);
  // Unknown: it came late, or never.
  expect(judge(write(0, 1, 10), write(2, 0, 11, "unknown"), read(5, 6, 10), read(7, 8, 11))).toEqual([]);
  expect(judge(write(0, 1, 10), write(2, 0, 11, "unknown"), read(5, 6, 10))).toEqual([]);
  // A failed one never happened.
  expect(judge(write(0, 1, 10), write(2, 3, 11, "fail"), read(5, 6, 10))).toEqual([]);
});

test("a read of what was overwritten before it began", () => {
  expect(judge(write(0, 1, 10), write(2, 3, 11), read(4, 5, 10))).toHaveLength(1);
  expect(judge(write(0, 1, 10), read(2, 3, null))).toHaveLength(1);
});

test("a value that goes and comes back", () => {
  const history = [write(0, 100, 10), write(0, 100, 11), read(1, 2, 10), read(3, 4, 11), read(5, 6, 10)];
  expect(judge(...history)).toHaveLength(1);
  expect(judge(...history.slice(0, 4))).toEqual([]);
});

test("a confirmed write that is lost", () => {
  const history = [write(0, 1, 10), read(2, 3, 10), write(4, 5, 11), read(6, 7, 10)];
  expect(judge(...history)).toHaveLength(1);
  expect(judge(...history)[0]).toContain("cannot be put in an order");
  // Even if its successor is never read.
  expect(judge(write(0, 1, 10), write(4, 5, 11), read(6, 7, 10))).toHaveLength(1);
});

test("values that nobody wrote, that were not yet written, or whose write failed", () => {
  expect(judge(read(0, 1, 99))[0]).toContain("read 99, which nobody wrote");
  expect(judge(read(0, 1, 10), write(2, 3, 10))).toContainEqual(
    expect.stringContaining("read 10 before its write"),
  );
  expect(judge(write(0, 1, 10, "fail"), read(2, 3, 10))[0]).toContain("of a failed write");
});

test("a part of a history may begin with one value from before, and with no more", () => {
  const part = (...history: Transaction[]) => checkRegisters(history, false);
  expect(part(read(0, 1, 5), write(2, 3, 10), read(4, 5, 10))).toEqual([]);
  expect(part(read(0, 1, 5), write(2, 3, 10), read(4, 5, 5))).toHaveLength(1);
  expect(part(read(0, 1, 5), read(2, 3, 6))).toHaveLength(1);
});

test("registers are judged each by itself", () => {
  const other: Transaction = { ...at(4, 5), operations: [{ kind: "read", key: 2, value: null }] };
  expect(judge(write(0, 1, 10), other)).toEqual([]);
});
