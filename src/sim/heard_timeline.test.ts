/** A standby has heard of a timeline whose member is gone, and its server waits for that. */
import { expect, test } from "bun:test";
import { World } from "../../raft/sim/mod.ts";
import { SimCluster } from "./sim_cluster.ts";
import { Branch } from "./wal.ts";

test("a standby that knows of a timeline that nobody is on streams again after a start without it", () => {
  for (const seed of [1, 2, 3]) {
    const world = new World(seed);
    const cluster = new SimCluster(world, new Set(), { ttl: 5, loop_wait: 1 });
    for (const member of cluster.members) member.startAgent();
    expect(world.runUntilHolds(15_000, 50, () => cluster.unhealthy() === null)).toBe(true);
    world.runUntil(world.now() + 5000);
    const { server } = cluster.members.find((member) => !member.server.canAcknowledge)!;
    const { branch } = server.directory.position!;
    const gone = new Branch(branch.timeline + 1, branch.systemId, server.directory.position, "gone");
    server.directory.histories.fetch(gone);
    // Its connection is lost, and PostgreSQL goes by what it has heard.
    server.killed();
    expect(world.runUntilHolds(world.now() + 3000, 5, () => server.answers && !server.streaming)).toBe(true);
    expect(world.runUntilHolds(world.now() + 20_000, 50, () => server.streaming)).toBe(true);
    expect(server.directory.histories.latest).toBe(0);
    expect(world.runUntilHolds(world.now() + 5000, 50, () => cluster.unhealthy() === null)).toBe(true);
  }
}, 60_000);
