/**
 * Members of a simulated cluster come, go and are replaced while it works: by the production code, from
 * search to removal.
 */
import { expect, test } from "bun:test";
import { Prng, World } from "../../raft/sim/mod.ts";
import { Operators } from "./operators.ts";
import { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";

const SEEDS = [1, 2, 3];
const TTL_MS = 5000;

interface Stage {
  readonly cluster: SimCluster;
  readonly world: World;
  readonly operators: Operators;
  readonly primary: SimMember;
  readonly standbys: readonly SimMember[];
}

function healthy(seed: number, withWitness = false): Stage {
  const world = new World(seed);
  const cluster = new SimCluster(world, new Set(), { ttl: TTL_MS / 1000, loop_wait: 1 }, withWitness);
  const operators = new Operators(cluster, new Prng(seed));
  for (const member of cluster.members) member.startAgent();
  expect(world.runUntilHolds(15_000, 50, () => cluster.unhealthy() === null)).toBe(true);
  world.runUntil(world.now() + 8000);
  const primary = cluster.members.find((member) => member.server.canAcknowledge)!;
  const standbys = cluster.members.filter((member) => member !== primary && !member.isWitness);
  return { cluster, world, operators, primary, standbys };
}

function recovers({ world, cluster }: Stage): void {
  world.runUntilHolds(world.now() + 40_000, 50, () => cluster.unhealthy() === null);
  expect(cluster.unhealthy()).toBe(null);
}

const voters = ({ cluster }: Stage) =>
  cluster.leader()!.raft!.status().members.filter(({ voter }) => voter).map(({ addr }) => addr).sort();

test("a removed member stops its PostgreSQL and ends; emptied, it comes back under a new id, as a learner first", () => {
  for (const seed of SEEDS) {
    const stage = healthy(seed);
    const { world, cluster, operators, primary, standbys: [victim] } = stage;
    const oldId = victim!.id;
    expect(operators.remove(victim!)).not.toBe(null);
    expect(world.runUntilHolds(world.now() + 3000, 5, () => !victim!.agent.alive)).toBe(true);
    expect(victim!.removed).toBe(true);
    expect(victim!.server.process).toBe("none");
    expect(voters(stage)).toHaveLength(2);
    const learns = () =>
      cluster.leader()?.raft?.status().members.some(({ id, voter }) => id === victim!.id && !voter) ?? false;
    expect(world.runUntilHolds(world.now() + 20_000, 5, () => victim!.id !== oldId && learns())).toBe(true);
    recovers(stage);
    expect(voters(stage)).toHaveLength(3);
    expect(primary.server.canAcknowledge).toBe(true);
    expect(cluster.safety.longestOutageMs).toBe(0);
  }
});

test("beside a voter whose disk hangs no healthy one is removed, however long everything was at rest", () => {
  for (const seed of SEEDS) {
    const stage = healthy(seed);
    const { world, cluster, standbys: [hung, other] } = stage;
    const before = voters(stage);
    // The holder does not lead, so one of the standbys does.
    const leader = cluster.leader()!;
    const [victim, stays] = leader === hung ? [hung!, other!] : [other!, hung!];
    const asked = cluster.members.find((member) => member.server.canAcknowledge)!;
    asked.raft!.transferLeadership(asked.id, () => {});
    world.runUntil(world.now() + 10_000);
    stays.disk.hang(60_000);
    world.runUntil(world.now() + 10_000);
    const outcomes: string[] = [];
    asked.raft!.removeMember(victim.id, (outcome) => outcomes.push(JSON.stringify(outcome)));
    expect(world.runUntilHolds(world.now() + 20_000, 5, () => outcomes.length > 0)).toBe(true);
    expect(outcomes[0]).toContain(`The disk of ${stays.name} completes no write`);
    const { value, revision } = cluster.latestRecords()!.config!;
    asked.member!.voter.proposer.propose({ op: "setConfig", value, expectRevision: revision }, () => {});
    expect(world.runUntilHolds(
      world.now() + 2000,
      5,
      () => cluster.latestRecords()!.config!.revision > revision,
    )).toBe(true);
    stays.disk.resume();
    world.runUntil(world.now() + 2000);
    expect(voters(stage)).toEqual(before);
    expect(cluster.unhealthy()).toBe(null);
    expect(cluster.safety.longestOutageMs).toBe(0);
  }
});

test("the holder of the lock is not removed, no matter who is asked", () => {
  for (const seed of SEEDS) {
    const stage = healthy(seed);
    const { world, cluster, operators, primary } = stage;
    const before = voters(stage);
    expect(operators.remove(primary)).not.toBe(null);
    world.runUntil(world.now() + 20_000);
    expect(voters(stage)).toEqual(before);
    expect(primary.removed).toBe(false);
    expect(cluster.unhealthy()).toBe(null);
    expect(cluster.safety.longestOutageMs).toBe(0);
  }
});

test("a primary whose raft directory is lost comes back under a new id, and its old one does not stay a voter", () => {
  for (const seed of SEEDS) {
    const stage = healthy(seed);
    const { primary, operators } = stage;
    const before = voters(stage);
    const oldId = primary.id;
    expect(operators.empty(primary)).not.toBe(null);
    recovers(stage);
    expect(primary.id).not.toBe(oldId);
    expect(voters(stage)).toEqual(before);
  }
});

test("a machine that is lost is replaced by another one at another address, which copies the primary", () => {
  for (const seed of SEEDS) {
    for (const which of ["primary", "standby"] as const) {
      const stage = healthy(seed, seed === 2);
      const { operators, primary, standbys } = stage;
      const victim = which === "primary" ? primary : standbys[0]!;
      expect(operators.loseMachine(victim)).not.toBe(null);
      expect(victim.server.directory.systemId).toBe(null);
      recovers(stage);
      expect(voters(stage)).toContain(`${victim.name}-2:2222`);
      expect(voters(stage)).not.toContain(`${victim.name}:2222`);
    }
  }
});

test("a host that is added finds the cluster, copies the primary and votes", () => {
  for (const seed of SEEDS) {
    const stage = healthy(seed, seed === 2);
    expect(stage.operators.add()).toBe("pg4");
    recovers(stage);
    expect(voters(stage)).toHaveLength(4);
    expect(stage.cluster.find("pg4")!.server.directory.following).toBe(stage.primary.name);
    expect(stage.cluster.safety.longestOutageMs).toBe(0);
  }
});

/** How often its agent has ended because of that. */
const exits = ({ world }: Stage, why: RegExp) =>
  world.log.tail(100_000).filter((line) => /agent exits with 1/.test(line) && why.test(line)).length;

test("a log with another bit is refused until its directory is moved aside; the host joins under a new id", () => {
  let refused = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const stage = healthy(seed);
    const { world, operators, standbys: [victim] } = stage;
    const oldId = victim!.id;
    const fault = operators.rot(victim!);
    expect(victim!.agent.alive).toBe(false);
    world.after(fault!.durationMs, fault!.end);
    world.runUntil(world.now() + fault!.durationMs);
    const wasRefused = victim!.refused;
    if (wasRefused) refused++;
    recovers(stage);
    expect(exits(stage, /damaged|later version/) > 0).toBe(wasRefused);
    expect(victim!.id !== oldId).toBe(wasRefused);
    expect(victim!.disk.isRotten || victim!.refused).toBe(false);
    expect(stage.cluster.safety.longestOutageMs).toBe(0);
  }
  expect(refused).toBeGreaterThan(2);
});

