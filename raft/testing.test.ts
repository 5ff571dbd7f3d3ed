import { expect, test } from "bun:test";
import { cpuMs, Inputs } from "./testing.ts";

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

test("what is kept after the inputs is bounded", () => {
  const inputs = new Inputs("a test", 4);
  const kept: unknown[] = [];
  for (let n = 0; n < 4; n++) {
    inputs.tried(() => kept.push(Array(1e6).fill(0).map((_, i) => ({ i }))), 60_000);
  }
  expect(() => inputs.end()).toThrow("more are kept");
  expect(kept.length).toBe(4);
});
