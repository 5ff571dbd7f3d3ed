/**
 * The simulator notices when a rule of synchronous replication is missing: a later primary then lacks what
 * was acknowledged. With all rules the same ambushes on the same seeds find nothing.
 */
import { expect, test } from "bun:test";
import type { SyncRule } from "../dcs/broken_rules.ts";
import { runSeed } from "./run_seed.ts";
import { SURVIVE } from "./surviving_commits.ts";

/** All of it is computing: what takes half a minute alone takes minutes on a machine that others use. */
const LIMIT_MS = 600_000;
const MOST_SEEDS = 20;

const RULES: readonly SyncRule[] = [
  "sync-uncut",
  "sync-early-end",
  "sync-old-vote",
  "sync-one-vote",
  "sync-data-forgotten",
  "sync-grant-by-name",
  "sync-set-first",
  "sync-mixed-senders",
  "sync-late-record",
  "sync-off-unlogged",
  "sync-log-first",
  "sync-degrade-alone",
  "sync-promote-bare",
  "sync-checkpointer-late",
  "sync-stale-sender",
  "sync-first-unlogged",
  "sync-put-back",
  "sync-start-unlooked",
];

for (const rule of RULES) {
  test(`${rule}: without the rule something acknowledged is lost`, () => {
    for (let seed = 1; seed <= MOST_SEEDS; seed++) {
      const { violation } = runSeed({ seed, faultsMs: 60_000, broken: new Set([rule]), trace: null });
      if (violation === null) continue;
      expect(violation).toContain(SURVIVE);
      return;
    }
    throw new Error(`no run shows that ${rule} is missing`);
  }, LIMIT_MS);
}

test("with all rules nothing is lost, though former primaries go on beside their successors", () => {
  const runs = Array.from(
    { length: 12 },
    (_, at) => runSeed({ seed: at + 1, faultsMs: 40_000, broken: new Set(), sync: true, trace: null }),
  );
  expect(runs.map(({ violation }) => violation)).toEqual(runs.map(() => null));
  const sum = (count: (run: typeof runs[number]) => number) => runs.reduce((all, run) => all + count(run), 0);
  expect(sum(({ sync }) => sync.acknowledged)).toBeGreaterThan(2000);
  expect(sum(({ sync }) => sync.elected)).toBeGreaterThan(3);
}, LIMIT_MS);
