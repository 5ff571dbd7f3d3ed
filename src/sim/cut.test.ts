/**
 * What else may happen while the lock is free after the death of a synchronous primary, and its standbys are
 * cut off from it: the next one has all that was acknowledged, whatever changes meanwhile.
 */
import { expect, test } from "bun:test";
import { World } from "../../raft/sim/mod.ts";
import type { JsonObject } from "../model/json.ts";
import { STANDBY_CLUSTER } from "./remote.ts";
import { askPause, configure, resume, setStandbyCluster } from "./requests.ts";
import { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";

const LIMIT_MS = 600_000;
const MODES: readonly JsonObject[] = [
  { synchronous_mode: "on", synchronous_node_count: 2 },
  { synchronous_mode: "on", synchronous_node_count: 1 },
  { synchronous_mode: "quorum", synchronous_node_count: 1 },
];

interface Scene {
  readonly cluster: SimCluster;
  readonly dead: SimMember;
  readonly others: readonly SimMember[];
}

function change({ cluster }: Scene, values: JsonObject): void {
  expect(cluster.members.some((one) => configure(one, (value) => ({ ...value, ...values })))).toBe(true);
}

/** Its file is read anew. */
function retag(member: SimMember, tags: JsonObject): void {
  member.tags = tags;
  member.member?.factsChanged();
}

/** The one that was chosen cannot leave recovery: its disk is full. There is room again 5 s later. */
function fillChosen({ cluster, others }: Scene): void {
  const end = cluster.watchLock(({ holder }) => {
    const chosen = others.find(({ name }) => name === holder);
    if (chosen === undefined) return;
    end();
    chosen.server.hangsAt = "disk";
    cluster.world.after(5000, () => chosen.server.hangsAt = null);
  });
}

const EVENTS: Readonly<Record<string, (scene: Scene) => void>> = {
  "the node count is lowered": (scene) => change(scene, { synchronous_node_count: 1 }),
  "the node count is raised": (scene) => change(scene, { synchronous_node_count: 2 }),
  "the mode changes": (scene) => change(scene, { synchronous_mode: "quorum" }),
  "strict mode is switched on": (scene) => change(scene, { synchronous_mode_strict: true }),
  "a small lag is set": (scene) => change(scene, { maximum_lag_on_syncnode: 300 }),
  "the cluster is paused": ({ cluster, others }) => {
    expect(others.some((one) => askPause(one, true))).toBe(true);
    cluster.world.after(4000, () => resume(cluster));
  },
  "the cluster follows a strange server for 6 s": ({ cluster, others: [one] }) => {
    cluster.remoteAddress.start();
    expect(setStandbyCluster(one!, STANDBY_CLUSTER)).toBe(true);
    cluster.world.after(6000, () => expect(setStandbyCluster(one!, null)).toBe(true));
  },
  "the raft leader dies": ({ cluster, others }) => {
    const leader = cluster.leader() ?? others[0]!;
    leader.killAgent(false);
    cluster.world.after(1500, () => leader.boot());
  },
  "both agents are restarted": ({ cluster, others }) => {
    for (const one of others) {
      one.killAgent(false);
      cluster.world.after(1000, () => one.boot());
    }
  },
  "one may not be promoted by its tag any more": ({ cluster, others: [one] }) => {
    retag(one!, { nofailover: true });
    cluster.world.after(8000, () => retag(one!, {}));
  },
  "one is to be synchronous no more": ({ cluster, others: [one] }) => {
    retag(one!, { nosync: true });
    cluster.world.after(15_000, () => retag(one!, {}));
  },
  "the disk of the one that is chosen is full": fillChosen,
  "PostgreSQL of one is not up": ({ others: [one] }) => one!.server.immediate(0),
};

function plays(seed: number, mode: JsonObject, event: (scene: Scene) => void): SimCluster {
  const world = new World(seed);
  const cluster = new SimCluster(world, new Set(), { ttl: 3, loop_wait: 1, ...mode });
  for (const member of cluster.members) member.startAgent();
  expect(world.runUntilHolds(40_000, 50, () => cluster.unhealthy() === null)).toBe(true);
  world.runUntil(world.now() + 8000);
  const dead = cluster.members.find(({ server }) => server.canAcknowledge)!;
  const others = cluster.members.filter((one) => one !== dead);
  let isFree = false;
  const end = cluster.watchLock(({ holder }) => {
    if (holder !== null || isFree) return;
    isFree = true;
    world.after(world.random.split("event").between(0, 60), () => event({ cluster, dead, others }));
  });
  dead.killHost();
  world.after(12_000, () => dead.boot());
  expect(world.runUntilHolds(world.now() + 10_000, 5, () => isFree)).toBe(true);
  end();
  const before = cluster.surviving.counts.acknowledged;
  world.runUntil(world.now() + 16_000);
  expect(world.runUntilHolds(world.now() + 60_000, 50, () => cluster.unhealthy() === null)).toBe(true);
  expect(cluster.surviving.counts.acknowledged).toBeGreaterThan(before);
  return cluster;
}

for (const [name, event] of Object.entries(EVENTS)) {
  test(`${name} while the lock is free: nothing is lost`, () => {
    for (const [at, mode] of MODES.entries()) plays(at + 1, mode, event);
  }, LIMIT_MS);
}
