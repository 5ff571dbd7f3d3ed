/** Which member a simulated host copies its data from, and what becomes of it when that member goes away. */
import { expect, test } from "bun:test";
import { World } from "../../raft/sim/mod.ts";
import { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";

const SEEDS = [1, 2, 3, 4, 5];

interface Scene {
  readonly cluster: SimCluster;
  readonly world: World;
  readonly primary: SimMember;
  /** A standby with the tag. */
  readonly tagged: SimMember;
  /** The standby that is to copy. */
  readonly other: SimMember;
}

/** A healthy cluster in which one standby has the tag clonefrom. */
function scene(seed: number): Scene {
  const world = new World(seed);
  const cluster = new SimCluster(world, new Set(), { ttl: 5, loop_wait: 1 });
  for (const member of cluster.members) {
    member.tags = {};
    member.startAgent();
  }
  const isHealthy = () => cluster.unhealthy() === null;
  expect(world.runUntilHolds(15_000, 50, isHealthy)).toBe(true);
  const primary = cluster.members.find((member) => member.server.canAcknowledge)!;
  const [tagged, other] = cluster.members.filter((member) => member !== primary);
  // As after a change of the file and a start of the agent.
  tagged!.tags = { clonefrom: true };
  tagged!.killAgent(false);
  tagged!.startAgent();
  world.runUntil(world.now() + 3000);
  expect(world.runUntilHolds(world.now() + 15_000, 50, isHealthy)).toBe(true);
  return { cluster, world, primary, tagged: tagged!, other: other! };
}

const sourceOf = ({ member }: SimMember) => member?.status?.copy?.from ?? null;

function nextSource({ world, other }: Scene): string | null {
  world.runUntilHolds(world.now() + 20_000, 5, () => sourceOf(other) !== null);
  return sourceOf(other);
}

function recovers({ cluster, world }: Scene): boolean {
  return world.runUntilHolds(world.now() + 60_000, 50, () => cluster.unhealthy() === null);
}

test("a copy comes from the standby with the tag, and from the leader where that is asked for", () => {
  for (const seed of SEEDS) {
    const at = scene(seed);
    at.other.member!.requestReinit(false);
    expect(nextSource(at)).toBe(at.tagged.name);
    expect(recovers(at)).toBe(true);
    at.other.member!.requestReinit(true);
    expect(nextSource(at)).toBe(at.primary.name);
    expect(recovers(at)).toBe(true);
    expect(at.cluster.safety.failovers).toBe(0);
  }
});

test("a source that is lost in the middle gives way to the leader", () => {
  for (const seed of SEEDS) {
    const at = scene(seed);
    at.other.member!.requestReinit(false);
    expect(nextSource(at)).toBe(at.tagged.name);
    at.tagged.server.killed();
    expect(at.world.runUntilHolds(at.world.now() + 20_000, 5, () => sourceOf(at.other) === null)).toBe(true);
    expect(nextSource(at)).toBe(at.primary.name);
    expect(recovers(at)).toBe(true);
  }
});

test("a source that is promoted in the middle is copied anew, as the primary that it is then", () => {
  for (const seed of SEEDS) {
    const at = scene(seed);
    at.tagged.server.copySlowdown = 100;
    at.other.member!.requestReinit(false);
    expect(nextSource(at)).toBe(at.tagged.name);
    at.primary.killHost();
    const { world, tagged, other } = at;
    expect(world.runUntilHolds(world.now() + 20_000, 5, () => tagged.server.canAcknowledge)).toBe(true);
    expect(
      world.runUntilHolds(world.now() + 20_000, 5, () => {
        const copy = other.member?.status?.copy;
        return copy?.from === tagged.name && !copy.fromStandby;
      }),
    ).toBe(true);
    tagged.server.copySlowdown = 1;
    at.primary.boot();
    expect(recovers(at)).toBe(true);
  }
});
