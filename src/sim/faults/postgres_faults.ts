/** Faults of PostgreSQL: its processes, a shutdown or a promotion that hangs, its data directory. */
import { cutFault, directionsOf, type Fault, type Prng } from "../../../raft/sim/mod.ts";
import { requestSwitchover } from "../requests.ts";
import type { SimCluster } from "../sim_cluster.ts";
import type { SimMember } from "../sim_member.ts";
import { FAILINGS, HANGS } from "./fault_kinds.ts";
import { pauseNow } from "./host_faults.ts";
import { agentLives, agentRuns, type FaultRows, type FaultScene, moment, onVictim } from "./fault_row.ts";

/** Shorter than some hangs: then another member takes over. */
const RESTART_TIMEOUT_S = 5;

export const POSTGRES_FAULTS = {
  "postmaster-kill": { make: onVictim(serverRuns, killPostmaster) },
  "postgres-crash": { make: onVictim(serverRuns, killServer) },
  "postgres-restart": { make: onVictim(({ member }) => member !== null, requestRestart) },
  "stop-hang": { make: onVictim(goesOn, hangShutdown) },
  "promotion-hang": { make: onVictim(goesOn, hangPromotion) },
  "data-lost": {
    weight: 0.2,
    make: onVictim((member, cluster) => agentLives(member) && isSpare(member, cluster), loseData),
  },
  reinit: { weight: 0.3, make: onVictim(isSpare, requestReinit) },
  "hand-promotion": { make: promoteByHand },
  "cannot-lead": { make: onVictim(goesOn, keepFromLeading) },
  "receiver-hang": { make: hangReceiver },
} satisfies FaultRows;

function serverRuns({ server }: SimMember): boolean {
  return server.anyProcess;
}

/** Nothing of its server hangs yet. */
function goesOn({ server }: SimMember): boolean {
  return server.hangsAt === null;
}

/** Its data can be had from another member that is a running primary. */
function isSpare({ server, name }: SimMember, cluster: SimCluster): boolean {
  return server.inRecovery && cluster.latestRecords()?.lock.lastHolder !== name &&
    cluster.members.some((other) => other.server.writesUnderLock);
}

function killPostmaster({ server, name }: SimMember): Fault {
  server.postmasterKilled();
  return moment(name);
}

function killServer({ server, name }: SimMember): Fault {
  server.killed();
  return moment(name);
}

function requestRestart({ member, name }: SimMember): Fault {
  member?.requestRestart(RESTART_TIMEOUT_S);
  return moment(name);
}

/** The next shutdown of its PostgreSQL hangs, and mostly is asked for. */
function hangShutdown(member: SimMember, random: Prng, scene: FaultScene): Fault {
  const id = scene.nextRequestId();
  const hang = random.pick(HANGS);
  const { server } = member;
  server.hangsAt = hang;
  const how = random.weighted({ switchover: 0.4, stop: 0.3, restart: 0.15, none: 0.15 });
  if (how === "switchover") requestSwitchover(scene.cluster, id, random);
  const stops = how === "stop" && member.agent.alive && !member.agent.isPaused;
  if (stops) member.stopAgent();
  if (how === "restart") member.member?.requestRestart(RESTART_TIMEOUT_S);
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
function hangPromotion({ name, server }: SimMember, random: Prng, scene: FaultScene): Fault {
  server.hangsAt = "promotion";
  requestSwitchover(scene.cluster, scene.nextRequestId(), random);
  const end = () => {
    server.hangsAt = null;
  };
  return { durationMs: random.between(1000, 20_000), text: `${name} cannot be promoted`, end };
}

/** It cannot become a primary for a while, and mostly is asked to. */
function keepFromLeading({ name, server }: SimMember, random: Prng, scene: FaultScene): Fault {
  const why = random.pick(FAILINGS);
  server.hangsAt = why;
  const how = random.weighted({ switchover: 0.4, crash: 0.4, none: 0.2 });
  if (how === "switchover") requestSwitchover(scene.cluster, scene.nextRequestId(), random);
  if (how === "crash") server.killed();
  const end = () => {
    server.hangsAt = null;
  };
  return { durationMs: random.between(1000, 30_000), text: `${name}: ${why}, ${how}`, end };
}

/** A standby stays connected, and takes no WAL. One that commits wait for is of more interest. */
function hangReceiver({ cluster }: FaultScene, random: Prng): Fault | null {
  const voters = cluster.latestRecords()?.sync.syncStandby ?? [];
  const standbys = cluster.members.filter(({ server }) => server.streaming && !server.receivesNothing);
  const waitedFor = standbys.filter(({ name }) => voters.includes(name));
  if (standbys.length === 0) return null;
  const { server, name } = random.pick(waitedFor.length > 0 && random.chance(0.7) ? waitedFor : standbys);
  server.receivesNothing = true;
  const end = () => {
    server.receivesNothing = false;
  };
  return { durationMs: random.between(1000, 30_000), text: name, end };
}

/** The host of a standby that never was a primary comes back with an empty data directory. */
function loseData(member: SimMember, random: Prng): Fault {
  member.killHost();
  member.server.directory.setAside();
  return { durationMs: random.between(1000, 5000), text: member.name, end: () => member.boot() };
}

/**
 * A standby is promoted past its agent. Mostly another fault comes with it, which keeps its agent from ending
 * it, or makes it a candidate for the lock: the holder's host dies, or the holder's agent stands still until
 * its lease is over, and is back when a successor is chosen.
 */
function promoteByHand({ cluster }: FaultScene, random: Prng): Fault | null {
  const records = cluster.latestRecords();
  const holder = cluster.find(records?.lock.holder ?? "");
  const standbys = cluster.members.filter(({ server, name }) =>
    server.answers && server.inRecovery && name !== holder?.name
  );
  if (records === null || standbys.length === 0) return null;
  const member = random.pick(standbys);
  const how = random.pick(["alone", "cut off", "agent paused", "holder gone", "holder paused"]);
  cluster.world.after(random.between(0, how === "alone" ? 0 : 1000), () => member.server.promote(null));
  const text = `${member.name}, ${how}`;
  if (how === "cut off") {
    return {
      ...cutFault(cluster.network, directionsOf(member.id, cluster.ids()), random.between(1000, 10_000)),
      text,
    };
  }
  if (how === "agent paused" && agentRuns(member)) {
    return { ...pauseNow(member, random.between(500, 8000)), text };
  }
  if (how === "holder gone" && holder?.agent.alive) {
    holder.killHost();
    return { durationMs: records.waitTtlMs + random.between(0, 8000), text, end: () => holder.boot() };
  }
  if (how === "holder paused" && holder && agentRuns(holder)) {
    return { ...pauseNow(holder, records.waitTtlMs + random.between(-500, 2000)), text };
  }
  return moment(text);
}

function requestReinit({ member, name }: SimMember, random: Prng): Fault {
  const fromLeader = random.chance(0.3);
  member?.requestReinit(fromLeader);
  return moment(fromLeader ? `${name} from the leader` : name);
}