test("an agent that cannot open its log ends, and is started again until it can", () => {
  let failed = 0;
  for (let seed = 1; seed <= 6; seed++) {
    const stage = healthy(seed);
    const { world, cluster, standbys: [victim] } = stage;
    const { id, exits: before } = victim!;
    victim!.killAgent(false);
    victim!.disk.failOpening();
    victim!.startAgent();
    // The operation that is to fail may be one that this opening does not get to.
    if (victim!.exits > before) {
      failed++;
      expect(victim!.agent.alive).toBe(false);
      expect(exits(stage, /simulated|is full/)).toBe(1);
      world.runUntil(world.now() + 1990);
      expect(victim!.agent.alive).toBe(false);
    }
    recovers(stage);
    expect(victim!.id).toBe(id);
    expect(victim!.exits).toBeLessThanOrEqual(before + 1);
    expect(cluster.safety.longestOutageMs).toBe(0);
  }
  expect(failed).toBeGreaterThan(1);
});

test("a host whose disk is full joins as soon as there is room for a log", () => {
  let full = 0;
  for (let seed = 1; seed <= 6; seed++) {
    const stage = healthy(seed);
    const { world, cluster, operators } = stage;
    expect(operators.add()).toBe("pg4");
    const added = cluster.find("pg4")!;
    added.disk.fill();
    world.runUntil(world.now() + 15_000);
    const attempts = exits(stage, /is full/);
    if (attempts > 0) {
      full++;
      expect(attempts).toBeGreaterThan(2);
      expect(voters(stage)).toHaveLength(3);
    }
    added.disk.makeRoom();
    recovers(stage);
    expect(voters(stage)).toHaveLength(4);
    expect(exits(stage, /is full/)).toBeLessThanOrEqual(attempts + 1);
    expect(cluster.safety.longestOutageMs).toBe(0);
  }
  expect(full).toBeGreaterThan(0);
});
