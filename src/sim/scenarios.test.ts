/** Named events on a healthy cluster, in the times that the design promises (ttl 5 unless said otherwise). */
import { expect, test } from "bun:test";
import { cutFault, directionsOf, World } from "../../raft/sim/mod.ts";
import type { DcsState } from "../model/records.ts";
import { askPause, askSwitchover, resume, setStopLimit } from "./requests.ts";
import { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";

const SEEDS = [1, 2, 3];

/** A cluster made from empty directories that has been healthy for a while. */
function healthy(seed: number, ttl = 5, withWitness = false): SimCluster {
  const world = new World(seed);
  const config = { ttl, loop_wait: 1, primary_start_timeout: 300 };
  const cluster = new SimCluster(world, new Set(), config, withWitness);
  for (const member of cluster.members) member.startAgent();
  expect(world.runUntilHolds(15_000, 50, () => cluster.unhealthy() === null)).toBe(true);
  // Raft leadership settles off the primary's host.
  world.runUntil(world.now() + 8000);
  expect(cluster.unhealthy()).toBe(null);
  return cluster;
}

function primaryOf(cluster: SimCluster): SimMember {
  return cluster.members.find((member) => member.server.canAcknowledge)!;
}

function records(cluster: SimCluster): DcsState {
  return cluster.latestRecords()!;
}

/** ms of true time until a server acknowledges again; Infinity when none does within a minute. */
function outage(cluster: SimCluster): number {
  const { world } = cluster;
  const from = world.now();
  const back = world.runUntilHolds(
    from + 60_000,
    5,
    () => cluster.members.some((member) => member.server.canAcknowledge),
  );
  return back ? world.now() - from : Infinity;
}

function recovers(cluster: SimCluster, withinMs: number): boolean {
  const { world } = cluster;
  return world.runUntilHolds(world.now() + withinMs, 50, () => cluster.unhealthy() === null);
}

test("three empty directories become a healthy cluster within 10 s", () => {
  for (const seed of SEEDS) {
    const world = new World(seed);
    const cluster = new SimCluster(world, new Set(), { ttl: 5 });
    for (const member of cluster.members) member.startAgent();
    expect(world.runUntilHolds(10_000, 50, () => cluster.unhealthy() === null)).toBe(true);
  }
});

test("a primary that is to stop while no majority lives stops PostgreSQL, and ends", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed);
    const { world } = cluster;
    const primary = primaryOf(cluster);
    for (const member of cluster.members) if (member !== primary) member.killHost();
    primary.stopAgent();
    expect(world.runUntilHolds(world.now() + 15_000, 50, () => !primary.agent.alive)).toBe(true);
    expect(primary.server.anyProcess).toBe(false);
    // Nothing was handed over: the epoch runs out, and all go on.
    for (const member of cluster.members) member.boot();
    expect(recovers(cluster, 40_000)).toBe(true);
  }
});

test("two members and a witness: the host of the primary dies, and the witness's vote makes the other one primary", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed, 5, true);
    const witness = cluster.find("w1")!;
    const old = primaryOf(cluster);
    const standby = cluster.members.find((member) => member !== old && member !== witness)!;
    // It leads the raft group: the grant is its own decision.
    standby.raft!.transferLeadership(witness.id, () => {});
    expect(
      cluster.world.runUntilHolds(
        cluster.world.now() + 20_000,
        50,
        () => witness.raft?.status().role === "leader",
      ),
    ).toBe(true);
    old.killHost();
    expect(outage(cluster)).toBeLessThan(7000);
    expect(primaryOf(cluster)).toBe(standby);
    expect(
      witness.witness!.voter.decisions.entries().some(({ actions }) =>
        JSON.stringify(actions).includes("grant")
      ),
    )
      .toBe(true);
    witness.killHost();
    const end = () => !standby.server.canAcknowledge;
    expect(cluster.world.runUntilHolds(cluster.world.now() + 10_000, 50, end)).toBe(true);
  }
});

