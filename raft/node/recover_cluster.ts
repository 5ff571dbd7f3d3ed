/**
 * The first snapshot of the cluster that one member founds when the others are lost for good. Pure but for
 * the state machine that it is given.
 *
 * All entries of the log are applied, committed or not: the lost members may have committed, and
 * acknowledged, an entry that is not known here to be committed. Entries that only the lost members had are
 * lost. So it is unknown which epochs they have granted, and the caller's state machine has to leave room
 * above (see src/dcs/recovered.ts).
 */
import { createHash } from "node:crypto";
import { nodeIdOf } from "./ids.ts";
import { ReplicatedState } from "./replicated_state.ts";
import { type NodeId, NONE, type Snapshot } from "../core/types.ts";
import type { StateMachine, StoredLog } from "./ports.ts";

/** Cluster that one member founds anew; see `recoverCluster`. */
export interface RecoveredCluster {
  readonly clusterId: number;
  readonly nodeId: NodeId;
  readonly snapshot: Snapshot;
}

/**
 * Brings the state machine to the end of this member's log. `commandVersion`: as in RaftNodeOptions. Throws
 * UpgradeNeededError.
 */
export function replayLog(stored: StoredLog, machine: StateMachine, commandVersion: number): void {
  replay(stored, new ReplicatedState(machine, commandVersion));
}

function replay(stored: StoredLog, state: ReplicatedState): void {
  if (stored.snapshot) state.restore(stored.snapshot.data, stored.snapshot.index);
  for (const entry of stored.entries) state.apply(entry);
}

/**
 * Makes the new cluster, which begins with the state of the machine. `seed`: random, so that no other
 * recovery of the same cluster, even on another host, makes the same id: the handshake keeps members of the
 * two apart.
 */
export function recoverCluster(
  stored: StoredLog,
  machine: Pick<StateMachine, "snapshot">,
  self: {
    readonly oldClusterId: number;
    readonly addr: string;
    readonly name: string;
    readonly seed: string;
  },
): RecoveredCluster {
  const clusterId = createHash("sha256").update(`recovered ${self.oldClusterId} ${self.seed}`).digest()
    .readUIntBE(0, 6) || 1;
  const nodeId = nodeIdOf(clusterId, self.addr);
  const voters = [nodeId];
  // Sessions of the old cluster end: its ids cannot send anything here any more.
  const old = new ReplicatedState(unused, Infinity);
  replay(stored, old);
  const state = new ReplicatedState({ ...unused, snapshot: () => machine.snapshot() }, Infinity);
  // Commands of that version may be part of the machine's state.
  state.sessions.agree(old.sessions.agreedVersion);
  state.members.put({ id: nodeId, name: self.name, addr: self.addr, votes: true, replaces: NONE });
  state.members.applied({ voters, learners: [] });
  state.sessions.join({ kind: "joined", member: nodeId, instance: 0 });
  const index = Math.max(1, stored.entries.at(-1)?.index ?? stored.snapshot?.index ?? 0);
  const snapshot = {
    index,
    term: stored.hardState.term + 1,
    configuration: { voters, learners: [] },
    data: state.snapshot(),
  };
  return { clusterId, nodeId, snapshot };
}

const unused: StateMachine = {
  apply: () => undefined,
  snapshot: () => new Uint8Array(0),
  restore: () => {},
};
