/** Servers that run without an agent: those of no cluster are taken over, and a cluster's own are stopped. */
import { expect, test } from "bun:test";
import { cutFault, directionsOf, World } from "../../raft/sim/mod.ts";
import { runByHand } from "./origin.ts";
import { SimCluster } from "./sim_cluster.ts";

const SEEDS = [1, 2, 3, 4, 5];
/** A look at the server, and its backends' end. */
const STOPPED_WITHIN_MS = 2500;

function becomesHealthy(cluster: SimCluster, withinMs: number): void {
  const { world } = cluster;
  world.runUntilHolds(world.now() + withinMs, 50, () => cluster.unhealthy() === null);
  expect(cluster.unhealthy()).toBe(null);
}

test("a primary and its standbys that run are taken over while they run, whichever agent comes first", () => {
  for (const seed of SEEDS) {
    const world = new World(seed);
    const cluster = new SimCluster(world, new Set(), { ttl: 5 });
    runByHand(cluster);
    const pids = cluster.members.map(({ server }) => server.pid);
    const [primary] = cluster.members;
    const random = world.random.split("order");
    for (const member of cluster.members) world.after(random.between(0, 5000), () => member.startAgent());
    becomesHealthy(cluster, 30_000);
    const isManaged = () => cluster.members.every(({ server }) => !server.directory.unmanaged);
    expect(world.runUntilHolds(world.now() + 5000, 50, isManaged)).toBe(true);
    expect(cluster.members.map(({ server }) => server.pid)).toEqual(pids);
    expect(primary!.server).toMatchObject({ epoch: 1, canAcknowledge: true });
    // From now on it is fenced like any other.
    primary!.killAgent(false);
    const successor = () => cluster.members.some(({ server }) => server.writesUnderLock && server.epoch! > 1);
    expect(world.runUntilHolds(world.now() + 15_000, 20, successor)).toBe(true);
  }
});

test("a host that boots cut off, and whose service starts the former primary, has it stopped at once", () => {
  for (const seed of SEEDS) {
    const world = new World(seed);
    const cluster = new SimCluster(world, new Set(), { ttl: 5 });
    for (const member of cluster.members) member.startAgent();
    becomesHealthy(cluster, 20_000);
    const old = cluster.members.find(({ server }) => server.writesUnderLock)!;
    cutFault(cluster.network, directionsOf(old.id, cluster.ids()), 60_000);
    old.killHost();
    const successor = () => cluster.members.some(({ server }) => server.writesUnderLock);
    expect(world.runUntilHolds(world.now() + 15_000, 20, successor)).toBe(true);
    expect(old.server.start(null, true)).toBe(true);
    old.boot();
    expect(world.runUntilHolds(world.now() + 5000, 5, () => old.server.canAcknowledge)).toBe(true);
    const sinceMs = world.now();
    world.runUntilHolds(sinceMs + 20_000, 5, () => !old.server.canAcknowledge);
    expect(world.now() - sinceMs).toBeLessThan(STOPPED_WITHIN_MS);
    // Nothing starts it again before the records are known.
    world.runUntil(world.now() + 10_000);
    expect(old.server.anyProcess).toBe(false);
  }
});

test("while the only member with data is away, no member without data makes a new cluster, until it is removed", () => {
  for (const seed of SEEDS) {
    const world = new World(seed);
    const cluster = new SimCluster(world, new Set(), { ttl: 5 });
    const [withData, ...empty] = cluster.members;
    const { server: { directory } } = withData!;
    directory.make(false);
    directory.finishBootstrap();
    directory.standbySignal = true;
    for (const member of cluster.members) member.startAgent();
    // All have joined, and said what they have.
    world.runUntil(world.now() + 5000);
    expect(Object.keys(cluster.latestRecords()!.members)).toHaveLength(3);
    withData!.killAgent(false);
    world.runUntil(world.now() + 30_000);
    expect(cluster.latestRecords()!.initialize).toBe(null);
    empty[0]!.raft!.removeMember(withData!.id, () => {});
    const founded = () => empty.some(({ server }) => server.writesUnderLock);
    expect(world.runUntilHolds(world.now() + 20_000, 20, founded)).toBe(true);
  }
});
