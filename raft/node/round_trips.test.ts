import { expect, test } from "bun:test";
import { RoundTrips } from "./round_trips.ts";

function opened() {
  let nowMs = 0;
  const trips = new RoundTrips(() => nowMs);
  return { trips, pass: (ms: number) => void (nowMs += ms) };
}

test("a round trip lasts from the first heartbeat of a round to its answer", () => {
  const { trips, pass } = opened();
  trips.asked(2, 7);
  pass(100);
  trips.asked(2, 7);
  pass(50);
  expect(trips.lastMs(2)).toBeNull();
  trips.answered(2, 7);
  expect(trips.lastMs(2)).toBe(150);
});

test("answers to other rounds, and heartbeats without one, measure nothing", () => {
  const { trips, pass } = opened();
  trips.asked(2, null);
  trips.answered(2, null);
  trips.asked(2, 7);
  pass(10);
  trips.answered(2, 6);
  trips.answered(3, 7);
  expect([trips.lastMs(2), trips.lastMs(3)]).toEqual([null, null]);
  trips.asked(2, 8);
  pass(1);
  trips.answered(2, 7);
  expect(trips.lastMs(2)).toBeNull();
});

test("a member that does not answer any more has no round trip after a while", () => {
  const { trips, pass } = opened();
  trips.asked(2, 1);
  pass(2);
  trips.answered(2, 1);
  pass(10_000);
  expect(trips.lastMs(2)).toBe(2);
  pass(1);
  expect(trips.lastMs(2)).toBeNull();
});