for (const led of ["witness", "standby"] as const) {
  test(`a witness has seen the primary: a standby that restarts beside its death waits for nobody (the ${led} led raft)`, () => {
    for (const seed of SEEDS) {
      const cluster = healthy(seed, 5, true);
      const { world } = cluster;
      const witness = cluster.find("w1")!;
      const old = primaryOf(cluster);
      const standby = cluster.members.find((member) => member !== old && member !== witness)!;
      const leader = led === "witness" ? witness : standby;
      const leads = () => {
        const status = leader.raft?.status();
        if (status?.role !== "leader") {
          cluster.members.find((m) => m.raft?.status().role === "leader")?.raft
            ?.transferLeadership(leader.id, () => {});
        }
        return status?.role === "leader";
      };
      expect(world.runUntilHolds(world.now() + 20_000, 200, leads)).toBe(true);
      old.killHost();
      standby.killHost();
      world.runUntil(world.now() + 300);
      standby.host.reboot();
      standby.startAgent();
      expect(outage(cluster)).toBeLessThan(15_000);
      expect(primaryOf(cluster)).toBe(standby);
    }
  });
}

test("hosts that were all off, the witness too: nobody has seen the last primary, and it is waited for", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed, 5, true);
    const old = primaryOf(cluster);
    const rest = cluster.members.filter((member) => member !== old);
    for (const member of cluster.members) member.killHost();
    for (const member of rest) {
      member.host.reboot();
      member.startAgent();
    }
    expect(outage(cluster)).toBe(Infinity);
    old.host.reboot();
    old.startAgent();
    // All are there now: it, or one that has everything it had.
    expect(outage(cluster)).toBeLessThan(15_000);
    expect(recovers(cluster, 30_000)).toBe(true);
  }
});

test("the raft leader is kept off the primary's host", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed);
    expect(primaryOf(cluster).raft?.status().role).not.toBe("leader");
  }
});

test("the death of the primary's host costs no more than the ttl and a promotion", () => {
  for (const [ttl, boundMs] of [[5, 5900], [2, 2900]] as const) {
    for (const seed of SEEDS) {
      const cluster = healthy(seed, ttl);
      primaryOf(cluster).killHost();
      expect(outage(cluster)).toBeLessThan(boundMs);
      expect(cluster.safety.failovers).toBe(1);
    }
  }
});

test("a host that comes back rejoins, whatever it had written alone", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed);
    const old = primaryOf(cluster);
    old.killHost();
    outage(cluster);
    old.host.reboot();
    old.startAgent();
    expect(recovers(cluster, 20_000)).toBe(true);
    expect(primaryOf(cluster)).not.toBe(old);
  }
});

test("an agent that is killed and started again within the lease is not noticed by clients", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed);
    const { world } = cluster;
    const primary = primaryOf(cluster);
    const { epoch } = records(cluster).lock;
    primary.killAgent(false);
    world.runUntil(world.now() + 1500);
    primary.startAgent();
    world.runUntil(world.now() + 10_000);
    expect(cluster.unhealthy()).toBe(null);
    expect(records(cluster).lock.epoch).toBe(epoch);
    expect(cluster.safety.longestOutageMs).toBe(0);
  }
});

test("an agent that is killed for good is fenced by the guard, and succeeded", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed);
    const { world } = cluster;
    const primary = primaryOf(cluster);
    primary.killAgent(false);
    expect(world.runUntilHolds(world.now() + 5500, 5, () => !primary.server.canAcknowledge)).toBe(true);
    expect(outage(cluster)).toBeLessThan(2000);
    expect(primaryOf(cluster)).not.toBe(primary);
    primary.startAgent();
    expect(recovers(cluster, 20_000)).toBe(true);
  }
});

test("a pause of the primary's agent shorter than the lease costs nothing", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed);
    const { world } = cluster;
    primaryOf(cluster).agent.pause(3500);
    world.runUntil(world.now() + 10_000);
    expect(cluster.unhealthy()).toBe(null);
    expect(cluster.safety.longestOutageMs).toBe(0);
  }
});

test("a pause of everybody but the primary freezes it, and costs it nothing more", () => {
  for (const ttl of [5, 2]) {
    for (const seed of SEEDS) {
      const cluster = healthy(seed, ttl);
      const { world } = cluster;
      const primary = primaryOf(cluster);
      const { epoch } = records(cluster).lock;
      for (const member of cluster.members) if (member !== primary) member.agent.pause(ttl * 1000 + 100);
      world.runUntil(world.now() + ttl * 1000);
      expect(primary.server.canAcknowledge).toBe(false);
      // An election, or two: in one of forty runs the first is won by nobody.
      expect(outage(cluster)).toBeLessThan(3000);
      world.runUntil(world.now() + 10_000);
      expect(cluster.unhealthy()).toBe(null);
      expect(records(cluster).lock.epoch).toBe(epoch);
    }
  }
});

