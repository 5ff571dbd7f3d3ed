/**
 * A synchronous standby that streams and flushes nothing is not waited for, and counts again once it keeps
 * up; nothing that was acknowledged is lost on the way.
 */
import { expect, test } from "bun:test";
import { World } from "../../raft/sim/mod.ts";
import { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";

const SEEDS = [1, 2];
const LIMIT_MS = 300_000;

function synchronous(seed: number) {
  const world = new World(seed);
  const config = { ttl: 5, loop_wait: 10, synchronous_mode: "on" };
  const cluster = new SimCluster(world, new Set(), config);
  for (const member of cluster.members) member.startAgent();
  expect(world.runUntilHolds(30_000, 50, () => cluster.unhealthy() === null)).toBe(true);
  world.runUntil(world.now() + 8000);
  const primary = cluster.members.find(({ server }) => server.canAcknowledge)!;
  const [voter] = namedBy(cluster);
  const synced = cluster.find(voter!)!;
  const other = cluster.members.find((one) => one !== primary && one !== synced)!;
  return { world, cluster, primary, synced, other };
}

const namedBy = (cluster: SimCluster) => cluster.latestRecords()!.sync.syncStandby;

/** ms until another commit is acknowledged. */
function untilAcknowledged({ world, surviving }: SimCluster): number {
  const [from, before] = [world.now(), surviving.counts.acknowledged];
  const done = () => surviving.counts.acknowledged > before;
  return world.runUntilHolds(from + 60_000, 5, done) ? world.now() - from : Infinity;
}

/** The names of the synchronous standbys, each time that they change, for so long. */
function changes(cluster: SimCluster, forMs: number): string[] {
  const { world } = cluster;
  const seen: string[] = [];
  for (const endMs = world.now() + forMs; world.now() < endMs; world.runUntil(world.now() + 50)) {
    const now = namedBy(cluster).join();
    if (seen.at(-1) !== now) seen.push(now);
  }
  return seen;
}

function stopsFlushing(cluster: SimCluster, { server }: SimMember): void {
  server.receivesNothing = true;
  // What it had before may still be on its way.
  cluster.world.runUntil(cluster.world.now() + 100);
}

test("another one takes its place, and stays", () => {
  for (const seed of SEEDS) {
    const { cluster, synced, other } = synchronous(seed);
    stopsFlushing(cluster, synced);
    expect(untilAcknowledged(cluster)).toBeLessThan(4000);
    expect(changes(cluster, 10_000).at(-1)).toBe(other.name);
    synced.server.receivesNothing = false;
    expect(changes(cluster, 15_000)).toEqual([other.name]);
  }
}, LIMIT_MS);

test("without another one commits wait for nobody, until it keeps up again", () => {
  for (const seed of SEEDS) {
    const { cluster, synced, other } = synchronous(seed);
    other.killHost();
    stopsFlushing(cluster, synced);
    expect(untilAcknowledged(cluster)).toBeLessThan(8000);
    expect(changes(cluster, 10_000)).toEqual([""]);
    synced.server.receivesNothing = false;
    expect(changes(cluster, 10_000)).toEqual(["", synced.name]);
  }
}, LIMIT_MS);
