import { expect, test } from "bun:test";
import { Pace } from "./pace.ts";

const TICK_MS = 50;
const ELECTION_MS = 600;

/** A clock that is moved by hand, and the ticks that were fed at each time. */
class World {
  nowMs = 1000;
  restTicks = 4;
  readonly fed: [atMs: number, ticks: number][] = [];
  readonly #timers = new Set<{ readonly dueMs: number; readonly fire: () => void }>();
  readonly pace = new Pace({
    clock: {
      now: () => this.nowMs,
      after: (delayMs, fire) => {
        const timer = { dueMs: this.nowMs + delayMs, fire };
        this.#timers.add(timer);
        return { cancel: () => void this.#timers.delete(timer) };
      },
      soon: (fire) => fire(),
    },
    tickMs: TICK_MS,
    electionMinMs: ELECTION_MS,
    restTicks: () => this.restTicks,
    wake: (ticks) => this.fed.push([this.nowMs - 1000, ticks]),
  });

  constructor() {
    this.pace.begin();
    this.pace.arm();
  }

  get timers(): number {
    return this.#timers.size;
  }

  to(ms: number): void {
    const untilMs = 1000 + ms;
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.dueMs - b.dueMs);
      if (next === undefined || next.dueMs > untilMs) break;
      this.#timers.delete(next);
      this.nowMs = next.dueMs;
      next.fire();
    }
    this.nowMs = untilMs;
  }
}

test("a node at rest wakes when the core has something to do, and feeds all ticks since", () => {
  const world = new World();
  world.to(610);
  expect(world.fed).toEqual([[200, 4], [400, 4], [600, 4]]);
});

test("ticks of the time before a message are fed before it, and the timer moves with what it changes", () => {
  const world = new World();
  world.to(130);
  world.pace.catchUp();
  expect(world.fed).toEqual([[130, 2]]);
  // A heartbeat that was sent, or heard: nothing is to be done for another six ticks.
  world.restTicks = 6;
  world.pace.rearm();
  world.to(399);
  expect(world.fed).toEqual([[130, 2]]);
  world.to(401);
  expect(world.fed).toEqual([[130, 2], [400, 6]]);
  expect(world.timers).toBe(1);
});

test("a node that loses its leader, or begins to lead, wakes at the next tick, not when it would have", () => {
  const world = new World();
  world.restTicks = 6;
  world.pace.rearm();
  world.to(60);
  world.pace.catchUp();
  world.restTicks = 1;
  world.pace.rearm();
  world.to(151);
  expect(world.fed).toEqual([[60, 1], [100, 1], [150, 1]]);
});

test("no tick is fed twice, and none is lost", () => {
  const world = new World();
  for (let ms = 7; ms < 5000; ms += 37) {
    world.to(ms);
    world.pace.catchUp();
    world.pace.rearm();
  }
  world.to(5000);
  world.pace.catchUp();
  expect(world.fed.reduce((sum, [, ticks]) => sum + ticks, 0)).toBe(5000 / TICK_MS);
});

test("after a pause, half an election timeout is made up for at most", () => {
  const world = new World();
  world.nowMs += 10_000;
  world.pace.catchUp();
  world.pace.catchUp();
  expect(world.fed).toEqual([[10_000, ELECTION_MS / 2 / TICK_MS]]);
});

test("at its end nothing is armed, whatever is asked", () => {
  const world = new World();
  world.pace.end();
  world.restTicks = 1;
  world.pace.rearm();
  world.pace.arm();
  expect(world.timers).toBe(0);
});
