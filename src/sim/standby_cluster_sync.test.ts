/** Synchronous modes of a cluster that follows another one, and is promoted and demoted. */
import { expect, test } from "bun:test";
import { World } from "../../raft/sim/mod.ts";
import type { JsonObject } from "../model/json.ts";
import { STANDBY_CLUSTER } from "./remote.ts";
import { setStandbyCluster } from "./requests.ts";
import { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";
import { contains } from "./wal.ts";

const SEEDS = [1, 2, 3];
const MODES: readonly JsonObject[] = [
  { synchronous_mode: "on", synchronous_node_count: 1 },
  { synchronous_mode: "quorum", synchronous_node_count: 1 },
  { synchronous_mode: "quorum", synchronous_node_count: 2, synchronous_mode_strict: true },
];
const LIMIT_MS = 300_000;

function holds(cluster: SimCluster, withinMs: number, condition: () => boolean): void {
  expect(cluster.world.runUntilHolds(cluster.world.now() + withinMs, 1, condition)).toBe(true);
}

function settles(cluster: SimCluster, withinMs: number): void {
  holds(cluster, withinMs, () => cluster.unhealthy() === null);
  // The members have heard of it, and of each other.
  cluster.world.runUntil(cluster.world.now() + 3000);
}

function standbyCluster(seed: number, mode: JsonObject): SimCluster {
  const config = { ttl: 3, loop_wait: 1, standby_cluster: STANDBY_CLUSTER, ...mode };
  const cluster = new SimCluster(new World(seed), new Set(), config);
  cluster.safety.readOnly = true;
  cluster.remoteAddress.start();
  for (const member of cluster.members) member.startAgent();
  settles(cluster, 20_000);
  return cluster;
}

/** promote-cluster, until a first commit is acknowledged. */
function promote(cluster: SimCluster): SimMember {
  cluster.safety.readOnly = false;
  const leader = cluster.find(cluster.latestRecords()!.lock.holder!)!;
  expect(setStandbyCluster(leader, null)).toBe(true);
  holds(
    cluster,
    10_000,
    () => leader.server.canAcknowledge && leader.server.directory.position!.branch.acks > 0,
  );
  return leader;
}

test("promote-cluster: the first commit is promised already, and who takes over at once has it", () => {
  for (const mode of MODES) {
    for (const seed of SEEDS) {
      const cluster = standbyCluster(seed, mode);
      expect(cluster.latestRecords()!.sync.leader).toBe(null);
      const leader = promote(cluster);
      const { sync } = cluster.latestRecords()!;
      expect([sync.leader, sync.syncStandby.length > sync.quorum]).toEqual([leader.name, true]);
      expect(cluster.surviving.counts.acknowledged).toBeGreaterThan(0);
      const { branch } = leader.server.directory.position!;
      leader.killHost();
      const next = () => cluster.members.find((one) => one !== leader && one.server.writesUnderLock);
      holds(cluster, 30_000, () => next() !== undefined);
      expect(contains(next()!.server.directory.position!, { branch, lsn: branch.promisedLsn })).toBe(true);
      leader.boot();
      settles(cluster, 60_000);
    }
  }
}, LIMIT_MS);

test(
  "demote-cluster ends the promise, and what is acknowledged after the next promote-cluster counts again",
  () => {
    for (const mode of MODES) {
      for (const seed of SEEDS) {
        const cluster = standbyCluster(seed, mode);
        const { surviving, safety } = cluster;
        const leader = promote(cluster);
        settles(cluster, 30_000);
        expect(setStandbyCluster(leader, STANDBY_CLUSTER)).toBe(true);
        holds(cluster, 10_000, () => cluster.latestRecords()!.sync.leader === null);
        expect(surviving.counts.ended).toBe(1);
        safety.readOnly = true;
        settles(cluster, 60_000);
        const before = surviving.counts.acknowledged;
        const again = promote(cluster);
        expect(surviving.counts.acknowledged).toBeGreaterThan(before);
        expect(cluster.latestRecords()!.sync.leader).toBe(again.name);
      }
    }
  },
  LIMIT_MS,
);
