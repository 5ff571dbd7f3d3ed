/**
 * A standby that is ahead of the others, and busy at the moment of the choice, is chosen all the same. One
 * whose last report has waited while the raft leader stood still counts as last heard before that.
 */
import { expect, test } from "bun:test";
import { World } from "../../raft/sim/mod.ts";
import { SimCluster } from "./sim_cluster.ts";

const LIMIT_MS = 300_000;

/** A healthy cluster of three, whose raft leader is a standby. */
function healthy(seed: number) {
  const world = new World(seed);
  const cluster = new SimCluster(world, new Set(), { ttl: 5, loop_wait: 1 });
  for (const member of cluster.members) member.startAgent();
  expect(world.runUntilHolds(15_000, 50, () => cluster.unhealthy() === null)).toBe(true);
  world.runUntil(world.now() + 8000);
  const primary = cluster.members.find(({ server }) => server.canAcknowledge)!;
  const leader = cluster.leader()!;
  const other = cluster.members.find((one) => one !== primary && one !== leader)!;
  expect(leader).not.toBe(primary);
  return { world, cluster, primary, leader, other };
}

test("a standby whose report is late is not passed over for one with less WAL", () => {
  for (const seed of [1, 2, 3, 4]) {
    // The raft leader chooses, and its own report is there at once.
    const { world, cluster, primary, leader: stale, other: ahead } = healthy(seed);
    stale.server.receivesNothing = true;
    world.runUntil(world.now() + 2000);
    primary.killHost();
    const holders: (string | null)[] = [];
    cluster.watchLock(({ holder }) => {
      if (holder === null && !holders.includes(null)) ahead.agent.pause(700);
      if (holders.at(-1) !== holder) holders.push(holder);
    });
    const isWriter = () => [stale, ahead].some(({ server }) => server.writesUnderLock);
    expect(world.runUntilHolds(world.now() + 30_000, 5, isWriter)).toBe(true);
    expect(holders.filter((holder) => holder !== null && holder !== primary.name)).toEqual([ahead.name]);
  }
}, LIMIT_MS);

test("a standby that died while the raft leader stood still is not chosen by what it had said before", () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const { world, cluster, primary, leader, other } = healthy(seed);
    // By its WAL the other standby would be chosen.
    leader.server.receivesNothing = true;
    world.runUntil(world.now() + 2000);
    primary.agent.pause(9000);
    const { epoch } = cluster.latestRecords()!.lock;
    const granted: string[] = [];
    cluster.watchLock((lock) => {
      if (lock.epoch > epoch && lock.holder !== null) granted.push(lock.holder);
    });
    const sawFree = () => other.member?.status?.lockFreeSeen === true;
    expect(world.runUntilHolds(world.now() + 10_000, 1, sawFree)).toBe(true);
    // Its report of the free lock is on its way.
    leader.agent.pause(3500);
    world.runUntil(world.now() + 50);
    other.killHost();
    expect(world.runUntilHolds(world.now() + 30_000, 5, () => granted.length > 0)).toBe(true);
    expect(granted).not.toContain(other.name);
  }
}, LIMIT_MS);
