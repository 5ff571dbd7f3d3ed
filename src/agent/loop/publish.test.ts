import { expect, test } from "bun:test";
import { STATUS_CHANNEL } from "../peers/messages.ts";
import { Publisher } from "./publish.ts";
import { ownStatusInput } from "./testing.ts";

test("a status goes to the others twice a second, early with something else, and at once with news", () => {
  const sent: number[] = [];
  const publisher = new Publisher({
    raft: { id: 1, send: (to: number) => void sent.push(to) },
    peers: () => [1, 2, 3],
  });
  const publish = (nowMs: number, earlyMs = 0, stopping = false) =>
    publisher.publish(ownStatusInput({ nowMs, stopping }), earlyMs) !== null;
  expect(publish(1000)).toBe(true);
  expect(sent).toEqual([2, 3]);
  expect(publish(1499)).toBe(false);
  expect(publish(1499, 1)).toBe(true);
  expect(publish(1759, 239)).toBe(false);
  expect(publish(1759, 240)).toBe(true);
  expect(publish(2258)).toBe(false);
  expect(publish(2259)).toBe(true);
  expect(publish(2260, 0, true)).toBe(true);
});

/** A publisher, and what it has sent since the last call. */
function publisher() {
  const sent: (readonly [to: number, kind: "full" | "short"])[] = [];
  const made = new Publisher({
    raft: {
      id: 1,
      send: (to: number, channel: number) =>
        void sent.push([to, channel === STATUS_CHANNEL ? "full" : "short"]),
    },
    peers: () => [1, 2, 3],
  });
  let nowMs = 1000;
  return {
    publisher: made,
    sent: (change: Parameters<typeof ownStatusInput>[0] = {}) => {
      nowMs += 500;
      made.publish(ownStatusInput({ nowMs, wallMs: nowMs, ...change }));
      return sent.splice(0);
    },
  };
}

const FULL = [[2, "full"], [3, "full"]] as const;

test("only those that have asked get short statuses, after a full one that is sent soon", () => {
  const { publisher: one, sent } = publisher();
  expect(sent()).toEqual([...FULL]);
  const before = one.dueMs;
  expect([one.asked(2), one.asked(2)]).toEqual([true, false]);
  expect(one.dueMs).toBe(before - 450);
  expect(sent()).toEqual([...FULL]);
  expect(sent({ lateMs: 8 })).toEqual([[2, "short"], [3, "full"]]);
  one.peer(2, false);
  expect(sent()).toEqual([...FULL]);
});

test("a member that connects is told soon what this one has", () => {
  const { publisher: one, sent } = publisher();
  sent();
  const before = one.dueMs;
  one.peer(3, false);
  expect(one.dueMs).toBe(before);
  one.peer(3, true);
  expect(one.dueMs).toBe(before - 450);
});

test("more than a short status can say takes a full one, and so does a member that lacks it", () => {
  const { publisher: one, sent } = publisher();
  one.asked(2);
  one.asked(3);
  expect(sent()).toEqual([...FULL]);
  expect(sent()).toEqual([[2, "short"], [3, "short"]]);
  expect(sent({ tags: { a: 1 } })).toEqual([...FULL]);
  expect(sent({ tags: { a: 1 } })).toEqual([[2, "short"], [3, "short"]]);
  one.asked(3);
  expect(sent({ tags: { a: 1 } })).toEqual([...FULL]);
});
