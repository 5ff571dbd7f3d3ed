/** Faults of names: a member that calls itself by another's, a machine that is there twice. */
import type { Fault, Prng } from "../../../raft/sim/mod.ts";
import type { SimCluster } from "../sim_cluster.ts";
import type { SimMember } from "../sim_member.ts";
import { type FaultRows, type FaultScene, onVictim, victim } from "./fault_row.ts";

export const NAME_FAULTS = {
  "name-copied": { make: onVictim(mayBeRenamed, copyName) },
  "machine-doubled": { weight: 0.5, make: doubleMachine },
} satisfies FaultRows;

/**
 * Not the one whose bootstrap is not sealed yet: renamed, it would take its directory for another member's
 * unfinished bootstrap.
 */
function mayBeRenamed({ agent, isWitness, server }: SimMember, { members }: SimCluster): boolean {
  return agent.alive && !isWitness && server.directory.state.kind !== "half-written" && members.length > 1;
}

/** A standby's agent is started again with a file that names the primary. */
function copyName(member: SimMember, random: Prng, { cluster }: FaultScene): Fault {
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
}

/** Another machine boots under the name of the primary's, which lives on. */
function doubleMachine({ cluster, operators }: FaultScene, random: Prng): Fault | null {
  return operators.double(victim(cluster, random), random.chance(0.5) ? "copy" : "replacement");
}
