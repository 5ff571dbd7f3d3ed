import { expect, test } from "bun:test";
import { secondPrimaries } from "./one_primary.ts";

const ack = (node: string, timeline: number, sentMs: number, endMs: number) => ({
  node,
  timeline,
  sentMs,
  endMs,
});

test("one primary after the other, a late answer of the former one among them", () => {
  expect(secondPrimaries([])).toEqual([]);
  expect(secondPrimaries([ack("a", 1, 0, 1), ack("a", 1, 2, 9), ack("b", 2, 3, 4), ack("a", 3, 10, 11)]))
    .toEqual([]);
});

test("a former primary that confirms what was sent after its successor's first confirmation", () => {
  const found = secondPrimaries([ack("a", 1, 0, 1), ack("b", 2, 3, 4), ack("a", 1, 5, 6), ack("a", 1, 7, 8)]);
  expect(found).toEqual([
    "a on timeline 1 confirmed at 6.0 ms what was sent at 5.0 ms, after b on timeline 2 had confirmed at 4.0 ms",
  ]);
});

test("two nodes side by side on one timeline", () => {
  expect(secondPrimaries([ack("a", 2, 0, 1), ack("b", 2, 2, 3), ack("a", 2, 4, 5)])).toHaveLength(1);
  // One after the other: the first one's promotion was lost with it.
  expect(secondPrimaries([ack("a", 2, 0, 1), ack("b", 2, 2, 3), ack("b", 2, 4, 5)])).toEqual([]);
});
