import { expect, test } from "bun:test";
import type { NotedEvent } from "../model/event.ts";
import { COMMAND_VERSION, type CommandBody, encodeCommand, LOSS_SINCE, parseCommand } from "./commands.ts";
import { MAX_LOSSES } from "./losses.ts";
import { DcsStateMachine } from "./state_machine.ts";

const AT = "2026-01-01T00:00:00.000Z";
const FACTS = {
  epoch: 2,
  timeline: 1,
  lsn: 100,
  end: 160,
  bytes: 60,
  transactions: 3,
  kept: "/data.lost-wal-1",
};
const lost = (
  facts: NotedEvent["facts"] = FACTS,
  text = `from ${facts?.lsn} to ${facts?.end}`,
): NotedEvent => ({
  kind: "wal-lost",
  member: "a",
  at: AT,
  text,
  facts,
});
const { epoch: _, ...RECORD } = { ...FACTS, member: "a", at: AT };

function machine(version = COMMAND_VERSION) {
  const dcs = new DcsStateMachine();
  let index = 100;
  const add = (...events: NotedEvent[]) => {
    const body: CommandBody = { op: "addEvents", events };
    return dcs.apply(encodeCommand({ ...body, by: "a", at: AT }), ++index, version);
  };
  return { dcs, add };
}

test("what is lost stays in the records when its event has gone, also over a snapshot", () => {
  const { dcs, add } = machine();
  add(lost());
  for (let n = 0; n < 300; n++) add({ kind: "postgres-crashed", member: "a", at: AT, text: `crash ${n}` });
  expect(dcs.state.events.some(({ kind }) => kind === "wal-lost")).toBe(false);
  expect(dcs.state.losses).toEqual([RECORD]);
  const other = new DcsStateMachine();
  other.restore(dcs.snapshot());
  expect(other.state).toEqual(dcs.state);
});

test("the same loss is kept once, however often it is told; one without its range is an event only", () => {
  const { dcs, add } = machine();
  add(lost({ epoch: 2 }));
  expect(dcs.state).not.toHaveProperty("losses");
  add(lost());
  add(lost(FACTS, "as its next agent says"));
  expect(dcs.state.losses).toHaveLength(1);
  add(lost({ ...FACTS, end: 170 }));
  const { transactions: _t, kept: _k, ...unknown } = FACTS;
  add(lost({ ...unknown, lsn: 90 }));
  expect(dcs.state.losses?.map(({ lsn, end, transactions }) => [lsn, end, transactions])).toEqual([
    [100, 160, 3],
    [100, 170, 3],
    [90, 160, undefined],
  ]);
});

test("their number is bounded, the oldest go first", () => {
  const { dcs, add } = machine();
  for (let lsn = 1; lsn <= MAX_LOSSES + 5; lsn++) add(lost({ ...FACTS, lsn }));
  expect(dcs.state.losses).toHaveLength(MAX_LOSSES);
  expect(dcs.state.losses?.[0]?.lsn).toBe(6);
});

test("before members all know it, such an event does nothing; its figures neither, in another kind", () => {
  const { dcs, add } = machine(LOSS_SINCE - 1);
  expect(add(lost())).toMatchObject({ ok: false });
  expect(add({ ...lost(), kind: "rewound" })).toMatchObject({ ok: false });
  expect(add({ ...lost({ epoch: 2 }), kind: "rewound" })).toMatchObject({ ok: true });
  expect([dcs.state.losses, dcs.state.events.length]).toEqual([undefined, 1]);
  // An entry that claims an earlier version than it needs.
  const text = JSON.stringify({ v: LOSS_SINCE - 1, op: "addEvents", events: [lost()], by: "a", at: AT });
  expect(parseCommand(new TextEncoder().encode(text), COMMAND_VERSION)).toMatchObject({ ok: false });
});