test("the death of the raft leader's host is not noticed by clients", () => {
  for (const ttl of [5, 2]) {
    for (const seed of SEEDS) {
      const cluster = healthy(seed, ttl);
      const { world } = cluster;
      const { epoch } = records(cluster).lock;
      cluster.members.find((member) => member.raft?.status().role === "leader")!.killHost();
      world.runUntil(world.now() + 15_000);
      expect(records(cluster).lock.epoch).toBe(epoch);
      expect(cluster.safety.longestOutageMs).toBe(0);
    }
  }
});

test("a PostgreSQL that dies is started again in place", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed);
    const { epoch } = records(cluster).lock;
    const primary = primaryOf(cluster);
    primary.server.killed();
    cluster.world.runUntil(cluster.world.now() + 1);
    expect(outage(cluster)).toBeLessThan(4000);
    expect(primaryOf(cluster)).toBe(primary);
    expect(records(cluster).lock.epoch).toBe(epoch);
  }
});

/**
 * A switchover to a member that hangs in its promotion; returns how long nobody writes, and what was
 * answered.
 */
function switchToHung(cluster: SimCluster, candidate: SimMember): { outageMs: number; result?: unknown } {
  const { world } = cluster;
  const old = primaryOf(cluster);
  candidate.server.hangsAt = "promotion";
  askSwitchover(old, candidate.name, "hung");
  expect(world.runUntilHolds(world.now() + 5000, 5, () => !old.server.canAcknowledge)).toBe(true);
  const outageMs = outage(cluster);
  world.runUntil(world.now() + 2000);
  return { outageMs, result: records(cluster).failoverResults.find(({ id }) => id === "hung") };
}

for (const pause of [false, true]) {
  test(`a member that cannot be promoted is followed by another one within 8 s${pause ? ", also in pause" : ""}`, () => {
    for (const seed of SEEDS) {
      const cluster = healthy(seed);
      const old = primaryOf(cluster);
      if (pause) {
        askPause(old, true);
        cluster.world.runUntil(cluster.world.now() + 3000);
      }
      const [candidate, other] = cluster.members.filter((member) => member !== old);
      const { outageMs, result } = switchToHung(cluster, candidate!);
      expect(outageMs).toBeLessThan(8000);
      expect(primaryOf(cluster)).toBe(other!);
      expect(result).toMatchObject({
        ok: false,
        text: `Switchover failed: ${candidate!.name} could not take over, ${other!.name} did`,
      });
      candidate!.server.hangsAt = null;
      resume(cluster);
      expect(recovers(cluster, 60_000)).toBe(true);
      expect(cluster.safety.lostBytes).toBe(0);
    }
  });
}

test("in pause, a candidate whose agent dies between grant and promotion is followed by another member", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed);
    const { world } = cluster;
    const old = primaryOf(cluster);
    askPause(old, true);
    world.runUntil(world.now() + 3000);
    const [candidate, other] = cluster.members.filter((member) => member !== old);
    // So that there is time to kill it, after the others have heard that it holds the lock.
    candidate!.server.hangsAt = "promotion";
    askSwitchover(old, candidate!.name, "killed");
    const granted = () => records(cluster).lock.holder === candidate!.name;
    expect(world.runUntilHolds(world.now() + 5000, 1, granted)).toBe(true);
    world.runUntil(world.now() + 2000);
    candidate!.killAgent(false);
    expect(candidate!.server.canAcknowledge).toBe(false);
    expect(outage(cluster)).toBeLessThan(9000);
    expect(primaryOf(cluster)).toBe(other!);
    candidate!.server.hangsAt = null;
    candidate!.startAgent();
    resume(cluster);
    expect(recovers(cluster, 60_000)).toBe(true);
    expect(cluster.safety.lostBytes).toBe(0);
  }
});

test("a member that cannot be promoted, with nobody else, tries again until it can", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed, 5, true);
    const old = primaryOf(cluster);
    const candidate = cluster.members.find((member) => member !== old && member.name !== "w1")!;
    cluster.world.after(15_000, () => {
      candidate.server.hangsAt = null;
    });
    const { outageMs } = switchToHung(cluster, candidate);
    expect(outageMs).toBeLessThan(30_000);
    expect(primaryOf(cluster)).toBe(candidate);
    expect(recovers(cluster, 60_000)).toBe(true);
    expect(cluster.safety.lostBytes).toBe(0);
  }
});

