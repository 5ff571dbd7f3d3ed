import { expect, test } from "bun:test";
import { SimClock } from "./sim_clock.ts";
import { SimHost, SimProcess } from "./sim_host.ts";
import { World } from "./world.ts";

function clockOf(world: World): { host: SimHost; clock: SimClock } {
  const host = new SimHost(world, "a", 0);
  const process = new SimProcess(host, "a");
  process.start();
  return { host, clock: new SimClock(process, world.random.split("timers"), 0) };
}

test("a change of its rate does not step a clock", () => {
  const world = new World(1);
  const { host } = clockOf(world);
  host.setRate(1.001);
  world.runUntil(50_000);
  const beforeMs = host.nowMs();
  host.setRate(0.999);
  expect(host.nowMs()).toBeCloseTo(beforeMs, 6);
  world.runUntil(51_000);
  expect(host.nowMs()).toBeCloseTo(beforeMs + 999, 6);
});

test("a timer does not fire early when the clock has become slower since it was set", () => {
  const world = new World(2);
  const { host, clock } = clockOf(world);
  host.setRate(1.001);
  const dueMs = clock.now() + 10_000;
  let firedMs = 0;
  clock.after(10_000, () => firedMs = clock.now());
  host.setRate(0.999);
  world.runUntil(20_000);
  expect(firedMs).toBeGreaterThanOrEqual(dueMs);
  expect(firedMs).toBeLessThan(dueMs + 0.1);
});

test("a timer that may be early is at times, by no more than it may; others never are", () => {
  const world = new World(3);
  const { clock } = clockOf(world);
  const leads = (earlyMs: number) => {
    const found: number[] = [];
    const dueMs = clock.now() + 1000;
    for (let i = 0; i < 50; i++) clock.after(1000, () => found.push(dueMs - clock.now()), earlyMs);
    world.runUntil(world.now() + 2000);
    return found;
  };
  const early = leads(100).filter((ms) => ms > 0.1);
  expect(early.length).toBeGreaterThan(10);
  expect(early.length).toBeLessThan(40);
  expect(Math.max(...early)).toBeLessThanOrEqual(100);
  expect(leads(0).filter((ms) => ms > 0.1)).toEqual([]);
});
