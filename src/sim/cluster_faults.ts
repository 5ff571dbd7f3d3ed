/** The faults that a cluster is put through: those of raft's world, and those of agents, guards and PostgreSQLs. */
import {
  drawWeights,
  type Fault,
  FaultInjector,
  type FaultMaker,
  type NetworkFault,
  networkFaults,
  type Prng,
} from "../../raft/sim/mod.ts";
import type { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";

export type ClusterFault =
  | NetworkFault
  | "agent-pause"
  | "agent-crash"
  | "host-crash"
  | "all-hosts-crash"
  | "disk-hang"
  | "disk-fail"
  | "guard-kill"
  | "postmaster-kill"
  | "postgres-crash"
  | "switchover"
  | "set-ttl";

export const CLUSTER_FAULTS: readonly ClusterFault[] = [
  "isolate",
  "one-way",
  "pair",
  "agent-pause",
  "agent-crash",
  "host-crash",
  "all-hosts-crash",
  "disk-hang",
  "disk-fail",
  "guard-kill",
  "postmaster-kill",
  "postgres-crash",
  "switchover",
  "set-ttl",
];

/** At least a few kinds in every run; a cold start of everything is rare within one. */
export function clusterFaults(cluster: SimCluster, random: Prng): FaultInjector<ClusterFault> {
  const weights = drawWeights(random, CLUSTER_FAULTS, 0.5);
  weights["all-hosts-crash"] *= 0.15;
  weights["disk-fail"] *= 0.3;
  if (Object.values(weights).every((weight) => weight === 0)) weights["agent-pause"] = 1;
  const makers: Record<ClusterFault, FaultMaker> = {
    ...networkFaults(cluster.network, cluster.members.map((member) => member.id), 15_000),
    ...makersOf(cluster),
  };
  return new FaultInjector(cluster.world, makers, weights, random.between(1500, 6000));
}

function makersOf(cluster: SimCluster): Record<Exclude<ClusterFault, NetworkFault>, FaultMaker> {
  const one =
    (able: (member: SimMember) => boolean, make: (member: SimMember, random: Prng) => Fault): FaultMaker =>
    (random) => {
      const members = cluster.members.filter(able);
      return members.length === 0 ? null : make(random.pick(members), random);
    };
  const alive = (member: SimMember) => member.agent.alive;
  const running = (member: SimMember) => member.server.anyProcess;
  let requests = 0;
  const moment = (text: string): Fault => ({ durationMs: 0, text, end: () => {} });
  return {
    "agent-pause": one((member) => alive(member) && !member.agent.isPaused, (member, random) => {
      const durationMs = random.chance(0.3) ? random.between(50, 1500) : random.between(1000, 10_000);
      member.agent.pause(durationMs);
      return {
        durationMs,
        text: member.name,
        end: () => {
          if (member.agent.isPaused) member.agent.resume();
        },
      };
    }),
    "agent-crash": one(alive, (member, random) => {
      member.killAgent(false);
      return { durationMs: random.between(50, 8000), text: member.name, end: () => member.startAgent() };
    }),
    "host-crash": one(alive, (member, random) => {
      member.killHost();
      return { durationMs: random.between(2000, 20_000), text: member.name, end: () => boot(member) };
    }),
    "all-hosts-crash": (random) => {
      for (const member of cluster.members) member.killHost();
      return {
        durationMs: random.between(500, 8000),
        text: "all",
        end: () => {
          for (const member of cluster.members) {
            cluster.world.after(random.between(0, 3000), () => boot(member));
          }
        },
      };
    },
    "disk-hang": one(alive, (member, random) => {
      const durationMs = random.between(100, 5000);
      member.disk.hang(durationMs);
      return { durationMs, text: member.name, end: () => member.disk.resume() };
    }),
    "disk-fail": one(alive, (member) => {
      member.disk.failNextSync();
      return moment(member.name);
    }),
    "guard-kill": one((member) => member.guard.process.alive, (member) => {
      member.guard.die();
      return moment(member.name);
    }),
    "postmaster-kill": one(running, (member) => {
      member.server.postmasterKilled();
      return moment(member.name);
    }),
    "postgres-crash": one(running, (member) => {
      member.server.killed();
      return moment(member.name);
    }),
    switchover: (random) => requestSwitchover(cluster, ++requests, random),
    "set-ttl": (random) => changeTtl(cluster, random),
  };
}

function boot(member: SimMember): void {
  if (member.agent.alive) return;
  member.host.reboot();
  member.startAgent();
}

function requestSwitchover(cluster: SimCluster, number: number, random: Prng): Fault | null {
  const asked = random.pick(cluster.members);
  const state = asked.dcs?.state;
  if (!state || state.lock.holder === null || !asked.member) return null;
  const others = cluster.members.filter((member) => member.name !== state.lock.holder);
  const candidate = random.chance(0.5) ? random.pick(others).name : null;
  const id = `switchover-${number}`;
  asked.member.proposer.propose({
    op: "setFailover",
    record: {
      kind: "switchover",
      leader: state.lock.holder,
      candidate,
      scheduledAt: null,
      id,
      accepted: false,
      epoch: 0,
    },
    expectRevision: state.failover?.revision ?? null,
  }, () => {});
  return {
    durationMs: 0,
    text: `${state.lock.holder} to ${candidate ?? "any"}, asked of ${asked.name}`,
    end: () => {},
  };
}

function changeTtl(cluster: SimCluster, random: Prng): Fault | null {
  const asked = random.pick(cluster.members);
  const config = asked.dcs?.state.config;
  if (!config || !asked.member) return null;
  const ttl = random.pick([2, 3, 5, 10]);
  asked.member.proposer.propose({
    op: "setConfig",
    value: { ...config.value, ttl },
    expectRevision: config.revision,
  }, () => {});
  return { durationMs: 0, text: `${ttl} s, asked of ${asked.name}`, end: () => {} };
}
