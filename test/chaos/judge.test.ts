import { expect, test } from "bun:test";
import { type Evidence, judge, LAST_READ } from "./judge.ts";
import type { Operation, Transaction } from "./oracle/history.ts";

const ack = (id: number, node: string, atMs: number) => ({ id, node, sentMs: atMs, ackMs: atMs + 1 });
const ok = (node: string, timeline: number, sentMs: number, ...operations: Operation[]): Transaction => ({
  id: `t${sentMs}`,
  node,
  timeline,
  sentMs,
  endMs: sentMs + 1,
  outcome: "ok",
  operations,
});
const last = (...operations: Operation[]): Transaction => ({
  ...ok("b", 2, 900, ...operations),
  id: LAST_READ,
});
const append = (key: number, value: number): Operation => ({ kind: "append", key, value });
const list = (key: number, ...values: number[]): Operation => ({ kind: "list", key, values });

/** A failover from a to b that loses nothing. */
const GOOD: Evidence = {
  mode: "quorum",
  acks: [ack(1, "a", 10), ack(2, "a", 20), ack(3, "b", 600)],
  present: new Map([[1, 1], [2, 1], [3, 2]]),
  history: [
    ok("a", 1, 15, append(1, 10)),
    ok("a", 1, 25, { kind: "write", key: 5, value: 50 }),
    ok("b", 2, 610, list(1, 10), append(1, 11)),
    last(list(1, 10, 11), { kind: "read", key: 5, value: 50 }),
  ],
};
const texts = (evidence: Partial<Evidence>) => judge({ ...GOOD, ...evidence }).violations;

test("a failover that loses nothing", () => {
  for (const mode of ["off", "on", "quorum"] as const) {
    expect(judge({ ...GOOD, mode })).toEqual({ violations: [], lost: [] });
  }
});

test("a lost value is a violation where commits wait for standbys", () => {
  const present = new Map([[1, 1], [3, 2]]);
  expect(texts({ present })).toEqual(["lost: 2 of a, sent at 20.0, confirmed at 21.0 ms"]);
  // Without, the end of a reign may be lost, and only that.
  expect(judge({ ...GOOD, mode: "off", present })).toEqual({ violations: [], lost: [2] });
  expect(texts({ mode: "off", present: new Map([[2, 1], [3, 2]]) })[0]).toStartWith(
    "lost amid a reign: 1 of a",
  );
});

test("a lost append or register is seen in the last read", () => {
  const [first, second, third] = GOOD.history as [Transaction, Transaction, Transaction];
  const registers: Operation = { kind: "read", key: 5, value: 50 };
  const appendLost = texts({ history: [first, second, last(list(1), registers)] });
  expect(appendLost).toHaveLength(1);
  expect(appendLost[0]).toStartWith("not serializable: no order fits");
  const registerLost = texts({
    history: [first, second, third, last(list(1, 10, 11), { ...registers, value: null })],
  });
  expect(registerLost[0]).toStartWith("not serializable: register 5");
});

test("what only a transaction without a write has seen is told apart", () => {
  const stale = ok("b", 2, 700, list(1, 10));
  expect(texts({ history: [...GOOD.history, stale] })[0]).toStartWith(
    "not serializable with what was only read: no order fits",
  );
});

test("without synchronous commit each reign must hold by itself", () => {
  const lostByFailover = [ok("a", 1, 15, append(1, 10)), ok("b", 2, 610, list(1), append(1, 11))];
  expect(texts({ mode: "off", history: lostByFailover })).toEqual([]);
  expect(texts({ history: lostByFailover })).not.toEqual([]);
  const lostWithin = [ok("a", 1, 15, append(1, 10)), ok("a", 1, 25, list(1), append(1, 11))];
  expect(texts({ mode: "off", history: lostWithin })).not.toEqual([]);
});

test("a second primary is seen by unique values and by transactions", () => {
  const late = ack(4, "a", 700);
  const present = new Map([...GOOD.present, [4, 1] as const]);
  expect(texts({ acks: [...GOOD.acks, late], present })[0]).toStartWith("two primaries: a on timeline 1");
  const second = ok("a", 1, 700, append(2, 20));
  const history = [
    ...GOOD.history.slice(0, -1),
    second,
    last(list(1, 10, 11), list(2, 20), {
      kind: "read",
      key: 5,
      value: 50,
    }),
  ];
  for (const mode of ["off", "quorum"] as const) {
    expect(texts({ mode, history })[0]).toStartWith("two primaries: a on timeline 1");
  }
});
