import { expect, test } from "bun:test";
import type { BrokenRule } from "../core/broken_rules.ts";
import { runRaftSeed } from "./raft_sim.ts";

/** Violation that the first run to find one finds; null: none. */
function violationWithin(seeds: number, rule: BrokenRule, faultsMs = 30_000): string | null {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      runRaftSeed({ seed, faultsMs, broken: new Set([rule]) });
    } catch (error) {
      return (error as Error).message;
    }
  }
  return null;
}

test("raft keeps its promises under faults, and works again when they end", () => {
  let [elections, applied, reads, recoveries] = [0, 0, 0, 0];
  // About one run in seven loses its majority: every change of what a seed draws changes which ones.
  for (let seed = 1; seed <= 10 || (recoveries === 0 && seed <= 100); seed++) {
    const result = runRaftSeed({ seed, faultsMs: 30_000 });
    elections += result.elections;
    applied += result.applied;
    reads += result.reads;
    recoveries += result.faults["lost-majority"] ?? 0;
  }
  expect(recoveries).toBeGreaterThan(0);
  expect(elections).toBeGreaterThan(20);
  expect(applied).toBeGreaterThan(500);
  expect(reads).toBeGreaterThan(100);
});

test("a recovered cluster without what its survivor did not know to be committed is found", () => {
  expect(violationWithin(50, "recover-committed")).toMatch("survivor's log remain");
});

test("a recovered cluster that keeps its id is found by what the old members do to it", () => {
  expect(violationWithin(150, "recover-same-id")).not.toBe(null);
});

test("the same seed gives the same run", () => {
  expect(runRaftSeed({ seed: 3, faultsMs: 20_000 })).toEqual(runRaftSeed({ seed: 3, faultsMs: 20_000 }));
});

test("an acknowledgement before the write is durable is found", () => {
  expect(violationWithin(50, "ack-before-fsync")).not.toBe(null);
});

test("a change of the members that counts on disks that hang is found", () => {
  // One run in four shows it.
  const violation = violationWithin(50, "count-hung-disks", 60_000);
  expect(violation).toMatch(/a majority that can write|no working group/);
});

test("a vote that is not persisted is found", () => {
  expect(violationWithin(50, "vote-not-persisted")).toMatch("vote");
});

test("an entry of an older term that is committed by counting is found", () => {
  expect(violationWithin(200, "commit-old-term")).toMatch("own term");
});