test("a switchover loses nothing and is over in two seconds", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed);
    const { world } = cluster;
    const old = primaryOf(cluster);
    const candidate = cluster.members.find((member) => member !== old)!;
    old.member!.voter.proposer.propose({
      op: "setFailover",
      record: {
        kind: "switchover",
        leader: old.name,
        candidate: candidate.name,
        scheduledAt: null,
        id: "switchover-1",
        accepted: false,
        epoch: 0,
      },
      expectRevision: null,
    }, () => {});
    expect(world.runUntilHolds(world.now() + 10_000, 5, () => records(cluster).failoverResults.length > 0))
      .toBe(true);
    expect(records(cluster).failoverResults[0]).toMatchObject({ id: "switchover-1", ok: true });
    expect(recovers(cluster, 10_000)).toBe(true);
    expect(primaryOf(cluster)).toBe(candidate);
    expect(cluster.safety.lostBytes).toBe(0);
    expect(cluster.safety.longestOutageMs).toBeLessThan(2000);
  }
});

test("an agent that is stopped hands over without a wait for the ttl", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed);
    const old = primaryOf(cluster);
    old.stopAgent();
    expect(cluster.world.runUntilHolds(cluster.world.now() + 10_000, 5, () => !old.agent.alive)).toBe(true);
    expect(outage(cluster)).toBeLessThan(1500);
    expect(cluster.safety.longestOutageMs).toBeLessThan(2000);
    expect(cluster.safety.lostBytes).toBe(0);
    old.startAgent();
    expect(recovers(cluster, 20_000)).toBe(true);
  }
});

test("a stop that hangs is ended after the cluster's pg_ctl_timeout, the one of the moment", () => {
  for (const limitS of [4, 90]) {
    for (const seed of SEEDS) {
      const cluster = healthy(seed);
      const { world } = cluster;
      const primary = primaryOf(cluster);
      expect(setStopLimit(primary, limitS)).toBe(true);
      world.runUntil(world.now() + 1000);
      primary.server.hangsAt = "checkpoint";
      const from = world.now();
      primary.stopAgent();
      expect(world.runUntilHolds(from + 120_000, 50, () => primary.server.process === "none")).toBe(true);
      const tookS = (world.now() - from) / 1000;
      expect(tookS).toBeGreaterThanOrEqual(limitS);
      expect(tookS).toBeLessThan(limitS + 5);
    }
  }
});

test("after the power of all hosts has failed, the last primary goes on", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed);
    const { world } = cluster;
    const last = primaryOf(cluster);
    for (const member of cluster.members) member.killHost();
    world.runUntil(world.now() + 60_000);
    for (const member of cluster.members) {
      member.host.reboot();
      member.startAgent();
    }
    expect(recovers(cluster, 20_000)).toBe(true);
    expect(primaryOf(cluster)).toBe(last);
    expect(cluster.safety.lostBytes).toBe(0);
  }
});

test("in pause the primary goes on alone, however soon it is cut off once its epoch is logged as unfenced", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed);
    const { world, network } = cluster;
    const primary = primaryOf(cluster);
    const { epoch } = records(cluster).lock;
    const { value, revision } = records(cluster).config!;
    primary.member!.voter.proposer.propose(
      { op: "setConfig", value: { ...value, pause: true }, expectRevision: revision },
      () => {},
    );
    expect(world.runUntilHolds(world.now() + 5000, 1, () => primary.dcs!.state.lock.unfenced)).toBe(true);
    const cut = cutFault(network, directionsOf(primary.id, cluster.members.map(({ id }) => id)), 30_000);
    world.runUntil(world.now() + 30_000);
    expect(primary.server.canAcknowledge).toBe(true);
    expect(cluster.safety.longestOutageMs).toBe(0);
    cut.end();
    resume(cluster);
    expect(recovers(cluster, 20_000)).toBe(true);
    expect(records(cluster).lock.epoch).toBe(epoch);
  }
});

