import { expect, test } from "bun:test";
import { EventAllowance } from "./event_allowance.ts";

const MINUTE = 60_000;

/** The minutes in which one may go that comes every second. */
function minutes(allowance: EventAllowance, fromMin: number, untilMin: number): number[] {
  const taken: number[] = [];
  for (let ms = fromMin * MINUTE; ms < untilMin * MINUTE; ms += 1000) {
    if (allowance.take("key", ms)) taken.push(Math.floor(ms / MINUTE));
  }
  return taken;
}

test("three at once, then after pauses that double up to 16 minutes", () => {
  expect(minutes(new EventAllowance(), 0, 64)).toEqual([0, 0, 0, 1, 3, 7, 15, 31, 47, 63]);
});

test("what comes and goes for a night leaves room for other events", () => {
  expect(minutes(new EventAllowance(), 0, 12 * 60).length).toBeLessThan(55);
});

test("after a quiet time it is as at the beginning", () => {
  const allowance = new EventAllowance();
  minutes(allowance, 0, 64);
  expect(minutes(allowance, 120, 124)).toEqual([120, 120, 120, 121, 123]);
});

test("each key has its own", () => {
  const allowance = new EventAllowance();
  for (let n = 0; n < 4; n++) allowance.take("a", 0);
  expect([allowance.take("a", 0), allowance.take("b", 0)]).toEqual([false, true]);
});

test("keys that are not heard of any more are forgotten", () => {
  const allowance = new EventAllowance();
  for (let epoch = 0; epoch < 10_000; epoch++) allowance.take(`epoch ${epoch}`, epoch * 1000);
  expect(allowance.size).toBeLessThan(1000);
});
