/**
 * A sick primary hands over to a member that is better off, and to none that shares the cause. test/mutate
 * breaks the rules, and this file has to notice.
 */
import { expect, test } from "bun:test";
import { World } from "../../raft/sim/mod.ts";
import type { AilmentCause } from "../model/ailment.ts";
import { runSeed } from "./run_seed.ts";
import { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";

const SEEDS = [1, 2, 3, 4, 5, 6];
const LIMIT_MS = 600_000;
/** A primary holds the lock for so long before it hands over. */
const SETTLED_MS = 70_000;

function settled(seed: number): { cluster: SimCluster; primary: SimMember; others: SimMember[] } {
  const world = new World(seed);
  const cluster = new SimCluster(world, new Set(), { ttl: 5, loop_wait: 1 });
  for (const member of cluster.members) member.startAgent();
  expect(world.runUntilHolds(15_000, 50, () => cluster.unhealthy() === null)).toBe(true);
  world.runUntil(world.now() + SETTLED_MS);
  const primary = cluster.members.find(({ server }) => server.canAcknowledge)!;
  return { cluster, primary, others: cluster.members.filter((member) => member !== primary) };
}

/** ms until another member than `former` writes. */
function replaced({ world, members }: SimCluster, former: SimMember, withinMs: number): number {
  const from = world.now();
  const done = () => members.some((member) => member !== former && member.server.canAcknowledge);
  return world.runUntilHolds(from + withinMs, 5, done) ? world.now() - from : Infinity;
}

function epoch(cluster: SimCluster): number {
  return cluster.latestRecords()!.lock.epoch;
}

test(
  "whatever comes together with it: no sick holder keeps the lock from a member that is better off",
  () => {
    const runs = SEEDS.map((seed) =>
      runSeed({ seed, faultsMs: 300_000, broken: new Set(), only: "sick-disk", trace: null })
    );
    expect(runs.map(({ violation }) => violation)).toEqual(SEEDS.map(() => null));
    expect(Math.max(...runs.map(({ sickMs }) => sickMs))).toBeGreaterThan(100);
  },
  LIMIT_MS,
);

test("a primary that is sick is followed by a member that is not, and nothing is lost", () => {
  for (const cause of ["data-space", "read-only", "hung-disk", "postmaster-hung"] satisfies AilmentCause[]) {
    const { cluster, primary, others: [ill] } = settled(3);
    primary.ailments.begin(cause);
    ill!.ailments.begin(cause);
    expect(replaced(cluster, primary, 30_000)).toBeLessThan(30_000);
    const { world } = cluster;
    // A sick one that has more WAL than the other may come first, and does not stay.
    world.runUntil(world.now() + 100_000);
    expect(cluster.unhealthy()).toBeNull();
    const next = cluster.members.find(({ server }) => server.canAcknowledge)!;
    expect([primary, ill]).not.toContain(next);
    const now = epoch(cluster);
    world.runUntil(world.now() + 100_000);
    expect(epoch(cluster)).toBe(now);
    if (cause === "data-space") expect(cluster.safety.lostBytes).toBe(0);
  }
}, LIMIT_MS);

test("where all members share the cause, the primary stays", () => {
  const { cluster } = settled(4);
  const before = epoch(cluster);
  for (const member of cluster.members) member.ailments.begin("data-space");
  cluster.world.runUntil(cluster.world.now() + 300_000);
  expect(epoch(cluster)).toBe(before);
});

test("where one member after the other is sick, the lock changes once a minute at most", () => {
  const { cluster, primary } = settled(5);
  const { world, members } = cluster;
  const before = epoch(cluster);
  primary.ailments.begin("data-space");
  const untilMs = world.now() + 300_000;
  // Each primary falls sick, and the former one is well again.
  while (world.now() < untilMs) {
    world.runUntil(world.now() + 1000);
    for (const member of members) {
      if (member.server.canAcknowledge) member.ailments.begin("data-space");
      else member.ailments.end("data-space");
    }
  }
  expect(epoch(cluster) - before).toBeGreaterThanOrEqual(2);
  expect(epoch(cluster) - before).toBeLessThanOrEqual(6);
}, LIMIT_MS);
