/**
 * The faults that a cluster is put through: those of raft's world, and those of agents, guards and
 * PostgreSQLs. Each is a row in the table of its target.
 */
import {
  cutFault,
  directionsOf,
  drawWeights,
  FaultInjector,
  type FaultMaker,
  type Prng,
} from "../../../raft/sim/mod.ts";
import type { SimCluster } from "../sim_cluster.ts";
import { AMBUSH_FAULTS } from "./ambush_faults.ts";
import { CLUSTER_FAULTS, type ClusterFault } from "./fault_kinds.ts";
import { type FaultRow, FaultScene } from "./fault_row.ts";
import { HOST_FAULTS, MAX_PAUSE_MS, pauseNow } from "./host_faults.ts";
import { NAME_FAULTS } from "./name_faults.ts";
import { MAX_CUT_MS, NETWORK_FAULTS } from "./network_faults.ts";
import { OPERATOR_FAULTS } from "./operator_faults.ts";
import { POSTGRES_FAULTS } from "./postgres_faults.ts";
import { SICK_FAULTS } from "./sick_faults.ts";

/** How often, in a run that has it, a change of the lock is met with faults at that very moment. */
const AMBUSH_RATE = 0.5;

const ROWS: Readonly<Record<ClusterFault, FaultRow>> = {
  ...NETWORK_FAULTS,
  ...AMBUSH_FAULTS,
  ...HOST_FAULTS,
  ...POSTGRES_FAULTS,
  ...OPERATOR_FAULTS,
  ...NAME_FAULTS,
  ...SICK_FAULTS,
};

/** About half of the kinds in every run. */
export function clusterFaults(
  cluster: SimCluster,
  random: Prng,
  only: ClusterFault | null = null,
  never: readonly ClusterFault[] = [],
): FaultInjector<ClusterFault> {
  const weights = weightsOf(random, only);
  for (const kind of never) weights[kind] = 0;
  const scene = new FaultScene(cluster, random.split("operators"));
  const makers = Object.fromEntries(
    CLUSTER_FAULTS.map((kind): [ClusterFault, FaultMaker] => [
      kind,
      (chance) => ROWS[kind].make(scene, chance),
    ]),
  ) as Record<ClusterFault, FaultMaker>;
  const injector = new FaultInjector(cluster.world, makers, weights, random.between(1000, 6000));
  if (random.chance(0.6) && only === null) ambush(cluster, injector, random.split("ambush"));
  return injector;
}

/** The draws of a seed follow from the order of CLUSTER_FAULTS. */
function weightsOf(random: Prng, only: ClusterFault | null): Record<ClusterFault, number> {
  const weights = drawWeights(random, CLUSTER_FAULTS, 0.5);
  for (const kind of CLUSTER_FAULTS) weights[kind] *= ROWS[kind].weight ?? 1;
  if (Object.values(weights).every((weight) => weight === 0)) weights["agent-pause"] = 1;
  if (only !== null) { for (const kind of CLUSTER_FAULTS) weights[kind] = kind === only ? 1 : 0; }
  return weights;
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
    // After messages on their way have arrived: a paused agent acts on them when it goes on, and no other
    // node hears of it.
    if (how !== "pause") {
      later(random.between(0, 2) + random.exponential(3), () => {
        const cuts = directionsOf(target.id, cluster.ids());
        injector.begun("isolate", cutFault(cluster.network, cuts, random.between(1000, MAX_CUT_MS)));
      });
    }
  });
}
