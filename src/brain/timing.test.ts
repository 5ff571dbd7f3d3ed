import { expect, test } from "bun:test";
import { checkTiming, JK_MS, leaseFromTtl, RHO, timingOf } from "./timing.ts";

test("the lease leaves room for the guard's reaction on clocks that differ by rho", () => {
  for (const ttlMs of [2000, 5000, 20_000, 30_000]) {
    expect(leaseFromTtl(ttlMs) / (1 - RHO) + JK_MS).toBeLessThanOrEqual(ttlMs / (1 + RHO));
    expect(leaseFromTtl(ttlMs)).toBeGreaterThan(ttlMs - JK_MS - 0.003 * ttlMs - 2);
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
  expect(problem).toContain("L2");
  expect(problem).toContain("1900 ms");
  expect(checkTiming(1000, 1000).join()).toContain("below the minimum");
});
