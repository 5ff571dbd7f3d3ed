import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SystemClock } from "./clock.ts";
import { closeWakeProfile, openWakeProfile, timed, timedClock } from "./wake_profile.ts";

const directory = mkdtempSync(join(tmpdir(), "wakes-"));
afterEach(() => {
  closeWakeProfile();
  rmSync(directory, { recursive: true, force: true });
});

test("nothing is wrapped where nothing is counted", () => {
  const clock = new SystemClock();
  const call = () => {};
  expect(timedClock("timer", clock)).toBe(clock);
  expect(timed("call", call)).toBe(call);
});

test("work counts by its kind, and within other work for the inner kind only", () => {
  openWakeProfile(join(directory, "wakes.json"));
  const busy = (ms: number) => {
    for (const untilMs = performance.now() + ms; performance.now() < untilMs;);
  };
  const inner = timed((ms: number) => `inner ${ms}`, (ms: number) => busy(ms));
  const outer = timed("outer", () => inner(30));
  outer();
  outer();
  expect(() =>
    timed("outer", () => {
      throw new Error("ends the work, too");
    })()
  ).toThrow();
  const { kinds, mainCpuMs } = closeWakeProfile()!;
  expect(kinds["outer"]!.count).toBe(3);
  expect(kinds["inner 30"]!.count).toBe(2);
  expect(kinds["outer"]!.cpuMs).toBeLessThan(kinds["inner 30"]!.cpuMs);
  expect(kinds["inner 30"]!.cpuMs).toBeLessThanOrEqual(mainCpuMs);
});
