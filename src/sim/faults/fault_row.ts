/** The row of a table of faults, and the tools of its maker. */
import type { Fault, Prng } from "../../../raft/sim/mod.ts";
import { Operators } from "../operators.ts";
import type { SimCluster } from "../sim_cluster.ts";
import type { SimMember } from "../sim_member.ts";
import type { ClusterFault } from "./fault_kinds.ts";

export interface FaultRow {
  /** How often it comes compared with others: factor on the weight that a seed draws. @default 1 */
  readonly weight?: number;
  /** Begins it. Null: it makes no sense now. */
  make(scene: FaultScene, random: Prng): Fault | null;
}

export type FaultRows = Readonly<Partial<Record<ClusterFault, FaultRow>>>;

/** The cluster that the faults of a run hit, and the faults' memory of each other. */
export class FaultScene {
  readonly cluster: SimCluster;
  readonly operators: Operators;
  #requests = 0;
  #ambushed = false;

  constructor(cluster: SimCluster, random: Prng) {
    this.cluster = cluster;
    this.operators = new Operators(cluster, random);
  }

  /** An id for a request for a switchover. */
  nextRequestId(): string {
    return `switchover-${++this.#requests}`;
  }

  /** Begins an ambush, unless another one goes on: each is a story of its own. */
  alone(ambush: () => Fault | null): Fault | null {
    const fault = this.#ambushed ? null : ambush();
    if (fault === null) return null;
    this.#ambushed = true;
    return {
      ...fault,
      end: () => {
        this.#ambushed = false;
        fault.end();
      },
    };
  }
}

/** Any member; more often the holder of the lock or the leader of raft, where a fault has consequences. */
export function victim(cluster: SimCluster, random: Prng): SimMember {
  const role = random.weighted({ holder: 0.35, leader: 0.15, any: 0.5 });
  const chosen = role === "holder"
    ? cluster.find(cluster.latestRecords()?.lock.holder ?? "")
    : role === "leader"
    ? cluster.members.find((member) => member.raft?.status().role === "leader")
    : undefined;
  return chosen ?? random.pick(cluster.members);
}

/** Hits a random victim, if this fault can hit it. */
export function onVictim(
  able: (member: SimMember, cluster: SimCluster) => boolean,
  hit: (member: SimMember, random: Prng, scene: FaultScene) => Fault,
): FaultRow["make"] {
  return (scene, random) => {
    const member = victim(scene.cluster, random);
    return able(member, scene.cluster) ? hit(member, random, scene) : null;
  };
}

/** A fault that is over at once. */
export function moment(text: string): Fault {
  return { durationMs: 0, text, end: () => {} };
}

/** The same for a request; null: none was made. */
export function asked(text: string | null): Fault | null {
  return text === null ? null : moment(text);
}

export function agentLives({ agent }: SimMember): boolean {
  return agent.alive;
}

export function agentRuns({ agent }: SimMember): boolean {
  return agent.alive && !agent.isPaused;
}
