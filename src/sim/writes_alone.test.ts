/**
 * A standby that somebody promotes past its agent: it is ended while the holder is heard, and comes last in
 * the choice of a successor. test/mutate breaks both rules, and this file has to notice.
 */
import { expect, test } from "bun:test";
import { World } from "../../raft/sim/mod.ts";
import { askPause, resume } from "./requests.ts";
import { runSeed } from "./run_seed.ts";
import { SimCluster } from "./sim_cluster.ts";

/** Some of these lack a member at times, so that nobody but the former holder is left. */
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
const LIMIT_MS = 600_000;

test("whatever comes together with it: it is ended in time, or loses nothing by being chosen", () => {
  const runs = SEEDS.map((seed) =>
    runSeed({ seed, faultsMs: 60_000, broken: new Set(), only: "hand-promotion", trace: null })
  );
  expect(runs.map(({ violation }) => violation)).toEqual(SEEDS.map(() => null));
  // It has had its effect: some wrote beside a holder that was heard, for a part of a second.
  const aloneMs = Math.max(...runs.map((run) => run.aloneMs));
  expect(aloneMs).toBeGreaterThan(100);
  expect(aloneMs).toBeLessThan(1200);
}, LIMIT_MS);

test("in maintenance mode it is left alone, and ended when that is over", () => {
  for (const seed of SEEDS.slice(0, 3)) {
    const world = new World(seed);
    const cluster = new SimCluster(world, new Set(), { ttl: 5 });
    for (const member of cluster.members) member.startAgent();
    expect(world.runUntilHolds(15_000, 50, () => cluster.unhealthy() === null)).toBe(true);
    const [first] = cluster.members;
    const standby = cluster.members.find(({ server }) => server.inRecovery)!;
    expect(askPause(first!, true)).toBe(true);
    world.runUntil(world.now() + 1000);
    standby.server.promote(null);
    world.runUntil(world.now() + 5000);
    expect(standby.server.writesAlone).toBe(true);
    resume(cluster);
    expect(world.runUntilHolds(world.now() + 2500, 20, () => !standby.server.canAcknowledge)).toBe(true);
    expect(world.runUntilHolds(world.now() + 20_000, 50, () => cluster.unhealthy() === null)).toBe(true);
    expect(cluster.safety.failovers).toBe(0);
  }
});
