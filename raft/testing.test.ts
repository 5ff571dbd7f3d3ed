import { expect, test } from "bun:test";
import fc from "fast-check";
import { assertFor, cpuMs, Inputs } from "./testing.ts";

function spin(ms: number): void {
  for (const endMs = cpuMs() + ms; cpuMs() < endMs;);
}

test("an input that is slow each time is refused; one that was slow once is not", async () => {
  const inputs = new Inputs("a test", 10);
  await expect(inputs.tried(() => spin(30), 10) ?? Promise.resolve()).rejects.toThrow("of CPU time");
  let calls = 0;
  await inputs.tried(() => calls++ === 0 ? spin(30) : undefined, 10);
  expect(calls).toBe(2);
  await inputs.tried(() => Promise.resolve(calls++), 1000);
  expect(calls).toBe(3);
});

test("inputs are counted, or given for a time", async () => {
  const counted = new Inputs("a test", 3);
  expect([0, 2, 3].map((given) => counted.wants(given))).toEqual([true, true, false]);
  const timed = new Inputs("a test", 3, 0.05);
  expect(timed.wants(1e6)).toBe(true);
  spin(60);
  expect(timed.wants(0)).toBe(false);
  const runs = new Inputs("a test", 250);
  await assertFor(runs, fc.asyncProperty(fc.nat(), async () => void await runs.tried(() => {})));
  expect(runs.done).toBe(250);
});

test("what is kept after the inputs is bounded", () => {
  const inputs = new Inputs("a test", 4);
  const kept: unknown[] = [];
  for (let n = 0; n < 4; n++) {
    inputs.tried(() => kept.push(Array(1e6).fill(0).map((_, i) => ({ i }))), 60_000);
  }
  expect(() => inputs.end()).toThrow("more are kept");
  expect(kept.length).toBe(4);
});
