/**
 * The faults that a cluster is put through: those of raft's world, and those of agents, guards and
 * PostgreSQLs.
 */
import {
  cutFault,
  directionsOf,
  drawWeights,
  type Fault,
  FaultInjector,
  type FaultMaker,
  type NetworkFault,
  networkFaults,
  type Prng,
} from "../../raft/sim/mod.ts";
import { LEASE_CHANNEL } from "../agent/peers/messages.ts";
import {
  CLUSTER_FAULTS,
  type ClusterFault,
  HANGS,
  LEASE_RULES,
  type LeaseAmbush,
  MEMBERSHIP_FAULTS,
} from "./fault_kinds.ts";
import { failsafeAmbush } from "./failsafe_ambush.ts";
import { leaseAmbush } from "./lease_ambush.ts";
import { changeTtl, requestPause, requestSwitchover, resume, setFailsafeMode } from "./requests.ts";
import type { SimCluster } from "./sim_cluster.ts";
import { Operators } from "./operators.ts";
import { RHO, type SimMember } from "./sim_member.ts";

/** How often, in a run that has it, a change of the lock is met with faults at that very moment. */
const AMBUSH_RATE = 0.5;
const MAX_PAUSE_MS = 10_000;
const MAX_CUT_MS = 15_000;
const MAX_RAFT_CUT_MS = 30_000;
/** The share of crashed agents that find that opening the log fails when they are started again. */
const OPENING_FAILS_RATE = 0.2;
const MAX_FULL_MS = 20_000;
const MAX_CLOCK_STEP_MS = 3 * 86_400_000;

/** About half of the kinds in every run; a cold start of everything is rare within one. */
export function clusterFaults(
  cluster: SimCluster,
  random: Prng,
  only: ClusterFault | null = null,
): FaultInjector<ClusterFault> {
  const weights = drawWeights(random, CLUSTER_FAULTS, 0.5);
  weights["all-hosts-crash"] *= 0.15;
  weights["disk-fail"] *= 0.3;
  weights["bit-rot"] *= 0.5;
  weights["data-lost"] *= 0.2;
  weights["reinit"] *= 0.3;
  weights["majority-lost"] *= 0.3;
  weights["machine-doubled"] *= 0.5;
  for (const kind of MEMBERSHIP_FAULTS) weights[kind] *= 0.5;
  for (const rule of LEASE_RULES) weights[`ambush-${rule}`] *= 0.3;
  if (Object.values(weights).every((weight) => weight === 0)) weights["agent-pause"] = 1;
  if (only !== null) { for (const kind of CLUSTER_FAULTS) weights[kind] = kind === only ? 1 : 0; }
  // Of those that are members at the time.
  const cut = (kind: NetworkFault): FaultMaker => (chance) =>
    cluster.members.length < 2
      ? null
      : networkFaults(cluster.network, cluster.ids(), MAX_CUT_MS, (draw) => victim(cluster, draw).id)[kind](
        chance,
      );
  const makers: Record<ClusterFault, FaultMaker> = {
    isolate: cut("isolate"),
    "one-way": cut("one-way"),
    pair: cut("pair"),
    ...makersOf(cluster, random.split("operators")),
  };
  const injector = new FaultInjector(cluster.world, makers, weights, random.between(1000, 6000));
  if (random.chance(0.6) && only === null) ambush(cluster, injector, random.split("ambush"));
  return injector;
}

/** Anyone; more often the holder of the lock or the leader of raft, where a fault has consequences. */
function victim(cluster: SimCluster, random: Prng): SimMember {
  const role = random.weighted({ holder: 0.35, leader: 0.15, any: 0.5 });
  const chosen = role === "holder"
    ? cluster.find(cluster.latestRecords()?.lock.holder ?? "")
    : role === "leader"
    ? cluster.members.find((member) => member.raft?.status().role === "leader")
    : undefined;
  return chosen ?? random.pick(cluster.members);
}

/**
 * Faults that come together, and at the worst moment: within milliseconds of a grant, an expiry or a release
 * becoming known somewhere. Mostly to the new holder.
 */
