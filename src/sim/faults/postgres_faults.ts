/** Faults of PostgreSQL: its processes, a shutdown or a promotion that hangs, its data directory. */
import type { Fault, Prng } from "../../../raft/sim/mod.ts";
import { requestSwitchover } from "../requests.ts";
import type { SimCluster } from "../sim_cluster.ts";
import type { SimMember } from "../sim_member.ts";
import { HANGS } from "./fault_kinds.ts";
import { agentLives, type FaultRows, type FaultScene, moment, onVictim } from "./fault_row.ts";

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
    cluster.members.some((other) => other.server.canAcknowledge);
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
  member?.requestRestart();
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
function hangPromotion({ name, server }: SimMember, random: Prng, scene: FaultScene): Fault {
  server.hangsAt = "promotion";
  requestSwitchover(scene.cluster, scene.nextRequestId(), random);
  const end = () => {
    server.hangsAt = null;
  };
  return { durationMs: random.between(1000, 20_000), text: `${name} cannot be promoted`, end };
}

/** The host of a standby that was none but a standby comes back with an empty data directory. */
function loseData(member: SimMember, random: Prng): Fault {
  member.killHost();
  member.server.directory.setAside();
  return { durationMs: random.between(1000, 5000), text: member.name, end: () => member.boot() };
}

function requestReinit({ member, name }: SimMember): Fault {
  member?.requestReinit(false);
  return moment(name);
}
