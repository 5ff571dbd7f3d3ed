/** The majority is lost for good, and one member goes on alone, by the production code of `agent recover`. */
import { expect, test } from "bun:test";
import { World } from "../../raft/sim/mod.ts";
import { EPOCHS_PER_CLUSTER_EPOCH } from "../dcs/recovered.ts";
import { type Fate, lose } from "./lost_majority.ts";
import { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";

const SEEDS = [1, 2, 3];
const TTL_MS = 5000;

function healthy(seed: number): { cluster: SimCluster; primary: SimMember; others: SimMember[] } {
  const world = new World(seed);
  const cluster = new SimCluster(world, new Set(), { ttl: TTL_MS / 1000, loop_wait: 1 });
  for (const member of cluster.members) member.startAgent();
  expect(world.runUntilHolds(15_000, 50, () => cluster.unhealthy() === null)).toBe(true);
  world.runUntil(world.now() + 8000);
  const primary = cluster.members.find((member) => member.server.canAcknowledge)!;
  return { cluster, primary, others: cluster.members.filter((member) => member !== primary) };
}

function loseAll(
  cluster: SimCluster,
  survivor: SimMember,
  fates: readonly (readonly [SimMember, Fate])[],
): void {
  const random = cluster.world.random.split("loss");
  lose(cluster, survivor, new Map(fates), { noticedMs: 300, stoppedMs: 300, random });
}

function recovers(cluster: SimCluster): void {
  const { world } = cluster;
  world.runUntilHolds(world.now() + 60_000, 50, () => cluster.unhealthy() === null);
  expect(cluster.unhealthy()).toBe(null);
  cluster.checkAcknowledged();
}

test("a standby that is left alone founds a new cluster, which the others join emptied", () => {
  for (const seed of SEEDS) {
    const { cluster, primary, others: [survivor, other] } = healthy(seed);
    loseAll(cluster, survivor!, [[primary, "emptied"], [other!, "gone"]]);
    recovers(cluster);
    expect(cluster.members.map(({ name }) => name).sort()).toEqual(
      [survivor!.name, primary.name, "pg4"].sort(),
    );
    expect(cluster.latestRecords()!.lock.epoch).toBe(EPOCHS_PER_CLUSTER_EPOCH + 1);
  }
});

test("an old member with its old directory does not get in, and confirms nothing", () => {
  for (const seed of SEEDS) {
    const { cluster, primary, others: [survivor, other] } = healthy(seed);
    const { world } = cluster;
    const old = cluster.group;
    loseAll(cluster, survivor!, [[primary, "as it was"], [other!, "gone"]]);
    const back = () => primary.agent.alive && primary.raft !== null;
    expect(world.runUntilHolds(world.now() + 15_000, 10, back)).toBe(true);
    expect(primary.place.group).toBe(old);
    const asOld = () => primary.place.group === old && primary.agent.alive;
    while (asOld()) {
      expect(primary.server.canAcknowledge).toBe(false);
      expect(
        cluster.leader()?.raft?.status().members.some(({ addr }) => addr === primary.place.addr) ?? false,
      )
        .toBe(false);
      world.runUntil(world.now() + 50);
    }
    recovers(cluster);
    expect(primary.place.group).toBe(cluster.group);
  }
});

test("a primary that was never switched off has stopped before the new one begins", () => {
  for (const seed of SEEDS) {
    const { cluster, primary, others: [survivor, other] } = healthy(seed);
    const { world } = cluster;
    loseAll(cluster, survivor!, [[primary, "left running"], [other!, "gone"]]);
    const recovered = () => survivor!.place.group === cluster.group && cluster.members.length === 1;
    expect(world.runUntilHolds(world.now() + 5000, 1, recovered)).toBe(true);
    expect(primary.server.canAcknowledge).toBe(true);
    const begunMs = world.now();
    expect(world.runUntilHolds(world.now() + 15_000, 1, () => survivor!.server.canAcknowledge)).toBe(true);
    expect(primary.server.canAcknowledge).toBe(false);
    expect(world.now() - begunMs).toBeGreaterThan(TTL_MS * 0.99);
    recovers(cluster);
  }
});

test("a survivor that was a primary once and had not rejoined is the primary of what is left", () => {
  for (const seed of SEEDS) {
    const { cluster, primary: survivor, others } = healthy(seed);
    const { world } = cluster;
    survivor.killHost();
    const succeeded = () => others.some(({ server }) => server.canAcknowledge);
    expect(world.runUntilHolds(world.now() + 15_000, 50, succeeded)).toBe(true);
    // It learns that the lock has passed on, and is alone before it has rejoined.
    survivor.startAgent();
    const knows = () => others.some(({ name }) => survivor.dcs?.state.lock.holder === name);
    expect(world.runUntilHolds(world.now() + 5000, 1, knows)).toBe(true);
    expect(survivor.server.directory.standbySignal).toBe(false);
    lose(cluster, survivor, new Map(others.map((other) => [other, "gone"])), {
      noticedMs: 0,
      stoppedMs: 1,
      random: world.random.split("loss"),
    });
    recovers(cluster);
    expect(survivor.server.canAcknowledge).toBe(true);
  }
});