function ambush(cluster: SimCluster, injector: FaultInjector<ClusterFault>, random: Prng): void {
  let known = "";
  cluster.watchLock(({ epoch, holder }) => {
    const lock = `${epoch} ${holder}`;
    if (!injector.active || lock === known || !random.chance(AMBUSH_RATE)) return;
    known = lock;
    const target = (random.chance(0.7) ? cluster.find(holder ?? "") : undefined) ??
      random.pick(cluster.members);
    const how = random.pick(["pause", "cut", "both", "both"] as const);
    const later = (delayMs: number, run: () => void) =>
      cluster.world.after(delayMs, () => injector.active && target.agent.alive && run());
    if (how !== "cut") {
      later(
        random.exponential(1),
        () => injector.begun("agent-pause", pauseNow(target, random.between(100, MAX_PAUSE_MS))),
      );
    }
    // After what is on its way has arrived: a paused agent acts on it when it goes on, and nobody hears of
    // it.
    if (how !== "pause") {
      later(random.between(0, 2) + random.exponential(3), () => {
        const cuts = directionsOf(target.id, cluster.ids());
        injector.begun("isolate", cutFault(cluster.network, cuts, random.between(1000, MAX_CUT_MS)));
      });
    }
  });
}

function pauseNow(member: SimMember, durationMs: number): Fault {
  member.agent.pause(durationMs);
  return {
    durationMs,
    text: member.name,
    end: () => {
      if (member.agent.isPaused) member.agent.resume();
    },
  };
}

/**
 * Pauses right after the agent has sent a message about the lease: what answers it is read after the pause.
 */
function pauseAfterRenewal(cluster: SimCluster, member: SimMember, durationMs: number): Fault {
  let over = false;
  cluster.network.afterNextFrame(member.id, LEASE_CHANNEL, () => {
    if (!over && member.agent.alive) member.agent.pause(durationMs);
  });
  return {
    durationMs: durationMs + 2000,
    text: `${member.name}, after its next renewal`,
    end: () => {
      over = true;
      if (member.agent.isPaused) member.agent.resume();
    },
  };
}

