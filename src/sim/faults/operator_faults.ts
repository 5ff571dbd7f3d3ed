/** Operators' acts on a cluster: requests, settings, members added, removed, and left without their log. */
import type { Fault, Prng } from "../../../raft/sim/mod.ts";
import { changeTtl, requestPause, requestSwitchover, resume, setFailsafeMode } from "../requests.ts";
import { asked, type FaultRows, type FaultScene, victim } from "./fault_row.ts";

export const OPERATOR_FAULTS = {
  switchover: {
    make: (scene, random) => asked(requestSwitchover(scene.cluster, scene.nextRequestId(), random)),
  },
  "set-ttl": { make: ({ cluster }, random) => asked(changeTtl(cluster, random)) },
  "set-failsafe": {
    make: ({ cluster }, random) => asked(setFailsafeMode(cluster, random.chance(0.6), random)),
  },
  maintenance: { make: pauseCluster },
  "member-added": {
    weight: 0.5,
    make: ({ cluster, operators }, random) => {
      // No member is hit; the draw keeps the runs of all seeds as they are.
      victim(cluster, random);
      return asked(operators.add());
    },
  },
  "member-removed": {
    weight: 0.5,
    make: ({ cluster, operators }, random) => asked(operators.remove(victim(cluster, random))),
  },
  "raft-directory-lost": {
    weight: 0.5,
    make: ({ cluster, operators }, random) => asked(operators.empty(victim(cluster, random))),
  },
  "bit-rot": {
    weight: 0.5,
    make: ({ cluster, operators }, random) => operators.rot(victim(cluster, random)),
  },
  "machine-lost": { weight: 0.5, make: loseMachine },
  "majority-lost": { weight: 0.3, make: ({ operators }) => operators.loseMajority() },
} satisfies FaultRows;

/** Maintenance mode, for a while. */
function pauseCluster({ cluster }: FaultScene, random: Prng): Fault | null {
  const text = requestPause(cluster, random);
  if (text === null) return null;
  return { durationMs: random.between(2000, 20_000), text, end: () => resume(cluster) };
}

function loseMachine({ cluster, operators }: FaultScene, random: Prng): Fault | null {
  const member = victim(cluster, random);
  return member.isWitness ? null : asked(operators.loseMachine(member));
}
