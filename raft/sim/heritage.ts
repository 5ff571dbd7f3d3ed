/**
 * When the majority is lost for good, one member founds another cluster from what its own log holds
 * (recoverCluster, as `agent recover` does it). Here: from the survivor's log to the log that the new cluster
 * begins with.
 */
import type { NodeId } from "../core/types.ts";
import type { StateMachine, StoredLog } from "../node/ports.ts";
import { recoverCluster, type RecoveredCluster, replayLog } from "../node/recover_cluster.ts";
import { FIRST_CLUSTER_ID, type SimNetwork } from "./sim_network.ts";
import type { SimProcess } from "./sim_host.ts";
import type { World } from "./world.ts";

/** What a recovered cluster has from the lost one. */
export interface Heritage extends RecoveredCluster {
  readonly world: World;
  readonly network: SimNetwork;
  /** Which process the survivor was; its host goes on. */
  readonly survivor: SimProcess;
  readonly addr: string;
  /** A snapshot of the state machine, as the survivor's log gave it. */
  readonly state: Uint8Array;
}

export interface Survivor {
  readonly id: NodeId;
  readonly process: SimProcess;
  readonly stored: StoredLog;
}

/**
 * Values that the clients of a recovered cluster write are above, so that those of the old one's are known.
 */
export const RECOVERED_VALUES = 1_000_000;

/** Rules of recovery that can be broken. */
export const BREAKABLE_RECOVERY = {
  "recover-committed": "recovery: entries that the survivor does not know to be committed are left out",
  "recover-same-id": "recovery: the new cluster keeps the id of the old one",
} as const;

/** `machine`: empty; afterwards it is in the state that the new cluster begins with. */
export function heritageOf(
  { id, process, stored }: Survivor,
  machine: StateMachine,
  around: { readonly world: World; readonly network: SimNetwork; readonly seed: string },
  broken: ReadonlySet<string>,
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
