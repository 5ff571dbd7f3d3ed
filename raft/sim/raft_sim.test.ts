import { expect, test } from "bun:test";
import { runRaftSeed } from "./raft_sim.ts";

test("raft keeps its promises under faults, and works again when they end", () => {
  let [elections, applied, reads] = [0, 0, 0];
  for (let seed = 1; seed <= 10; seed++) {
    const result = runRaftSeed(seed, 30_000);
    elections += result.elections;
    applied += result.applied;
    reads += result.reads;
  }
  expect(elections).toBeGreaterThan(20);
  expect(applied).toBeGreaterThan(500);
  expect(reads).toBeGreaterThan(100);
});

test("the same seed gives the same run", () => {
  expect(runRaftSeed(3, 20_000)).toEqual(runRaftSeed(3, 20_000));
});
