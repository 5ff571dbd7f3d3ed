/**
 * A holder that cannot become a primary lets go, and another member is tried; where all fail, the cluster
 * tries again by itself, less and less often. test/mutate breaks the rules, and this file has to notice.
 */
import { expect, test } from "bun:test";
import { World } from "../../raft/sim/mod.ts";
import { askSwitchover } from "./requests.ts";
import { runSeed } from "./run_seed.ts";
import { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const TTL_S = 5;
const LIMIT_MS = 600_000;

function healthy(seed: number): { cluster: SimCluster; primary: SimMember; others: SimMember[] } {
  const world = new World(seed);
  const cluster = new SimCluster(world, new Set(), { ttl: TTL_S, loop_wait: 1, primary_start_timeout: 300 });
  for (const member of cluster.members) member.startAgent();
  expect(world.runUntilHolds(15_000, 50, () => cluster.unhealthy() === null)).toBe(true);
  world.runUntil(world.now() + 8000);
  const primary = cluster.members.find(({ server }) => server.canAcknowledge)!;
  return { cluster, primary, others: cluster.members.filter((member) => member !== primary) };
}

function writes({ server }: SimMember): boolean {
  return server.canAcknowledge;
}

/** ms until another member than `former` writes. */
function replaced({ world, members }: SimCluster, former: SimMember, withinMs: number): number {
  const from = world.now();
  const done = () => members.some((member) => member !== former && writes(member));
  return world.runUntilHolds(from + withinMs, 5, done) ? world.now() - from : Infinity;
}

test("whatever comes together with it: no lock is held in vain", () => {
  const runs = SEEDS.map((seed) =>
    runSeed({ seed, faultsMs: 60_000, broken: new Set(), only: "cannot-lead", trace: null })
  );
  expect(runs.map(({ violation }) => violation)).toEqual(SEEDS.map(() => null));
  expect(Math.max(...runs.map((run) => run.vainMs))).toBeGreaterThan(500);
}, LIMIT_MS);

test("a primary that crashes and does not start again is followed by another member within four ttl", () => {
  for (const seed of SEEDS.slice(0, 3)) {
    const { cluster, primary } = healthy(seed);
    primary.server.hangsAt = "disk";
    primary.server.killed();
    expect(replaced(cluster, primary, 60_000)).toBeLessThan(4 * TTL_S * 1000);
    primary.server.hangsAt = null;
    const { world } = cluster;
    expect(world.runUntilHolds(world.now() + 60_000, 50, () => cluster.unhealthy() === null)).toBe(true);
  }
});

test("a candidate whose hook refuses is followed by another member at once, and the answer says so", () => {
  for (const seed of SEEDS.slice(0, 3)) {
    const { cluster, primary, others: [candidate, other] } = healthy(seed);
    const { world } = cluster;
    candidate!.server.hangsAt = "hook";
    askSwitchover(primary, candidate!.name, "refused");
    expect(world.runUntilHolds(world.now() + 5000, 5, () => !writes(primary))).toBe(true);
    expect(replaced(cluster, primary, 60_000)).toBeLessThan(3500);
    expect(writes(other!)).toBe(true);
    world.runUntil(world.now() + 1000);
    expect(cluster.latestRecords()!.failoverResults.at(-1)).toMatchObject({
      ok: false,
      text: `Switchover failed: ${candidate!.name} could not take over, ${other!.name} did`,
    });
    const { leadFailure } = candidate!.member!.status!;
    expect(leadFailure).toMatchObject({ times: 1, why: "PostgreSQL was not promoted: pre_promote: refused" });
  }
});

test("members that all cannot lead try again by themselves, less and less often", () => {
  for (const seed of SEEDS.slice(0, 3)) {
    const { cluster, primary, others } = healthy(seed);
    const { world } = cluster;
    for (const member of others) member.server.hangsAt = "hook";
    const before = cluster.latestRecords()!.lock.epoch;
    primary.killHost();
    world.runUntil(world.now() + 120_000);
    const { epoch } = cluster.latestRecords()!.lock;
    expect(epoch - before).toBeGreaterThan(2);
    expect(epoch - before).toBeLessThan(12);
    for (const member of others) member.server.hangsAt = null;
    expect(replaced(cluster, primary, 90_000)).toBeLessThan(62_000);
  }
});
