/**
 * Failsafe mode in the simulated cluster: what it keeps going, what it must not, and what happens without its
 * rules.
 */
import { expect, test } from "bun:test";
import type { BrokenRule } from "../dcs/broken_rules.ts";
import { directionsOf, World } from "../../raft/sim/mod.ts";
import { runSeed } from "./run_seed.ts";
import { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";

const SEEDS = [1, 2];
const IDS = [1, 2, 3];
const TTL_MS = 5000;

function healthy(seed: number, failsafe = true): { cluster: SimCluster; primary: SimMember } {
  const world = new World(seed);
  const config = { ttl: TTL_MS / 1000, loop_wait: 1, failsafe_mode: failsafe, primary_start_timeout: 300 };
  const cluster = new SimCluster(world, new Set(), config);
  for (const member of cluster.members) member.startAgent();
  expect(world.runUntilHolds(15_000, 50, () => cluster.unhealthy() === null)).toBe(true);
  world.runUntil(world.now() + 8000);
  expect(cluster.unhealthy()).toBe(null);
  return { cluster, primary: cluster.members.find((member) => member.server.canAcknowledge)! };
}

const everywhere = IDS.flatMap((id) => directionsOf(id, IDS).filter(([from]) => from === id));

function run(cluster: SimCluster, ms: number): void {
  cluster.world.runUntil(cluster.world.now() + ms);
}

function recovers(cluster: SimCluster): boolean {
  const { world } = cluster;
  return world.runUntilHolds(world.now() + 20_000, 50, () => cluster.unhealthy() === null);
}

test("without raft but with every member's answer the primary goes on, and keeps the lock when raft is back", () => {
  for (const seed of SEEDS) {
    const { cluster, primary } = healthy(seed);
    const { epoch } = cluster.latestRecords()!.lock;
    const cut = cluster.links.cutRaft(everywhere, 0);
    run(cluster, 10 * TTL_MS);
    expect(cluster.safety.longestOutageMs).toBe(0);
    expect(cluster.members.map(({ member }) => member!.failsafe.active())).toEqual([true, true, true]);
    cut.end();
    expect(recovers(cluster)).toBe(true);
    expect(primary.server.canAcknowledge).toBe(true);
    expect(cluster.latestRecords()!.lock.epoch).toBe(epoch);
    expect(cluster.safety.longestOutageMs).toBe(0);
    const { world } = cluster;
    expect(world.runUntilHolds(world.now() + TTL_MS, 50, () => !primary.member!.failsafe.active())).toBe(
      true,
    );
  }
});

test("one member that does not answer is enough to end it, within the lease", () => {
  for (const seed of SEEDS) {
    const { cluster, primary } = healthy(seed);
    const { world } = cluster;
    cluster.links.cutRaft(everywhere, 0);
    run(cluster, 3 * TTL_MS);
    const other = cluster.members.find((member) => member !== primary)!;
    cluster.links.cutRest(directionsOf(other.id, IDS), 0);
    expect(world.runUntilHolds(world.now() + TTL_MS, 10, () => !primary.server.canAcknowledge)).toBe(true);
  }
});

test("a member that knows of a later epoch does not keep the old primary alive", () => {
  for (const seed of SEEDS) {
    const { cluster, primary } = healthy(seed);
    const { world } = cluster;
    cluster.links.cutRaft(directionsOf(primary.id, IDS), 0);
    expect(
      world.runUntilHolds(
        world.now() + 3 * TTL_MS,
        10,
        () => cluster.members.some((member) => member !== primary && member.server.canAcknowledge),
      ),
    ).toBe(true);
    expect(primary.server.canAcknowledge).toBe(false);
  }
});

test("agents of standbys that are restarted meanwhile agree again; the primary's own cannot go on", () => {
  for (const seed of SEEDS) {
    const { cluster, primary } = healthy(seed);
    const { world } = cluster;
    const restart = (member: SimMember) => {
      member.killAgent(false);
      run(cluster, 700);
      member.startAgent();
    };
    cluster.links.cutRaft(everywhere, 0);
    run(cluster, 2 * TTL_MS);
    for (const other of cluster.members.filter((member) => member !== primary)) {
      restart(other);
      run(cluster, 2 * TTL_MS);
    }
    expect(cluster.safety.longestOutageMs).toBe(0);
    restart(primary);
    expect(world.runUntilHolds(world.now() + TTL_MS, 10, () => !primary.server.canAcknowledge)).toBe(true);
  }
});

test("who agreed has seen the holder alive: when it dies, members that were restarted do not wait as after a cold start", () => {
  for (const seed of SEEDS) {
    const { cluster, primary } = healthy(seed);
    const { world } = cluster;
    const others = cluster.members.filter((member) => member !== primary);
    const cut = cluster.links.cutRaft(everywhere, 0);
    run(cluster, TTL_MS);
    for (const other of others) {
      other.killAgent(false);
      run(cluster, 700);
      other.startAgent();
      // It has heard nothing of the holder since, but its question.
      run(cluster, 2 * TTL_MS);
    }
    expect(primary.server.canAcknowledge).toBe(true);
    primary.killHost();
    cut.end();
    // An election, a ttl from then on, and for who accepted as much again: far from primary_start_timeout.
    const succeeded = () => others.some((member) => member.server.canAcknowledge);
    expect(world.runUntilHolds(world.now() + 3 * TTL_MS, 50, succeeded)).toBe(true);
  }
});

test("a host that is off leaves the set, and does not forbid failsafe mode", () => {
  const { cluster, primary } = healthy(1);
  const other = cluster.members.find((member) => member !== primary)!;
  other.killHost();
  run(cluster, 15_000);
  expect(Object.keys(cluster.latestRecords()!.failsafe!.members)).not.toContain(other.name);
  cluster.links.cutRaft(everywhere, 0);
  run(cluster, 5 * TTL_MS);
  expect(primary.server.canAcknowledge).toBe(true);
  expect(cluster.safety.longestOutageMs).toBe(0);
});

test("without failsafe mode a primary that has lost raft is fenced, whoever could be asked", () => {
  const { cluster, primary } = healthy(1, false);
  expect(cluster.latestRecords()!.failsafe).toBe(null);
  cluster.links.cutRaft(everywhere, 0);
  run(cluster, TTL_MS);
  expect(primary.server.canAcknowledge).toBe(false);
});

test("ttl is lowered in failsafe mode too: the set goes first, and comes back", () => {
  const { cluster, primary } = healthy(1);
  const { value, revision } = cluster.latestRecords()!.config!;
  primary.member!.voter.proposer.propose(
    { op: "setConfig", value: { ...value, ttl: 2 }, expectRevision: revision },
    () => {},
  );
  run(cluster, 15_000);
  expect(cluster.latestRecords()).toMatchObject({ grantTtlMs: 2000, waitTtlMs: 2000 });
  expect(cluster.latestRecords()!.failsafe).not.toBe(null);
  expect(cluster.unhealthy()).toBe(null);
});

function violationWithout(rule: BrokenRule, seeds: number): string | null {
  for (let seed = 1; seed <= seeds; seed++) {
    const broken = new Set([rule]);
    const { violation } = runSeed({ seed, faultsMs: 60_000, broken, only: "failsafe-ambush", trace: null });
    if (violation !== null) return violation;
  }
  return null;
}

test("a member that does not wait after it has accepted makes a second writer", () => {
  expect(violationWithout("failsafe-forgotten", 60)).toMatch(/two writers/);
});

test("a lease that not every member of the set has accepted makes a second writer", () => {
  expect(violationWithout("failsafe-some", 60)).toMatch(/two writers/);
});
