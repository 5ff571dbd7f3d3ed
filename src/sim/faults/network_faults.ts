/** Faults of the network: between all of two members, or of raft's or the REST API's connections alone. */
import {
  directionsOf,
  type Fault,
  type NetworkFault,
  networkFaults,
  type Prng,
} from "../../../raft/sim/mod.ts";
import { type FaultRow, type FaultRows, type FaultScene, victim } from "./fault_row.ts";

export const MAX_CUT_MS = 15_000;
const MAX_RAFT_CUT_MS = 30_000;

export const NETWORK_FAULTS = {
  isolate: { make: cut("isolate") },
  "one-way": { make: cut("one-way") },
  pair: { make: cut("pair") },
  "raft-cut": { make: cutRaft },
  "rest-cut": { make: cutRest },
} satisfies FaultRows;

/** Cuts between the hosts that are members at the time. */
function cut(kind: NetworkFault): FaultRow["make"] {
  return ({ cluster }, random) => {
    if (cluster.members.length < 2) return null;
    const pick = (draw: Prng) => victim(cluster, draw).id;
    return networkFaults(cluster.network, cluster.ids(), MAX_CUT_MS, pick)[kind](random);
  };
}

/** Cuts one member from all others, or all from each other: then no majority is left. */
function cutRaft({ cluster }: FaultScene, random: Prng): Fault {
  const ids = cluster.ids();
  const directions = random.chance(0.5) ? directionsOf(victim(cluster, random).id, ids) : everyDirection(ids);
  return cluster.links.cutRaft(directions, random.between(1000, MAX_RAFT_CUT_MS));
}

function cutRest({ cluster }: FaultScene, random: Prng): Fault {
  const directions = directionsOf(random.pick(cluster.ids()), cluster.ids());
  return cluster.links.cutRest(directions, random.between(500, MAX_CUT_MS));
}

function everyDirection(ids: readonly number[]): (readonly [number, number])[] {
  return ids.flatMap((from) => ids.filter((to) => to !== from).map((to) => [from, to] as const));
}
