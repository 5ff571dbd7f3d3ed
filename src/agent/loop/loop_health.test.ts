/** What was read after the loop stood still is as old as that. */
import { expect, test } from "bun:test";
import { silentLog } from "../../lib/log.ts";
import { ManualClock } from "../../../raft/node/testing.ts";
import { LoopHealth } from "./loop_health.ts";

function loop(): LoopHealth {
  const stalled = () => {};
  const [wallMs, ttlMs] = [() => 0, () => 30_000];
  const clock = new ManualClock();
  return new LoopHealth({ who: "agent", clock, wallMs, log: silentLog, ttlMs, electionMaxMs: 1000, stalled });
}

test("a message that is read in time has just arrived", () => {
  const health = loop();
  health.look(1000, 1000);
  expect(health.arrivedMs(1200, 1500)).toBe(1200);
  // A little late: the timer's own jitter.
  expect(health.arrivedMs(1590, 1500)).toBe(1590);
});

test("one that is read before a look that is overdue may be as old as that look's time", () => {
  const health = loop();
  health.look(1000, 1000);
  expect(health.arrivedMs(6000, 1500)).toBe(1500);
});

test("so may one that is read right after that look; a later one has just arrived", () => {
  const health = loop();
  health.look(6000, 1500);
  expect(health.arrivedMs(6001, 6500)).toBe(1500);
  expect(health.arrivedMs(6099, 6500)).toBe(1500);
  expect(health.arrivedMs(6100, 6500)).toBe(6100);
});

test("while a look is being made none is due", () => {
  const health = loop();
  health.look(1000, 1000);
  expect(health.arrivedMs(1000, Infinity)).toBe(1000);
});
