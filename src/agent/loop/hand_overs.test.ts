import { expect, test } from "bun:test";
import type { ClusterEvent, EventFacts } from "../../model/event.ts";
import { NO_HAND_OVERS } from "../../model/measures.ts";
import { HandOverTally } from "./hand_overs.ts";

const START = Date.parse("2026-01-01T00:00:00.000Z");
type Row = readonly [kind: string, member: string, facts?: EventFacts];

/** One event a second. */
function tally(...rows: readonly Row[]): HandOverTally {
  const events = rows.map(([kind, member, facts], n): ClusterEvent => ({
    index: n,
    id: n + 1,
    at: new Date(START + n * 1000).toISOString(),
    member,
    kind,
    text: "",
    ...(facts === undefined ? {} : { facts }),
  }));
  const tally = new HandOverTally();
  events.forEach((event, n) => tally.see(event, events.slice(0, n + 1)));
  return tally;
}

const failovers = (reason: string, count = 1) => ({ ...NO_HAND_OVERS.failovers, [reason]: count });
const HELD: Row = ["lock-granted", "a", { epoch: 1 }];
const GRANTED: Row = ["lock-granted", "b", { epoch: 2 }];

test("the first grant, and one to the same member, are no failover", () => {
  const { counts } = tally(HELD, ["lock-released", "a"], ["lock-granted", "a", { epoch: 2 }], [
    "promoted",
    "a",
    {
      epoch: 2,
    },
  ]);
  expect(counts).toEqual(NO_HAND_OVERS);
});

test("a lease that ran out: from the silence of the holder to the first write of the next", () => {
  const { counts } = tally(HELD, ["member-lost", "a"], ["lock-expired", "a"], GRANTED, ["promoted", "b", {
    epoch: 2,
  }]);
  expect(counts).toEqual({ failovers: failovers("lease_expired"), switchovers: 0, lastFailoverMs: 3000 });
});

test("a silence that had ended is no sign", () => {
  const { counts } = tally(
    HELD,
    ["member-lost", "a"],
    ["member-back", "a"],
    ["lock-released", "a"],
    GRANTED,
    [
      "promoted",
      "b",
      { epoch: 2 },
    ],
  );
  expect(counts).toEqual({ failovers: failovers("released"), switchovers: 0, lastFailoverMs: 2000 });
});

test.each([
  ["postgres_crashed", "postgres-crashed"],
  ["cannot_lead", "cannot-lead"],
  ["agent_stopped", "agent-stopping"],
  ["ailment", "ailment-began"],
])("a lock that was given back: %s", (reason, kind) => {
  const { counts } = tally(HELD, [kind, "a"], [kind, "c"], ["lock-released", "a"], GRANTED);
  expect(counts.failovers).toEqual(failovers(reason));
});

test("what an operator asked for: a switchover, or a failover", () => {
  const asked = (kind: string): Row[] => [
    HELD,
    [kind, "a", { request: "r" }],
    ["request-accepted", "a", { request: "r" }],
    ["lock-released", "a"],
    GRANTED,
    ["promoted", "b", { epoch: 2 }],
  ];
  expect(tally(...asked("switchover-requested")).counts).toEqual({ ...NO_HAND_OVERS, switchovers: 1 });
  expect(tally(...asked("failover-requested")).counts).toEqual({
    failovers: failovers("operator"),
    switchovers: 0,
    lastFailoverMs: 3000,
  });
});

test("a request that failed does not count for what came later", () => {
  const { counts } = tally(
    HELD,
    ["switchover-requested", "a", { request: "r" }],
    ["request-accepted", "a", { request: "r" }],
    ["request-failed", "a", { request: "r" }],
    ["lock-expired", "a"],
    GRANTED,
  );
  expect(counts).toEqual({ failovers: failovers("lease_expired"), switchovers: 0, lastFailoverMs: null });
});
