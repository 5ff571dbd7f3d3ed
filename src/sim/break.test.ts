/**
 * The simulator notices when a rule is missing: the two that show soonest. The others need more seeds, some of them
 * hundreds: npm run sim -- --break RULE --seeds 1000.
 */
import { expect, test } from "bun:test";
import { runSeed } from "./run_seed.ts";

function violationWithin(seeds: number, rule: string): string | null {
  for (let seed = 1; seed <= seeds; seed++) {
    const { violation } = runSeed({ seed, faultsMs: 60_000, broken: new Set([rule]), trace: null });
    if (violation !== null) return violation;
  }
  return null;
}

test("without room for J + K in the lease two servers acknowledge at once", () => {
  expect(violationWithin(200, "no-jk-room")).toMatch(/two writers|epochs/);
}, 60_000);

test("without a full ttl at the beginning of a leadership two servers acknowledge at once", () => {
  expect(violationWithin(200, "no-reset")).toMatch(/two writers|epochs/);
}, 60_000);

test("with all rules on nothing is found, and the same seed gives the same run", () => {
  const run = (seed: number) => runSeed({ seed, faultsMs: 40_000, broken: new Set(), trace: null });
  for (let seed = 1; seed <= 10; seed++) expect(run(seed).violation).toBe(null);
  expect(run(3)).toEqual(run(3));
}, 60_000);
