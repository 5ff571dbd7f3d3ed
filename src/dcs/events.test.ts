import { expect, test } from "bun:test";
import { life } from "../brain/testing.ts";
import { type ClusterEvent, eventKind, MAX_EVENTS, type NotedEvent } from "../model/event.ts";
import { COMMAND_VERSION, type CommandBody, encodeCommand, TYPED_EVENTS_SINCE } from "./commands.ts";
import { MAX_EVENT_CHARACTERS } from "./events.ts";
import { recoveredState } from "./recovered.ts";
import { DcsStateMachine } from "./state_machine.ts";
import { join } from "./testing.ts";

const AT = "2026-01-01T00:00:00.000Z";

function machine(version = COMMAND_VERSION) {
  const dcs = new DcsStateMachine();
  let index = 100;
  const apply = (by: string, body: CommandBody, at = AT) =>
    dcs.apply(encodeCommand({ ...body, by, at }), ++index, version);
  return { dcs, apply };
}

const grant = (epoch: number, holder: string): CommandBody => ({
  op: "grant",
  epoch,
  holder,
  life: life(holder),
  reason: "most advanced member",
  complete: true,
});
const noted = (part: Partial<NotedEvent> = {}): NotedEvent => ({
  kind: "postgres-crashed",
  member: "a",
  at: AT,
  text: "it crashed",
  ...part,
});
const add = (...events: NotedEvent[]): CommandBody => ({ op: "addEvents", events });
const plain = ({ id, kind, member }: ClusterEvent) => [id, kind, member];

test("a command is its own event: no other entry of the log is needed", () => {
  const { dcs, apply } = machine();
  apply("a", join("a"));
  apply("q", grant(1, "a"));
  apply("a", {
    op: "setFailover",
    record: {
      kind: "switchover",
      leader: "a",
      candidate: "b",
      scheduledAt: null,
      id: "r1",
      accepted: false,
      epoch: 0,
    },
    expectRevision: null,
  });
  apply("q", { op: "acceptFailover", id: "r1" });
  apply("a", { op: "release", epoch: 1, life: life("a"), reason: "why", lsn: 5, timeline: 2 });
  expect(dcs.state.events.map(plain)).toEqual([
    [1, "member-joined", "a"],
    [2, "lock-granted", "a"],
    [3, "switchover-requested", "a"],
    [4, "request-accepted", "a"],
    [5, "lock-released", "a"],
  ]);
  expect(dcs.state.events[1]).toEqual({
    index: 102,
    id: 2,
    at: AT,
    member: "a",
    by: "q",
    kind: "lock-granted",
    text: "lock granted to a, epoch 1: most advanced member",
    facts: { epoch: 1 },
  });
  expect(dcs.state.events[4]!.facts).toEqual({ epoch: 1, lsn: 5, timeline: 2 });
});

test("a refused command is no event", () => {
  const { dcs, apply } = machine();
  expect(apply("q", grant(7, "a")).ok).toBe(false);
  expect(dcs.state.events).toEqual([]);
});

test("maintenance mode is told apart from other changes of the configuration, and what has changed is named", () => {
  const { dcs, apply } = machine();
  const set = (value: { [key: string]: number | boolean | string }) =>
    apply("a", { op: "setConfig", value, expectRevision: dcs.state.config?.revision ?? null });
  set({ ttl: 30 });
  set({ ttl: 30, pause: true });
  set({ ttl: 20, loop_wait: 5, pause: true });
  set({ ttl: 20, loop_wait: 5 });
  set({ ttl: 20, loop_wait: 5, pause: true, pause_until: "2030-01-01T00:00:00Z" });
  expect(dcs.state.events.map(({ kind, text }) => [kind, text])).toEqual([
    ["config-changed", "first configuration"],
    ["paused", "maintenance mode (pause) begins"],
    ["config-changed", "configuration changed: ttl, loop_wait"],
    ["resumed", "maintenance mode (pause) ends"],
    ["paused", "maintenance mode (pause) begins, until 2030-01-01T00:00:00Z"],
  ]);
});

test("where members of older versions may be, the records are the ones that those have", () => {
  const { dcs, apply } = machine(TYPED_EVENTS_SINCE - 1);
  apply("a", join("a"));
  apply("q", grant(1, "a"));
  expect(dcs.state.events).toEqual([{
    index: 102,
    at: AT,
    member: "q",
    kind: "grant",
    text: "lock granted to a, epoch 1: most advanced member",
  }]);
  expect(eventKind(dcs.state.events[0]!)).toBe("lock-granted");
  expect(apply("a", add(noted()))).toMatchObject({ ok: false, code: "unknown-command" });
  expect(dcs.state.events.length).toBe(1);
});

