import { expect, test } from "bun:test";
import type { Operation, Outcome, Transaction } from "./history.ts";
import { checkLists } from "./lists.ts";

const append = (key: number, value: number): Operation => ({ kind: "append", key, value });
const list = (key: number, ...values: number[]): Operation => ({ kind: "list", key, values });
let count = 0;
const run = (sentMs: number, endMs: number, outcome: Outcome, ...operations: Operation[]): Transaction => ({
  id: `t${++count}`,
  node: "node1",
  timeline: 1,
  sentMs,
  endMs: outcome === "unknown" ? Infinity : endMs,
  outcome,
  operations,
});
const ok = (sentMs: number, endMs: number, ...operations: Operation[]) =>
  run(sentMs, endMs, "ok", ...operations);
const judge = (...history: Transaction[]) => checkLists(history, true);

test("histories that some order explains", () => {
  expect(judge()).toEqual([]);
  expect(judge(ok(0, 1, append(1, 10)), ok(2, 3, append(1, 11)), ok(4, 5, list(1, 10, 11)))).toEqual([]);
  // Own appends are seen, and by others only together.
  expect(judge(
    ok(0, 9, list(1), append(1, 10), list(1, 10), append(1, 11), list(1, 10, 11)),
    ok(5, 6, list(1)),
    ok(10, 11, list(1, 10, 11), append(2, 20)),
    ok(12, 13, list(2, 20)),
  )).toEqual([]);
  // One that failed, and two of which one came, late.
  expect(judge(
    run(0, 1, "fail", append(1, 10)),
    run(0, 0, "unknown", append(1, 11)),
    run(0, 0, "unknown", append(1, 12)),
    ok(2, 3, list(1)),
    ok(4, 5, list(1, 12)),
  )).toEqual([]);
});

test("a confirmed append that is lost", () => {
  const lost = judge(ok(0, 1, append(1, 10)), ok(2, 3, append(1, 11)), ok(4, 5, list(1, 11)));
  expect(lost).toHaveLength(1);
  expect(lost[0]).toContain("no order fits: ");
  expect(judge(ok(0, 1, append(1, 10)), ok(2, 3, list(1)))).toHaveLength(1);
});

test("a read of an old state", () => {
  const stale = judge(
    ok(0, 1, append(1, 10)),
    ok(2, 3, append(1, 11)),
    ok(4, 5, list(1, 10, 11)),
    ok(6, 7, list(1, 10)),
  );
  expect(stale).toHaveLength(1);
  expect(stale[0]).toContain("no order fits");
});

test("two that both miss the other's append", () => {
  const skew = [ok(0, 10, list(1), append(2, 20)), ok(0, 10, list(2), append(1, 10))];
  expect(judge(...skew, ok(11, 12, list(1, 10), list(2, 20)))).toHaveLength(1);
  // One after the other is another matter.
  expect(judge(ok(0, 10, list(1), append(2, 20)), ok(0, 10, list(2, 20), append(1, 10)))).toEqual([]);
});

test("histories that part", () => {
  const parted = judge(
    ok(0, 9, append(1, 10)),
    ok(0, 9, append(1, 11)),
    ok(10, 11, list(1, 10)),
    ok(10, 11, list(1, 11)),
  );
  expect(parted.some((text) => text.includes("read 10 at 0, where") || text.includes("read 11 at 0, where")))
    .toBe(true);
});

test("values of nobody, of a failed transaction, twice, half of a transaction, and not the own ones", () => {
  expect(judge(ok(0, 1, list(1, 99)))).toEqual(["list 1: nobody appended 99"]);
  expect(judge(run(0, 1, "fail", append(1, 10)), ok(2, 3, list(1, 10)))[0]).toContain(
    "whose transaction failed",
  );
  expect(judge(ok(0, 1, append(1, 10)), ok(2, 3, list(1, 10, 10)))).toContainEqual(
    "list 1: 10 stands there twice",
  );
  expect(judge(ok(0, 9, append(1, 10), append(1, 11)), ok(3, 4, list(1, 10)), ok(10, 11, list(1, 10, 11))))
    .toHaveLength(1);
  expect(judge(ok(0, 1, append(1, 10), list(1)))[0]).toContain("did not read what it had appended");
});

test("a part of a history may begin with values from before", () => {
  const part = (...history: Transaction[]) => checkLists(history, false);
  expect(part(ok(0, 1, list(1, 5, 6)), ok(2, 3, append(1, 10)), ok(4, 5, list(1, 5, 6, 10)))).toEqual([]);
  expect(part(ok(2, 3, append(1, 10)), ok(4, 5, list(1, 5, 10, 6)))).toEqual(["list 1: nobody appended 6"]);
});

test("real time counts across lists", () => {
  const history = [ok(0, 1, append(1, 10)), ok(2, 3, append(2, 20)), ok(0.5, 9, list(2, 20), list(1))];
  expect(judge(...history, ok(10, 11, list(1, 10), list(2, 20)))).toHaveLength(1);
});
