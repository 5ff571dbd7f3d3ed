/**
 * The simulator notices when a rule of the lease, or of the recovery from a lost majority, is missing: each
 * is switched off, and the ambush that is laid for it makes two servers acknowledge at once. With all rules
 * the same ambushes on the same seeds find nothing.
 */
import { expect, test } from "bun:test";
import type { BrokenRule } from "../dcs/broken_rules.ts";
import { type ClusterFault, faultsAgainst, LEASE_RULES } from "./faults/fault_kinds.ts";
import { type RunResult, runSeed } from "./run_seed.ts";

/** All of it is computing: what takes half a minute alone takes minutes on a machine that others use. */
const LIMIT_MS = 600_000;
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
/**
 * A recovery from a lost majority shows a missing rule on a quarter of the seeds: ten may hold one of these
 * alone.
 */
const MORE_SEEDS = [...SEEDS, ...SEEDS.map((seed) => seed + 10)];

const RULES: readonly BrokenRule[] = [
  ...LEASE_RULES,
  "shutdown-unproven",
  "recover-at-once",
  "recover-old-epochs",
];

/** As many of the seeds have to show that a rule is missing. The search ends with the last of them. */
const ENOUGH = 2;

function ambushed(seed: number, only: ClusterFault, broken: readonly BrokenRule[]): RunResult {
  return runSeed({ seed, faultsMs: 60_000, broken: new Set(broken), only, trace: null });
}

function violationsWithout(rule: BrokenRule, seeds: readonly number[]): string[] {
  const found: string[] = [];
  for (const seed of seeds) {
    const { violation } = ambushed(seed, faultsAgainst(rule), [rule]);
    if (violation !== null && found.push(violation) === ENOUGH) break;
  }
  return found;
}

/** Other runs have all rules and each ambush: these only show that it is laid, and harmless. */
const LAWFUL_SEEDS = SEEDS.slice(0, 5);
/** Rules with the same ambush have the same runs. */
const lawful = new Map<ClusterFault, readonly RunResult[]>();

function withAllRules(only: ClusterFault): readonly RunResult[] {
  const runs = lawful.get(only) ?? LAWFUL_SEEDS.map((seed) => ambushed(seed, only, []));
  lawful.set(only, runs);
  return runs;
}

for (const rule of RULES) {
  const only = faultsAgainst(rule);
  const seeds = rule.startsWith("recover-") ? MORE_SEEDS : SEEDS;

  test(`${rule}: without the rule two servers acknowledge at once, with it nothing is found`, () => {
    const without = violationsWithout(rule, seeds);
    expect(without.length).toBe(ENOUGH);
    expect(without[0]).toMatch(/two writers|epochs/);
    const withRule = withAllRules(only);
    expect(withRule.map(({ violation }) => violation)).toEqual(LAWFUL_SEEDS.map(() => null));
    const laid = withRule.map(({ faults }) => faults[only] ?? 0);
    expect(laid.reduce((sum, count) => sum + count)).toBeGreaterThan(5);
  }, LIMIT_MS);
}

test("with all rules on nothing is found, and the same seed gives the same run", () => {
  const run = (seed: number) => runSeed({ seed, faultsMs: 40_000, broken: new Set(), trace: null });
  const runs = LAWFUL_SEEDS.map(run);
  expect(runs.map(({ violation }) => violation)).toEqual(LAWFUL_SEEDS.map(() => null));
  expect(run(3)).toEqual(runs[2]!);
}, LIMIT_MS);