test("ids ascend without a gap, from the events of an older version too, and over a recovery of the cluster", () => {
  const old = machine(TYPED_EVENTS_SINCE - 1);
  old.apply("q", grant(1, "a"));
  const dcs = new DcsStateMachine();
  dcs.restore(old.dcs.snapshot());
  dcs.apply(encodeCommand({ ...join("a"), by: "a", at: AT }), 500, COMMAND_VERSION);
  dcs.restore(new TextEncoder().encode(JSON.stringify(recoveredState(dcs.state, { survivor: "a", at: AT }))));
  dcs.apply(encodeCommand({ ...add(noted()), by: "a", at: AT }), 3, COMMAND_VERSION);
  const last = old.dcs.state.events.at(-1)?.index ?? 0;
  expect(dcs.state.events.slice(-3).map(plain)).toEqual([
    [last + 1, "member-joined", "a"],
    [last + 2, "cluster-recovered", "a"],
    [last + 3, "postgres-crashed", "a"],
  ]);
});

test("the number of events is bounded, the oldest go first", () => {
  const { dcs, apply } = machine();
  for (let n = 1; n <= MAX_EVENTS + 50; n++) apply("a", add(noted({ text: `crash ${n}` })));
  expect(dcs.state.events.length).toBe(MAX_EVENTS);
  expect(dcs.state.events[0]!.id).toBe(51);
  expect(dcs.state.events.at(-1)!.id).toBe(MAX_EVENTS + 50);
});

test("their size is bounded, too, and the newest is kept whatever its size", () => {
  const { dcs, apply } = machine();
  const long = (n: number) => `${n} ${'"'.repeat(500)}`;
  for (let n = 1; n <= MAX_EVENTS; n++) apply("a", add(noted({ text: long(n) })));
  const characters = dcs.state.events.map((event) => JSON.stringify(event).length);
  expect(characters.reduce((a, b) => a + b)).toBeLessThanOrEqual(MAX_EVENT_CHARACTERS);
  expect(dcs.state.events.length).toBeLessThan(MAX_EVENTS / 2);
  expect(dcs.state.events.at(-1)!.id).toBe(MAX_EVENTS);
});

test("the same once more is counted in its place; another event of the member in between is not passed over", () => {
  const { dcs, apply } = machine();
  apply("a", add(noted()));
  apply("b", add(noted({ member: "b" })));
  apply("a", add(noted({ at: "2026-01-01T00:01:00.000Z", times: 3 })));
  expect(dcs.state.events.map(plain)).toEqual([[1, "postgres-crashed", "a"], [2, "postgres-crashed", "b"]]);
  expect(dcs.state.events[0]).toMatchObject({ times: 4, firstAt: AT, at: "2026-01-01T00:01:00.000Z" });
  apply("a", add(noted({ kind: "postgres-back", text: "again" })));
  apply("a", add(noted({ at: "2026-01-01T00:02:00.000Z" })));
  expect(dcs.state.events.map(({ kind }) => kind)).toEqual([
    "postgres-crashed",
    "postgres-crashed",
    "postgres-back",
    "postgres-crashed",
  ]);
});

test("what was delivered already is not added again, as its answer may have been lost", () => {
  const { dcs, apply } = machine();
  expect(apply("a", add(noted())).ok).toBe(true);
  const { state } = dcs;
  expect(apply("a", add(noted()))).toMatchObject({ ok: false, code: "events-known" });
  expect(dcs.state).toBe(state);
});

test("two raft leaders in a row tell of one silence once", () => {
  const { dcs, apply } = machine();
  const lost = (at: string) => noted({ kind: "member-lost", member: "c", text: "silent", at });
  const back = (at: string) => noted({ kind: "member-back", member: "c", text: "heard", at });
  expect(apply("a", add(back("1"))).ok).toBe(false);
  apply("a", add(lost("2")));
  expect(apply("b", add(lost("3"))).ok).toBe(false);
  apply("b", add(back("4")));
  expect(apply("a", add(back("5"))).ok).toBe(false);
  apply("a", add(lost("6")));
  expect(dcs.state.events.map(({ kind, times }) => [kind, times])).toEqual([
    ["member-lost", undefined],
    ["member-back", undefined],
    ["member-lost", undefined],
  ]);
});

test("records without events, and with those of an older version, are read", () => {
  const { dcs, apply } = machine();
  apply("a", add(noted({ facts: { epoch: 1, lsn: 7 } })));
  const again = new DcsStateMachine();
  again.restore(dcs.snapshot());
  expect(again.state).toEqual(dcs.state);
  const { events: _, ...without } = dcs.state;
  again.restore(new TextEncoder().encode(JSON.stringify(without)));
  expect(again.state.events).toEqual([]);
});
