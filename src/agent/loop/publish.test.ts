import { expect, test } from "bun:test";
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
