/** A standby that is ahead of the others, and busy at the moment of the choice, is chosen all the same. */
import { expect, test } from "bun:test";
import { World } from "../../raft/sim/mod.ts";
import { SimCluster } from "./sim_cluster.ts";

const LIMIT_MS = 300_000;

test("a standby whose report is late is not passed over for one with less WAL", () => {
  for (const seed of [1, 2, 3, 4]) {
    const world = new World(seed);
    const cluster = new SimCluster(world, new Set(), { ttl: 5, loop_wait: 1 });
    for (const member of cluster.members) member.startAgent();
    expect(world.runUntilHolds(15_000, 50, () => cluster.unhealthy() === null)).toBe(true);
    world.runUntil(world.now() + 8000);
    const primary = cluster.members.find(({ server }) => server.canAcknowledge)!;
    // It chooses, and its own report is there at once.
    const stale = cluster.leader()!;
    const ahead = cluster.members.find((one) => one !== primary && one !== stale)!;
    expect(stale).not.toBe(primary);
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
