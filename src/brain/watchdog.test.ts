/** Timeouts, windows and decisions of the watchdog, as tables. */
import { expect, test } from "bun:test";
import { STOP_BUDGET_MS } from "../lease/stop_budget.ts";
import { leaseFromTtl, RESET_LATENCY_MS, RHO, timingRules } from "../lease/timing.ts";
import {
  careFor,
  feedingWindow,
  judgeTimeout,
  planWatchdog,
  type WatchdogSituation,
  watchdogTimes,
} from "./watchdog.ts";

const TIMEOUTS: readonly [string, number | null, number, number, number | null][] = [
  // what, safety_margin, ttl s, loop_wait s, timeout s (null: unusable)
  ["Patroni's defaults", null, 30, 10, 25],
  ["the shortest ttl of Patroni", null, 20, 10, 15],
  ["below it, half the ttl", null, 19, 3, 9],
  ["our default", null, 5, 1, 2],
  ["the shortest ttl", null, 2, 1, 1],
  ["half the ttl, asked for", -1, 30, 10, 15],
  ["half of an odd ttl is rounded down", -1, 31, 10, 15],
  ["half the ttl as long as loop_wait: no slack, but usable", -1, 20, 10, 10],
  ["half the ttl below loop_wait", -1, 19, 10, null],
  ["a margin as long as the ttl", 5, 5, 1, null],
  ["a margin longer than the ttl", 60, 30, 10, null],
  ["no margin", 0, 30, 10, 30],
  ["longer than any device can", 5, 100_000, 10, 65534],
];

for (const [what, margin, ttlS, loopWaitS, timeoutS] of TIMEOUTS) {
  test(`timeout: ${what}`, () => {
    const plan = planWatchdog(margin, ttlS * 1000, loopWaitS);
    expect(plan.kind === "usable" ? plan.timeoutS : null).toBe(timeoutS);
  });
}

test("a plan that does not work says why, with the numbers", () => {
  expect(planWatchdog(5, 5000, 1)).toEqual({
    kind: "unusable",
    problem: "ttl 5 s with a margin of 5 leaves the watchdog 0 s, which must be at least loop_wait (1 s)",
  });
});

test("a device may be faster than asked, not slower than the argument allows, and not faster than the loop", () => {
  expect(judgeTimeout(25, 25, 10).kind).toBe("good");
  expect(judgeTimeout(12, 25, 10).kind).toBe("good");
  expect(judgeTimeout(9, 25, 10).kind).toBe("useless");
  expect(judgeTimeout(60, 25, 10)).toEqual({
    kind: "late",
    text: "the device's timeout is 60 s and cannot be set to 25 s: " +
      "a reset may come after another member was granted the lock",
  });
});

test("for every ttl, the last feeding and the timeout end before another member may be granted the lock", () => {
  for (let ttlS = 2; ttlS <= 300; ttlS++) {
    for (const margin of [null, -1, 1, 2, 5, 10]) {
      const plan = planWatchdog(margin, ttlS * 1000, 1);
      if (plan.kind === "unusable") continue;
      const { windowMs, proven } = feedingWindow(plan.timeoutS, ttlS * 1000);
      expect(proven).toBe(true);
      const resetMs = windowMs + 1000 * plan.timeoutS + RESET_LATENCY_MS;
      expect(resetMs).toBeLessThanOrEqual((ttlS * 1000) / (1 + RHO));
      // And not before the guard has had its time: it freezes first, and the watchdog stands behind it.
      expect(windowMs + 1000 * plan.timeoutS).toBeGreaterThanOrEqual(
        leaseFromTtl(ttlS * 1000) + STOP_BUDGET_MS / 2,
      );
    }
  }
});

test("without a margin nothing is promised, and only an acknowledgement feeds", () => {
  expect(feedingWindow(30, 30_000)).toEqual({ windowMs: 30_000, proven: false });
  expect(feedingWindow(60, 30_000)).toEqual({ windowMs: 60_000, proven: false });
});

const HOLDER: WatchdogSituation = {
  nowMs: 10_000,
  unwanted: false,
  leaseRuns: true,
  harmless: false,
  frozen: false,
  unstoppable: false,
  sentMs: 9_500,
  window: feedingWindow(2, 5000),
};
const LOST: Partial<WatchdogSituation> = { leaseRuns: false };

const CARE: readonly [string, Partial<WatchdogSituation>, ReturnType<typeof careFor>][] = [
  ["a holder whose renewal was acknowledged lately", {}, "feed"],
  ["a holder with no acknowledgement within the window", { sentMs: 10_000 - 2_946 }, "starve"],
  ["the last moment of the window", { sentMs: 10_000 - 2_945 }, "feed"],
  ["a holder without any acknowledgement", { sentMs: null }, "starve"],
  ["a holder without a proven window", { window: feedingWindow(5, 5000) }, "starve"],
  ["a holder whose PostgreSQL crashed keeps it", { harmless: true, sentMs: null }, "starve"],
  ["the lease over, PostgreSQL may still be a primary", LOST, "starve"],
  ["the lease over, every process of PostgreSQL stopped", { ...LOST, frozen: true }, "feed"],
  ["the lease over, no PostgreSQL, or a standby", { ...LOST, harmless: true }, "stop"],
  ["the same with nowayout", { ...LOST, harmless: true, unstoppable: true }, "feed"],
  ["nowayout does not excuse a primary without a lease", { ...LOST, unstoppable: true }, "starve"],
  ["paused or switched off", { unwanted: true }, "stop"],
  ["paused, nowayout: PostgreSQL must survive everything", { unwanted: true, unstoppable: true }, "feed"],
];

for (const [what, change, care] of CARE) {
  test(`${care}: ${what}`, () => {
    expect(careFor({ ...HOLDER, ...change })).toBe(care);
  });
}

test("I2 holds exactly where the feeding window is proven", () => {
  for (let ttlS = 2; ttlS <= 60; ttlS++) {
    for (const safetyMarginS of [null, -1, 0, 1, 5]) {
      for (const runningS of [null, 1, 2, 4, 15]) {
        const ttlMs = 1000 * ttlS;
        const watchdog = watchdogTimes({ mode: "automatic", safetyMarginS }, ttlMs, 1, runningS, null);
        if (!watchdog.used) continue;
        const [, i2] = timingRules({ grantTtlMs: ttlMs, waitTtlMs: ttlMs, electionMaxMs: 1000, watchdog });
        const { proven } = feedingWindow(watchdog.timeoutMs / 1000, ttlMs);
        expect([ttlS, safetyMarginS, runningS, i2!.verdict]).toEqual(
          [ttlS, safetyMarginS, runningS, proven ? "holds" : "not promised"],
        );
      }
    }
  }
});

test("a watchdog that is not used says why", () => {
  const of = (
    ...[mode, ttlMs, runningS, problem]: ["off" | "required", number, number | null, string | null]
  ) => watchdogTimes({ mode, safetyMarginS: null }, ttlMs, 3, runningS, problem);
  expect(of("off", 5000, null, null)).toEqual({ used: false, why: "watchdog.mode is off" });
  expect(of("required", 20_000, null, "in use")).toEqual({ used: false, why: "in use" });
  expect(of("required", 5000, null, null)).toMatchObject({ used: false });
  expect(of("required", 20_000, null, null)).toEqual({ used: true, timeoutMs: 15_000, windowMs: 4930 });
  expect(of("required", 20_000, 10, "in use")).toMatchObject({ used: true, timeoutMs: 10_000 });
});