function makersOf(
  cluster: SimCluster,
  random: Prng,
): Record<Exclude<ClusterFault, NetworkFault>, FaultMaker> {
  const { world } = cluster;
  const one =
    (able: (member: SimMember) => boolean, make: (member: SimMember, random: Prng) => Fault): FaultMaker =>
    (random) => {
      const member = victim(cluster, random);
      return able(member) ? make(member, random) : null;
    };
  const alive = (member: SimMember) => member.agent.alive;
  const running = (member: SimMember) => member.server.anyProcess;
  const moment = (text: string): Fault => ({ durationMs: 0, text, end: () => {} });
  const operators = new Operators(cluster, random);
  const asked = (ask: (member: SimMember) => string | null): FaultMaker => (chance) => {
    const text = ask(victim(cluster, chance));
    return text === null ? null : moment(text);
  };
  let requests = 0;
  let ambushed = false;
  // Each is a story of its own.
  const alone = (ambush: FaultMaker): FaultMaker => (random) => {
    const fault = ambushed ? null : ambush(random);
    if (fault === null) return null;
    ambushed = true;
    return {
      ...fault,
      end: () => {
        ambushed = false;
        fault.end();
      },
    };
  };
  const leaseAmbushes = Object.fromEntries(
    LEASE_RULES.map((rule) => [`ambush-${rule}`, alone((random) => leaseAmbush(cluster, rule, random))]),
  ) as Record<LeaseAmbush, FaultMaker>;
  return {
    // From everybody, or everybody from each other: then no majority is left.
    "raft-cut": (random) => {
      const ids = cluster.ids();
      const cut = random.chance(0.5) ? directionsOf(victim(cluster, random).id, ids) : everyDirection(ids);
      return cluster.links.cutRaft(cut, random.between(1000, MAX_RAFT_CUT_MS));
    },
    "rest-cut": (random) =>
      cluster.links.cutRest(
        directionsOf(random.pick(cluster.ids()), cluster.ids()),
        random.between(500, MAX_CUT_MS),
      ),
    "failsafe-ambush": alone((random) => failsafeAmbush(cluster, random)),
    ...leaseAmbushes,
    "agent-pause": one((member) => alive(member) && !member.agent.isPaused, (member, random) => {
      const durationMs = random.chance(0.3) ? random.between(50, 1500) : random.between(1000, MAX_PAUSE_MS);
      return random.chance(0.4)
        ? pauseAfterRenewal(cluster, member, durationMs)
        : pauseNow(member, durationMs);
    }),
    "agent-crash": one(alive, (member, random) => {
      member.killAgent(false);
      if (random.chance(OPENING_FAILS_RATE)) member.disk.failOpening();
      return { durationMs: random.between(50, 8000), text: member.name, end: () => member.startAgent() };
    }),
    "agent-stop": one((member) => alive(member) && !member.agent.isPaused, (member, random) => {
      member.stopAgent();
      return {
        durationMs: random.between(1000, 12_000),
        text: member.name,
        end: () => {
          // What has not stopped by now is killed, as a service manager does.
          member.killAgent(false);
          member.startAgent();
        },
      };
    }),
    "host-crash": one(alive, (member, random) => {
      member.killHost();
      return { durationMs: random.between(2000, 20_000), text: member.name, end: () => member.boot() };
    }),
    "all-hosts-crash": (random) => {
      for (const member of cluster.members) member.killHost();
      return {
        durationMs: random.between(500, 8000),
        text: "all",
        end: () => {
          for (const member of cluster.members) world.after(random.between(0, 3000), () => member.boot());
        },
      };
    },
    "disk-hang": one(alive, (member, random) => {
      const durationMs = random.between(100, 5000);
      member.disk.hang(durationMs);
      return { durationMs, text: member.name, end: () => member.disk.resume() };
    }),
    "disk-fail": one(alive, (member) => {
      member.disk.failSoon();
      return moment(member.name);
    }),
    "disk-full": one(alive, (member, random) => {
      // The wrong way to make room: a log that is there needs none to be opened, a new one does.
      const emptied = random.chance(0.2) && operators.empty(member) !== null;
      member.disk.fill();
      return {
        durationMs: random.between(500, MAX_FULL_MS),
        text: emptied ? `${member.name}, whose raft directory is moved aside` : member.name,
        end: () => member.disk.makeRoom(),
      };
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
    "postgres-restart": one((member) => member.member !== null, (member) => {
      member.member?.requestRestart();
      return moment(member.name);
    }),
    "stop-hang": one(
      (member) => member.server.hangsAt === null,
      (member, random) => hangShutdown(cluster, member, `switchover-${++requests}`, random),
    ),
    "promotion-hang": one(
      (member) => member.server.hangsAt === null,
      (member, random) => hangPromotion(cluster, member, `switchover-${++requests}`, random),
    ),
    // The host of a standby that was none but a standby comes back with an empty data directory.
    "data-lost": one((member) => alive(member) && spare(cluster, member), (member, random) => {
      member.killHost();
      member.server.setAside();
      return { durationMs: random.between(1000, 5000), text: member.name, end: () => member.boot() };
    }),
    reinit: one((member) => spare(cluster, member), (member) => {
      member.member?.requestReinit(false);
      return moment(member.name);
    }),
    switchover: (random) => {
      const text = requestSwitchover(cluster, `switchover-${++requests}`, random);
      return text === null ? null : moment(text);
    },
    "set-ttl": (random) => {
      const text = changeTtl(cluster, random);
      return text === null ? null : moment(text);
    },
    "set-failsafe": (random) => {
      const text = setFailsafeMode(cluster, random.chance(0.6), random);
      return text === null ? null : moment(text);
    },
    maintenance: (random) => {
      const text = requestPause(cluster, random);
      if (text === null) return null;
      return { durationMs: random.between(2000, 20_000), text, end: () => resume(cluster) };
    },
    "member-added": asked(() => operators.add()),
    "member-removed": asked((member) => operators.remove(member)),
    "raft-directory-lost": asked((member) => operators.empty(member)),
    "bit-rot": (random) => operators.rot(victim(cluster, random)),
    "machine-lost": asked((member) => member.isWitness ? null : operators.loseMachine(member)),
    // A standby's agent is started again with a file that names the primary.
    "name-copied": one(
      // Not the one whose bootstrap is not sealed yet: renamed, it would take its directory for somebody
      // else's half.
      (member) =>
        alive(member) && !member.isWitness && member.server.directory.kind !== "half-written" &&
        cluster.members.length > 1,
      (member, random) => {
        const { holder } = cluster.latestRecords()?.lock ?? { holder: null };
        const other = random.pick(cluster.members.filter((each) => each !== member));
        const start = (alias: string | null) => {
          member.killAgent(false);
          member.alias = alias;
          member.startAgent();
        };
        start(holder === null || holder === member.name ? other.name : holder);
        return {
          durationMs: random.between(1000, 15_000),
          text: `${member.name} as ${member.alias}`,
          end: () => start(null),
        };
      },
    ),
    "machine-doubled": (random) =>
      operators.double(victim(cluster, random), random.chance(0.5) ? "copy" : "replacement"),
    "majority-lost": () => operators.loseMajority(),
    // Minutes to days, either way; and back, as when a time server is believed again.
    "clock-step": one(() => true, (member, random) => {
      const byMs = random.pick([-1, 1]) * 60_000 * (MAX_CLOCK_STEP_MS / 60_000) ** random.unit();
      member.wall.step(byMs);
      return {
        durationMs: random.between(100, 20_000),
        text: `${member.name} by ${(byMs / 1000).toFixed(0)} s`,
        end: () => member.wall.step(-byMs),
      };
    }),
    // Of the clock that leases are measured by, which is never stepped.
    "clock-rate": one(() => true, (member, random) => {
      member.host.setRate(1 + random.between(-RHO, RHO));
      return moment(`${member.name} to ${member.host.rate.toFixed(6)}`);
    }),
  };
}

/** Its data can be had from another member that is a running primary. */
function spare(cluster: SimCluster, member: SimMember): boolean {
  const { server } = member;
  return server.inRecovery && cluster.latestRecords()?.lock.lastHolder !== member.name &&
    cluster.members.some((other) => other.server.canAcknowledge);
}

function everyDirection(ids: readonly number[]): (readonly [number, number])[] {
  return ids.flatMap((from) => ids.filter((to) => to !== from).map((to) => [from, to] as const));
}

/** The next shutdown of its PostgreSQL hangs, and mostly is asked for. */
function hangShutdown(cluster: SimCluster, member: SimMember, id: string, random: Prng) {
  const hang = random.pick(HANGS);
  const { server } = member;
  server.hangsAt = hang;
  const how = random.weighted({ switchover: 0.4, stop: 0.3, restart: 0.15, none: 0.15 });
  if (how === "switchover") requestSwitchover(cluster, id, random);
  const stops = how === "stop" && member.agent.alive && !member.agent.isPaused;
  if (stops) member.stopAgent();
  if (how === "restart") member.member?.requestRestart();
  return {
    durationMs: random.between(1000, 20_000),
    text: `${member.name} at the ${hang}, ${how}`,
    end: () => {
      server.hangsAt = null;
      if (!stops) return;
      member.killAgent(false);
      member.startAgent();
    },
  };
}

/** No switchover to this member comes to its end, and one is asked for. */
function hangPromotion(cluster: SimCluster, { name, server }: SimMember, id: string, random: Prng) {
  server.hangsAt = "promotion";
  requestSwitchover(cluster, id, random);
  const end = () => {
    server.hangsAt = null;
  };
  return { durationMs: random.between(1000, 20_000), text: `${name} cannot be promoted`, end };
}