test("a member that is dropped from the records, and still one of the raft group, comes back to them", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed);
    const { world } = cluster;
    const primary = primaryOf(cluster);
    const { name, raftAddr } = Object.values(records(cluster).members).find((each) =>
      each.name !== primary.name
    )!;
    primary.member!.voter.proposer.propose({ op: "dropMember", name, raftAddr }, () => {});
    expect(world.runUntilHolds(world.now() + 2000, 1, () => !(name in records(cluster).members))).toBe(true);
    expect(world.runUntilHolds(world.now() + 2000, 10, () => name in records(cluster).members)).toBe(true);
    world.runUntil(world.now() + 5000);
    expect(cluster.unhealthy()).toBe(null);
  }
});

test("a ttl changed at run time, up and down, disturbs nothing", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed);
    const { world } = cluster;
    for (const ttl of [2, 10, 3, 3600, 5]) {
      const { config } = records(cluster);
      const { proposer } = cluster.members[seed % 3]!.member!.voter;
      const value = { ...config!.value, ttl };
      proposer.propose({ op: "setConfig", value, expectRevision: config!.revision }, () => {});
      expect(world.runUntilHolds(world.now() + 5000, 100, () => {
        const { grantTtlMs, waitTtlMs } = records(cluster);
        return grantTtlMs === ttl * 1000 && waitTtlMs === ttl * 1000;
      })).toBe(true);
      world.runUntil(world.now() + 3000);
    }
    expect(cluster.unhealthy()).toBe(null);
    expect(cluster.safety.longestOutageMs).toBe(0);
  }
});

test("steps of the wall clock by days, forward and back, on all hosts, change nothing at all", () => {
  const course = (seed: number, stepped: boolean) => {
    const cluster = healthy(seed);
    const { world } = cluster;
    const steps = [1, -2, 4, -3].map((days) => days * 86_400_000);
    for (const [i, byMs] of steps.entries()) {
      for (const [k, member] of cluster.members.entries()) if (stepped) member.wall.step(byMs * (k - 1));
      // Renewals, then a failover.
      if (i === 2) primaryOf(cluster).killHost();
      world.runUntil(world.now() + 3000);
    }
    const { lock, members, failsafe } = records(cluster);
    const { failovers, longestOutageMs } = cluster.safety;
    return { steps: world.steps, lock, members, failsafe, failovers, longestOutageMs };
  };
  for (const seed of SEEDS) {
    const seen = course(seed, true);
    expect(seen.failovers).toBe(1);
    expect(seen).toEqual(course(seed, false));
  }
});

test("a scheduled switchover takes place by the two clocks that agree, though the raft leader's is years off", () => {
  const YEARS = 3 * 365 * 86_400_000;
  for (const [seed, byMs] of [[1, YEARS], [2, -YEARS], [3, 300_000], [4, -300_000]] as const) {
    const cluster = healthy(seed);
    const { world } = cluster;
    const [old, leader] = [primaryOf(cluster), cluster.leader()!];
    const right = cluster.members.find((member) => member !== leader)!.wall;
    leader.wall.step(byMs);
    const dueMs = world.now() + 20_000;
    askSwitchover(old, null, "late", new Date(right.nowMs() + 20_000).toISOString());
    world.runUntil(dueMs - 500);
    expect([cluster.leader(), primaryOf(cluster), records(cluster).failoverResults]).toEqual([
      leader,
      old,
      [],
    ]);
    expect(world.runUntilHolds(dueMs + 5000, 5, () => records(cluster).failoverResults.length > 0)).toBe(
      true,
    );
    expect(records(cluster).failoverResults[0]).toMatchObject({ id: "late", ok: true });
    expect(recovers(cluster, 10_000)).toBe(true);
  }
});

test("a primary whose data directory is moved away ends in order before another takes over, and copies itself anew", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed);
    const { world } = cluster;
    const old = primaryOf(cluster);
    const { pid } = old.server;
    old.server.misplaced = true;
    expect(world.runUntilHolds(world.now() + 5000, 5, () => !old.server.canAcknowledge)).toBe(true);
    expect(outage(cluster)).toBeLessThan(3000);
    expect(primaryOf(cluster)).not.toBe(old);
    expect(records(cluster).lock.ended?.how ?? "released").toBe("released");
    expect(recovers(cluster, 60_000)).toBe(true);
    expect(old.server.pid).not.toBe(pid);
  }
});
