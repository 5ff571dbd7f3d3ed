import { expect, test } from "bun:test";
import { MemoryLog } from "../../lib/log.ts";
import type { ClusterEvent, NotedEvent } from "../../model/event.ts";
import { EventLines } from "./event_lines.ts";

const START = Date.parse("2026-01-01T00:00:00.000Z");
const made = (id: number, part: Partial<ClusterEvent> = {}): ClusterEvent => ({
  index: id,
  id,
  at: new Date(START + id * 1000).toISOString(),
  member: "node2",
  kind: "lock-granted",
  text: `event ${id}`,
  ...part,
});

function place() {
  const log = new MemoryLog();
  return { log, events: new EventLines("node1", log, () => START) };
}

test("each event is a line once, and is counted by kind", () => {
  const { log, events } = place();
  events.applied([made(1)]);
  events.applied([made(1), made(2, { member: "node1", kind: "paused" })]);
  expect(log.lines).toEqual([
    "INFO: event lock-granted of node2: event 1",
    "INFO: event paused of this member: event 2",
  ]);
  expect(events.counts).toEqual({ "lock-granted": 1, paused: 1 });
});

test("what this member knows is a line at once, and none when the records hold it", () => {
  const { log, events } = place();
  const event: NotedEvent = { kind: "postgres-frozen", member: "node1", at: made(3).at, text: "frozen" };
  events.noted(event);
  expect(log.lines).toEqual(["INFO: event postgres-frozen of this member: frozen"]);
  expect(events.counts).toEqual({});
  events.applied([made(3, event)]);
  expect(log.lines.length).toBe(1);
  expect(events.counts).toEqual({ "postgres-frozen": 1 });
});

test("events from before the start of the agent have their lines in the log already", () => {
  const { log, events } = place();
  events.applied([made(1, { at: "2025-12-31T23:00:00.000Z" }), made(2)]);
  expect(log.lines).toEqual(["INFO: event lock-granted of node2: event 2"]);
});

test("a host that started with a clock years ahead tells what happens after it was put right", () => {
  const log = new MemoryLog();
  let startedMs = START + 10 * 365 * 86_400_000;
  const events = new EventLines("node1", log, () => startedMs);
  events.applied([made(1)]);
  expect(log.lines).toEqual([]);
  startedMs = START;
  events.applied([made(1), made(2)]);
  expect(log.lines).toEqual(["INFO: event lock-granted of node2: event 2"]);
});

test("events of older versions are named by the kinds of today", () => {
  const { log, events } = place();
  const { id: _, ...old } = made(7, { kind: "expire" });
  events.applied([old]);
  expect(log.lines).toEqual(["INFO: event lock-expired of node2: event 7"]);
});

test("what happens again is counted, whether the records count it in its place or at once", () => {
  const { log, events } = place();
  const crash = made(1, { kind: "postgres-crashed" });
  events.applied([crash]);
  events.applied([{ ...crash, times: 3 }, made(2, { kind: "postgres-crashed", times: 4 })]);
  events.applied([{ ...crash, times: 3 }, made(2, { kind: "postgres-crashed", times: 4 })]);
  expect(events.counts).toEqual({ "postgres-crashed": 7 });
  expect(log.lines.length).toBe(2);
});

test("kinds that no version has are counted as one", () => {
  const { events } = place();
  events.applied(["__proto__", "strange", "lock-granted"].map((kind, n) => made(n + 1, { kind })));
  expect(events.counts).toEqual({ other: 2, "lock-granted": 1 });
});
