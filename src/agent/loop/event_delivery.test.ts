import { expect, test } from "bun:test";
import { MAX_NOTED } from "../../dcs/command_schema.ts";
import { LOSS_SINCE, TYPED_EVENTS_SINCE } from "../../dcs/commands.ts";
import type { NotedEvent } from "../../model/event.ts";
import type { CommandOutcome } from "../lease/proposer.ts";
import { EventDelivery } from "./event_delivery.ts";

function place() {
  const proposed: NotedEvent[][] = [];
  const answers: ((outcome: CommandOutcome) => void)[] = [];
  const warnings: string[] = [];
  const world = { nowMs: 0, leader: 1 as number | null, agreedVersion: TYPED_EVENTS_SINCE };
  const queue = new EventDelivery({
    raft: { status: () => ({ ...world }) as never },
    proposer: {
      propose: (body, done) => {
        if (body.op !== "addEvents") throw new Error("another command");
        proposed.push([...body.events]);
        answers.push(done);
        return true;
      },
    },
    clock: { now: () => world.nowMs },
    log: { warning: (_event, text) => void warnings.push(text) },
  });
  const answer = (outcome: CommandOutcome) => answers.shift()!(outcome);
  return { queue, world, proposed, answer, warnings, waiting: () => answers.length };
}

const event = (part: Partial<NotedEvent> = {}): NotedEvent => ({
  kind: "postgres-crashed",
  member: "node1",
  at: "2026-01-01T00:00:00.000Z",
  text: "it crashed",
  ...part,
});
const DONE: CommandOutcome = { kind: "done", revision: 1 };

test("an event goes to the log once, and several with one command", () => {
  const { queue, proposed, answer } = place();
  queue.add(event());
  queue.add(event({ kind: "cannot-lead" }));
  queue.deliver();
  queue.deliver();
  expect(proposed.map((events) => events.map(({ kind }) => kind))).toEqual([[
    "postgres-crashed",
    "cannot-lead",
  ]]);
  answer(DONE);
  queue.deliver();
  expect([proposed.length, queue.length]).toEqual([1, 0]);
});

test("without a raft leader, and while members of older versions are there, events wait with their own times", () => {
  const { queue, world, proposed } = place();
  queue.add(event());
  world.leader = null;
  queue.deliver();
  world.leader = 1;
  world.agreedVersion = TYPED_EVENTS_SINCE - 1;
  queue.deliver();
  expect(proposed).toEqual([]);
  world.agreedVersion = TYPED_EVENTS_SINCE;
  world.nowMs = 3_600_000;
  queue.deliver();
  expect(proposed).toEqual([[event()]]);
});

test("an event that an older member does not know waits for its upgrade, and holds up no other", () => {
  const { queue, world, proposed, answer } = place();
  const lost = event({ kind: "wal-lost" });
  queue.add(lost);
  queue.add(event());
  queue.deliver();
  answer(DONE);
  queue.deliver();
  expect([proposed, queue.length]).toEqual([[[event()]], 1]);
  world.agreedVersion = LOSS_SINCE;
  queue.deliver();
  expect(proposed.at(-1)).toEqual([lost]);
});

test("a lost answer makes the same command again; what is known already is not proposed once more", () => {
  const { queue, world, proposed, answer } = place();
  queue.add(event());
  queue.deliver();
  answer({ kind: "unknown", reason: "no leader" });
  queue.deliver();
  expect(proposed.length).toBe(1);
  world.nowMs += 1000;
  queue.deliver();
  expect(proposed[1]).toEqual(proposed[0]!);
  answer({ kind: "refused", reason: "these events are in the records", code: "events-known" });
  world.nowMs += 1000;
  queue.deliver();
  expect([proposed.length, queue.length]).toEqual([2, 0]);
});

test("what comes and goes is told three times, and then ever more rarely, with the number of times", () => {
  const { queue, world, proposed, answer, waiting } = place();
  for (let second = 0; second < 3600; second++) {
    world.nowMs = second * 1000;
    queue.add(event({ at: new Date(world.nowMs).toISOString() }));
    queue.deliver();
    if (waiting() > 0) answer(DONE);
  }
  const told = proposed.flat();
  expect(told.length).toBeLessThanOrEqual(3 + 6);
  expect(told.slice(0, 3).every(({ times }) => times === undefined)).toBe(true);
  const times = told.reduce((sum, one) => sum + (one.times ?? 1), 0);
  expect(times).toBeGreaterThan(3600 - 16 * 60 - 61);
});

test("a cause of its own has an allowance of its own", () => {
  const { queue, proposed } = place();
  for (let n = 0; n < 5; n++) queue.add(event());
  queue.add(event({ facts: { cause: "disk" } }));
  queue.add(event({ member: "node2" }));
  queue.add(event({ facts: { epoch: 8 } }));
  queue.deliver();
  expect(proposed[0]!.length).toBe(6);
});

test("the queue and each command are bounded: the oldest events are lost first", () => {
  const { queue, proposed, world } = place();
  world.leader = null;
  for (let n = 0; n < 200; n++) queue.add(event({ facts: { cause: `cause ${n}` } }));
  expect(queue.length).toBe(64);
  world.leader = 1;
  queue.deliver();
  expect(proposed[0]!.length).toBe(MAX_NOTED);
  expect(proposed[0]![0]!.facts).toEqual({ cause: "cause 136" });
});

test("events that are refused again and again are given up, with a line that says it", () => {
  const { queue, proposed, world, answer, warnings } = place();
  queue.add(event());
  for (let n = 0; n < 20; n++) {
    world.nowMs += 1000;
    queue.deliver();
    if (proposed.length > n) answer({ kind: "refused", reason: "a flaw", code: "unknown-command" });
  }
  expect([proposed.length, queue.length]).toEqual([10, 0]);
  expect(warnings).toEqual(["events that the records do not get: 1 (a flaw)"]);
});
