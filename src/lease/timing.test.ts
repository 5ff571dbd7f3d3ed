import { expect, test } from "bun:test";
import { STOP_BUDGET_MS } from "./stop_budget.ts";
import type { RuleVerdict } from "../model/timing.ts";
import {
  checkTiming,
  leaseFromTtl,
  RHO,
  type RuleTimes,
  timingOf,
  timingReport,
  timingRules,
} from "./timing.ts";

const NO_WATCHDOG = { used: false, why: "watchdog.mode is off" } as const;

test("the lease leaves room for the guard's reaction on clocks that differ by rho", () => {
  for (const ttlMs of [2000, 5000, 20_000, 30_000]) {
    expect(leaseFromTtl(ttlMs) / (1 - RHO) + STOP_BUDGET_MS).toBeLessThanOrEqual(ttlMs / (1 + RHO));
    expect(leaseFromTtl(ttlMs)).toBeGreaterThan(ttlMs - STOP_BUDGET_MS - 0.003 * ttlMs - 2);
  }
});

test("the defaults and the fastest setting keep all inequalities", () => {
  expect(checkTiming(5000, 1000)).toEqual([]);
  expect(checkTiming(2000, 1000)).toEqual([]);
  expect(timingOf(5000)).toMatchObject({ renewMs: 500, killAfterMs: 5000 });
  expect(timingOf(2000).renewMs).toBe(250);
});

test("a ttl that a raft election would not fit into is refused with the numbers", () => {
  const [problem] = checkTiming(2000, 1500);
  expect(problem).toBe(
    "L2 (a raft election must not fence the primary): R 250 + Emax 1500 + round trip and commit 150 = 1900 ms " +
      "must stay below L = 1546 ms; raise ttl or lower the election timeout",
  );
  expect(checkTiming(1000, 1000).join()).toContain("below the minimum");
});

const RULES: readonly [string, Partial<RuleTimes>, RuleVerdict[], number[]][] = [
  // what, changed times, verdicts of I1, I2, L2, margins in whole ms
  ["the defaults", {}, ["holds", "not used", "holds"], [0, 4995, 2890]],
  ["the fastest", { grantTtlMs: 2000, waitTtlMs: 2000 }, ["holds", "not used", "holds"], [0, 1998, 146]],
  ["ttl is being raised", { waitTtlMs: 10_000 }, ["holds", "not used", "holds"], [4995, 9990, 2890]],
  ["a grant beyond the wait", { grantTtlMs: 6000 }, ["broken", "not used", "holds"], [-999, 4995, 3888]],
  ["a slow network", { electionMaxMs: 5000 }, ["holds", "not used", "broken"], [0, 4995, -1110]],
  ["the last election that fits", { electionMaxMs: 3889 }, ["holds", "not used", "holds"], [0, 4995, 1]],
  ["one that does not", { electionMaxMs: 3890 }, ["holds", "not used", "broken"], [0, 4995, 0]],
  ["a ttl below J + K", { grantTtlMs: 400, waitTtlMs: 400 }, ["broken", "not used", "broken"], [
    1,
    400,
    -1451,
  ]],
  ["a watchdog at half the ttl", { watchdog: { used: true, timeoutMs: 2000, windowMs: 2945 } }, [
    "holds",
    "holds",
    "holds",
  ], [0, 0, 2890]],
  ["a watchdog without a margin", { watchdog: { used: true, timeoutMs: 5000, windowMs: 5000 } }, [
    "holds",
    "not promised",
    "holds",
  ], [0, -5055, 2890]],
];

test("each inequality has its sides, its margin and its verdict", () => {
  for (const [what, changed, verdicts, margins] of RULES) {
    const rules = timingRules({
      grantTtlMs: 5000,
      waitTtlMs: 5000,
      electionMaxMs: 1000,
      watchdog: NO_WATCHDOG,
      ...changed,
    });
    expect([what, rules.map(({ verdict }) => verdict)]).toEqual([what, verdicts]);
    expect([what, rules.map(({ marginMs }) => Math.round(marginMs) + 0)]).toEqual([what, margins]);
    for (const { left, leftMs, right, marginMs } of rules) {
      expect(left.reduce((sum, { ms }) => sum + ms, 0)).toBe(leftMs);
      expect(right.ms - leftMs).toBe(marginMs);
    }
  }
});

test("what is refused is what would be shown as broken", () => {
  for (let ttlMs = 2000; ttlMs <= 12_000; ttlMs += 250) {
    for (let electionMaxMs = 500; electionMaxMs <= 10_000; electionMaxMs += 250) {
      const report = timingReport(
        {
          grantTtlMs: ttlMs,
          waitTtlMs: ttlMs,
          electionMaxMs,
          watchdog: NO_WATCHDOG,
          heartbeatMs: 100,
          electionMinMs: 300,
          loopWaitMs: 1000,
          retryTimeoutMs: 1000,
        },
        [],
        300,
      );
      const broken: string[] = report.rules.filter(({ verdict }) => verdict === "broken").map(({ id }) => id);
      expect(checkTiming(ttlMs, electionMaxMs).map((text) => text.slice(0, 2))).toEqual(broken);
    }
  }
});
