/** Faults of a host: its agent, its guard, its disk, its clocks, its power. */
import type { Fault, Prng } from "../../../raft/sim/mod.ts";
import { LEASE_CHANNEL } from "../../agent/peers/messages.ts";
import type { SimCluster } from "../sim_cluster.ts";
import { RHO, type SimMember } from "../sim_member.ts";
import { agentLives, agentRuns, type FaultRows, type FaultScene, moment, onVictim } from "./fault_row.ts";

export const MAX_PAUSE_MS = 10_000;
/** The share of crashed agents that find that opening the log fails when they are started again. */
const OPENING_FAILS_RATE = 0.2;
const MAX_FULL_MS = 20_000;
const MAX_CLOCK_STEP_MS = 3 * 86_400_000;

export const HOST_FAULTS = {
  "agent-pause": { make: onVictim(agentRuns, pause) },
  "agent-crash": { make: onVictim(agentLives, crashAgent) },
  "agent-stop": { make: onVictim(agentRuns, stopAgent) },
  "host-crash": { make: onVictim(agentLives, crashHost) },
  // A cold start of everything is rare within a run.
  "all-hosts-crash": { weight: 0.15, make: crashAllHosts },
  "disk-hang": { make: onVictim(agentLives, hangDisk) },
  "disk-fail": { weight: 0.3, make: onVictim(agentLives, failDisk) },
  "disk-full": { make: onVictim(agentLives, fillDisk) },
  "guard-kill": { make: onVictim(({ guard }) => guard.process.alive, killGuard) },
  "clock-step": { make: onVictim(() => true, stepClock) },
  "clock-rate": { make: onVictim(() => true, changeClockRate) },
} satisfies FaultRows;

function pause(member: SimMember, random: Prng, { cluster }: FaultScene): Fault {
  const durationMs = random.chance(0.3) ? random.between(50, 1500) : random.between(1000, MAX_PAUSE_MS);
  return random.chance(0.4) ? pauseAfterRenewal(cluster, member, durationMs) : pauseNow(member, durationMs);
}

export function pauseNow(member: SimMember, durationMs: number): Fault {
  member.agent.pause(durationMs);
  return {
    durationMs,
    text: member.name,
    end: () => {
      if (member.agent.isPaused) member.agent.resume();
    },
  };
}

/** Pauses right after the agent has sent a message about the lease: the answer is read after the pause. */
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

function crashAgent(member: SimMember, random: Prng): Fault {
  member.killAgent(false);
  if (random.chance(OPENING_FAILS_RATE)) member.disk.failOpening();
  return { durationMs: random.between(50, 8000), text: member.name, end: () => member.startAgent() };
}

function stopAgent(member: SimMember, random: Prng): Fault {
  member.stopAgent();
  return {
    durationMs: random.between(1000, 12_000),
    text: member.name,
    end: () => {
      // An agent that has not stopped by now is killed, as by a service manager.
      member.killAgent(false);
      member.startAgent();
    },
  };
}

function crashHost(member: SimMember, random: Prng): Fault {
  member.killHost();
  return { durationMs: random.between(2000, 20_000), text: member.name, end: () => member.boot() };
}

function crashAllHosts({ cluster }: FaultScene, random: Prng): Fault {
  for (const member of cluster.members) member.killHost();
  return {
    durationMs: random.between(500, 8000),
    text: "all",
    end: () => {
      for (const member of cluster.members) {
        cluster.world.after(random.between(0, 3000), () => member.boot());
      }
    },
  };
}

function hangDisk(member: SimMember, random: Prng): Fault {
  const durationMs = random.between(100, 5000);
  member.disk.hang(durationMs);
  return { durationMs, text: member.name, end: () => member.disk.resume() };
}

function failDisk(member: SimMember): Fault {
  member.disk.failSoon();
  return moment(member.name);
}

function fillDisk(member: SimMember, random: Prng, { operators }: FaultScene): Fault {
  // The wrong way to make room: a log that is there needs none to be opened, a new one does.
  const emptied = random.chance(0.2) && operators.empty(member) !== null;
  member.disk.fill();
  return {
    durationMs: random.between(500, MAX_FULL_MS),
    text: emptied ? `${member.name}, whose raft directory is moved aside` : member.name,
    end: () => member.disk.makeRoom(),
  };
}

function killGuard(member: SimMember): Fault {
  member.guard.die();
  return moment(member.name);
}

/** Steps the wall clock, minutes to days, either way; and back, as when a time server is believed again. */
function stepClock(member: SimMember, random: Prng): Fault {
  const byMs = random.pick([-1, 1]) * 60_000 * (MAX_CLOCK_STEP_MS / 60_000) ** random.unit();
  member.wall.step(byMs);
  return {
    durationMs: random.between(100, 20_000),
    text: `${member.name} by ${(byMs / 1000).toFixed(0)} s`,
    end: () => member.wall.step(-byMs),
  };
}

/** Changes the rate of the clock that leases are measured by, which is never stepped. */
function changeClockRate(member: SimMember, random: Prng): Fault {
  member.host.setRate(1 + random.between(-RHO, RHO));
  return moment(`${member.name} to ${member.host.rate.toFixed(6)}`);
}
