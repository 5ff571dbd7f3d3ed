/** A cluster that follows another one: its bootstrap, failovers inside, promotion and demotion. */
import { expect, test } from "bun:test";
import { cutFault, directionsOf, Violation, World } from "../../raft/sim/mod.ts";
import type { JsonObject } from "../model/json.ts";
import type { MemberStatus } from "../model/member_status.ts";
import { clusterFaults } from "./faults/cluster_faults.ts";
import { askPause, askSwitchover, resume, setStandbyCluster } from "./requests.ts";
import { STANDBY_CLUSTER } from "./remote.ts";
import { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";
import { contains } from "./wal.ts";

const SEEDS = [1, 2, 3];

/** A standby cluster made from empty directories, of which nobody writes. */
function standbyCluster(seed: number, more: JsonObject = {}): SimCluster {
  const world = new World(seed);
  const config = { ttl: 5, loop_wait: 1, standby_cluster: STANDBY_CLUSTER, ...more };
  const cluster = new SimCluster(world, new Set(), config);
  cluster.safety.readOnly = true;
  cluster.remoteAddress.start();
  for (const member of cluster.members) member.startAgent();
  settles(cluster, 20_000);
  return cluster;
}

function settles(cluster: SimCluster, withinMs: number): void {
  const { world } = cluster;
  world.runUntilHolds(world.now() + withinMs, 50, () => cluster.unhealthy() === null);
  expect(cluster.unhealthy()).toBe(null);
  world.runUntil(world.now() + 2000);
  expect(cluster.unhealthy()).toBe(null);
}

function holderOf(cluster: SimCluster): SimMember {
  return cluster.find(cluster.latestRecords()!.lock.holder!)!;
}

function statuses(cluster: SimCluster): readonly MemberStatus[] {
  return cluster.members.map(({ member }) => member!.status!);
}

/** Every server is on the remote primary's own history. */
function expectNoFork(cluster: SimCluster): void {
  const { branch } = cluster.remote.directory.position!;
  for (const { server } of cluster.members) expect(server.directory.position!.branch).toBe(branch);
}

function writers(cluster: SimCluster): readonly string[] {
  return cluster.members.filter(({ server }) => server.canAcknowledge).map(({ name }) => name);
}

test("empty directories become a standby cluster: one member follows the remote primary, the others follow it", () => {
  for (const seed of SEEDS) {
    const cluster = standbyCluster(seed);
    expectNoFork(cluster);
    const leader = holderOf(cluster);
    expect(cluster.latestRecords()!.initialize!.systemId).toBe(cluster.remote.directory.systemId!);
    expect(statuses(cluster).filter(({ role }) => role === "standby_leader").map(({ name }) => name)).toEqual(
      [
        leader.name,
      ],
    );
    for (const { server } of cluster.members) {
      expect(server.directory.following).toBe(server === leader.server ? cluster.remote.name : leader.name);
    }
  }
});

test("the host of the standby leader dies: another member follows the remote primary, and no timeline begins", () => {
  for (const seed of SEEDS) {
    const cluster = standbyCluster(seed);
    const { world } = cluster;
    const old = holderOf(cluster);
    const promotions = () => cluster.members.map(({ member }) => member?.counters.promotions ?? 0);
    old.killHost();
    const taken = () =>
      cluster.members.some((member) =>
        member !== old && member.server.streaming && member.server.directory.following === cluster.remote.name
      );
    expect(world.runUntilHolds(world.now() + 10_000, 50, taken)).toBe(true);
    old.boot();
    settles(cluster, 30_000);
    expect(holderOf(cluster)).not.toBe(old);
    expectNoFork(cluster);
    expect(promotions()).toEqual([0, 0, 0]);
  }
});

test("a switchover of a standby cluster moves the lock, and PostgreSQL of neither member stops", () => {
  for (const seed of SEEDS) {
    const cluster = standbyCluster(seed);
    const { world } = cluster;
    const old = holderOf(cluster);
    const candidate = cluster.members.find((member) => member !== old)!;
    const pids = cluster.members.map(({ server }) => server.pid);
    askSwitchover(old, candidate.name, "move");
    const result = () => cluster.latestRecords()!.failoverResults.find(({ id }) => id === "move");
    world.runUntilHolds(world.now() + 15_000, 50, () => result() !== undefined);
    expect(result()).toMatchObject({ ok: true });
    settles(cluster, 15_000);
    expect(holderOf(cluster)).toBe(candidate);
    expect(cluster.members.map(({ server }) => server.pid)).toEqual(pids);
    expectNoFork(cluster);
  }
});

test("promote-cluster makes the standby leader the one primary, and demote-cluster makes it a standby again", () => {
  for (const seed of SEEDS) {
    const cluster = standbyCluster(seed);
    const { world, safety } = cluster;
    const leader = holderOf(cluster);
    safety.readOnly = false;
    expect(setStandbyCluster(leader, null)).toBe(true);
    expect(world.runUntilHolds(world.now() + 5000, 20, () => leader.server.writesUnderLock)).toBe(true);
    settles(cluster, 20_000);
    expect(writers(cluster)).toEqual([leader.name]);
    expect(leader.server.directory.position!.branch.timeline).toBe(2);
    // Both clusters have written: what this one wrote is given up.
    expect(setStandbyCluster(leader, STANDBY_CLUSTER)).toBe(true);
    expect(world.runUntilHolds(world.now() + 10_000, 20, () => writers(cluster).length === 0)).toBe(true);
    safety.readOnly = true;
    settles(cluster, 60_000);
    expectNoFork(cluster);
  }
});

test("promoted again while its leader is rewound, that comes up with the WAL which its data needs", () => {
  for (const seed of SEEDS) {
    const cluster = standbyCluster(seed, { use_pg_rewind: true });
    const { world, safety } = cluster;
    safety.readOnly = false;
    const leader = holderOf(cluster);
    expect(setStandbyCluster(leader, null)).toBe(true);
    settles(cluster, 20_000);
    // Nobody else may lead.
    for (const member of cluster.members) {
      if (member === leader) continue;
      member.tags = { nofailover: true };
      member.member!.factsChanged();
    }
    expect(setStandbyCluster(leader, STANDBY_CLUSTER)).toBe(true);
    const { directory } = leader.server;
    const isRewound = () => directory.state.kind === "half-written";
    expect(world.runUntilHolds(world.now() + 20_000, 1, isRewound)).toBe(true);
    expect(setStandbyCluster(leader, null)).toBe(true);
    const isStarted = () => leader.server.process === "starting";
    expect(world.runUntilHolds(world.now() + 20_000, 1, isStarted)).toBe(true);
    expect(directory.needsWal).toBe(true);
    settles(cluster, 30_000);
    expect(writers(cluster)).toEqual([leader.name]);
  }
});

test("a cluster demoted to a server of another database system keeps its data, and takes writes again", () => {
  for (const seed of SEEDS) {
    const cluster = standbyCluster(seed);
    const { world, safety, remoteAddress } = cluster;
    const leader = holderOf(cluster);
    safety.readOnly = false;
    expect(setStandbyCluster(leader, null)).toBe(true);
    expect(world.runUntilHolds(world.now() + 5000, 20, () => leader.server.writesUnderLock)).toBe(true);
    settles(cluster, 20_000);
    const { dataId, position } = leader.server.directory;
    remoteAddress.isMistaken = true;
    expect(setStandbyCluster(leader, STANDBY_CLUSTER)).toBe(true);
    expect(world.runUntilHolds(world.now() + 10_000, 20, () => writers(cluster).length === 0)).toBe(true);
    world.runUntil(world.now() + 30_000);
    expect(leader.server.inRecovery).toBe(true);
    expect(leader.server.directory.dataId).toBe(dataId!);
    expect(contains(leader.server.directory.position!, position!)).toBe(true);
    expect(setStandbyCluster(leader, null)).toBe(true);
    expect(world.runUntilHolds(world.now() + 5000, 20, () => leader.server.writesUnderLock)).toBe(true);
    expect(contains(leader.server.directory.position!, position!)).toBe(true);
    settles(cluster, 20_000);
  }
});

test("histories differed, and the address leads to another system by now: nothing is moved aside", () => {
  for (const seed of SEEDS) {
    const cluster = standbyCluster(seed, { use_pg_rewind: false });
    const { world, safety, remoteAddress, remote } = cluster;
    const leader = holderOf(cluster);
    const decided = (rule: string) =>
      leader.member!.voter.decisions.entries().some((one) => one.rule === rule);
    safety.readOnly = false;
    expect(setStandbyCluster(leader, null)).toBe(true);
    expect(world.runUntilHolds(world.now() + 5000, 20, () => leader.server.writesUnderLock)).toBe(true);
    settles(cluster, 20_000);
    remote.freeze();
    expect(setStandbyCluster(leader, STANDBY_CLUSTER)).toBe(true);
    expect(world.runUntilHolds(world.now() + 10_000, 20, () => leader.server.inRecovery)).toBe(true);
    // In pause a standby leader whose history differs is left as it is.
    expect(askPause(leader, true)).toBe(true);
    world.runUntil(world.now() + 1000);
    remote.thaw();
    world.runUntil(world.now() + 25_000);
    expect(decided("diverged-remote")).toBe(false);
    const { dataId } = leader.server.directory;
    remoteAddress.isMistaken = true;
    resume(cluster);
    world.runUntil(world.now() + 30_000);
    expect(decided("diverged-remote")).toBe(true);
    expect(leader.server.directory.dataId).toBe(dataId!);
    expect(leader.server.inRecovery).toBe(true);
    remoteAddress.isMistaken = false;
    safety.readOnly = true;
    settles(cluster, 60_000);
    expectNoFork(cluster);
  }
});

test("a cluster whose standby leader is cut off at its promotion has one primary, under a later epoch", () => {
  for (const seed of SEEDS) {
    const cluster = standbyCluster(seed);
    const { world, safety } = cluster;
    const old = holderOf(cluster);
    const [asked] = cluster.members.filter((member) => member !== old);
    const { epoch } = cluster.latestRecords()!.lock;
    cutFault(cluster.network, directionsOf(old.id, cluster.members.map(({ id }) => id)), 60_000);
    safety.readOnly = false;
    expect(setStandbyCluster(asked!, null)).toBe(true);
    const primary = () => cluster.members.find(({ server }) => server.writesUnderLock);
    expect(world.runUntilHolds(world.now() + 15_000, 20, () => primary() !== undefined)).toBe(true);
    expect(primary()).not.toBe(old);
    expect(primary()!.server.epoch).toBeGreaterThan(epoch);
    world.runUntil(world.now() + 5000);
    expect(old.server.inRecovery).toBe(true);
  }
});

test("whatever fails, nobody writes in a standby cluster before promote-cluster, and one member after it", () => {
  for (const seed of [11, 12, 13, 14]) {
    const cluster = standbyCluster(seed);
    const { world, safety } = cluster;
    const injector = clusterFaults(cluster, world.random.split("faults"), null);
    try {
      injector.start();
      world.runUntil(world.now() + 20_000);
      injector.calm();
      resume(cluster);
      settles(cluster, 60_000);
      expectNoFork(cluster);
      injector.start();
      safety.readOnly = false;
      const able = cluster.members.find(({ dcs, member }) => member !== null && dcs !== null);
      if (able !== undefined) setStandbyCluster(able, null);
      world.runUntil(world.now() + 20_000);
      injector.calm();
      resume(cluster);
      if (cluster.latestRecords()?.config?.value["standby_cluster"] !== undefined) {
        setStandbyCluster(cluster.leader() ?? cluster.members[0]!, null);
      }
      settles(cluster, 60_000);
      expect(writers(cluster)).toHaveLength(1);
    } catch (error) {
      if (error instanceof Violation) console.error(world.log.tail(60).join("\n"));
      throw error;
    }
  }
});
