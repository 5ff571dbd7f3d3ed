/**
 * When the majority is lost for good, one member founds another cluster from its own log (recoverCluster, as
 * `agent recover` does it). This file makes the new cluster's first log from the survivor's log.
 */
import type { BrokenRule, BrokenRules } from "../core/broken_rules.ts";
import type { NodeId } from "../core/types.ts";
import type { StateMachine, StoredLog } from "../node/ports.ts";
import { recoverCluster, type RecoveredCluster, replayLog } from "../node/recover_cluster.ts";
import { FIRST_CLUSTER_ID, type SimNetwork } from "./sim_network.ts";
import type { SimProcess } from "./sim_host.ts";
import type { World } from "./world.ts";

/** State that a recovered cluster inherits from the lost one. */
export interface Heritage extends RecoveredCluster {
  readonly world: World;
  readonly network: SimNetwork;
  /** Process of the survivor; its host goes on. */
  readonly survivor: SimProcess;
  readonly addr: string;
  /** Snapshot of the state machine, as the survivor's log gave it. */
  readonly state: Uint8Array;
}

export interface Survivor {
  readonly id: NodeId;
  readonly process: SimProcess;
  readonly stored: StoredLog;
}

/**
 * Lower limit of the values that clients of a recovered cluster write, which distinguishes them from the old
 * cluster's.
 */
export const RECOVERED_VALUES = 1_000_000;

/** The rules that only a recovery shows to be missing. */
export const RECOVERY_RULES: readonly BrokenRule[] = ["recover-committed", "recover-same-id"];

/**
 * Makes the heritage. `machine`: empty at first; afterwards it holds the state with which the new cluster
 * begins.
 */
export function heritageOf(
  { id, process, stored }: Survivor,
  machine: StateMachine,
  around: { readonly world: World; readonly network: SimNetwork; readonly seed: string },
  broken: BrokenRules,
): Heritage {
  const { world, network, seed } = around;
  const known = broken.has("recover-committed")
    ? { ...stored, entries: stored.entries.filter(({ index }) => index <= stored.hardState.commit) }
    : stored;
  replayLog(known, machine, 1);
  const addr = `${process.name}:1`;
  const self = { oldClusterId: FIRST_CLUSTER_ID, addr, name: process.name, seed };
  const recovered = recoverCluster(known, machine, self);
  const kept = {
    clusterId: FIRST_CLUSTER_ID,
    nodeId: id,
    snapshot: { ...recovered.snapshot, configuration: { voters: [id], learners: [] } },
  };
  return {
    ...(broken.has("recover-same-id") ? kept : recovered),
    world,
    network,
    survivor: process,
    addr,
    state: machine.snapshot(),
  };
}
