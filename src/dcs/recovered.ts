/**
 * Makes the records of a cluster that is recovered from a lost majority.
 *
 * Epochs compare as (cluster epoch, e). They are plain numbers everywhere (the guard compares nothing else),
 * so the pair is made one number: the epochs of cluster epoch c begin above c * EPOCHS_PER_CLUSTER_EPOCH. A
 * grant of the lost members that this log does not know is below, as no cluster epoch sees so many grants: at
 * one a second it would take 31 years. So no grant or renewal from before is ever valid again, nor could a
 * guard that was armed under a new epoch be told an old one.
 */
import { type DcsState, knownMember } from "../model/records.ts";

export const EPOCHS_PER_CLUSTER_EPOCH = 1_000_000_000;

/**
 * Holds the first epoch, which nobody can renew: it is expired by the ordinary rule, wait_ttl after the raft
 * leader began. That is how the first grant waits until every holder that may still live has fenced itself.
 */
export const NOBODY = "nobody (recovered cluster)";

export function recoveredState(
  state: DcsState,
  { survivor, at }: { survivor: string; at: string },
): DcsState {
  // From the epoch too: a log that is behind its own recovery does not exist, but costs nothing to be
  // excluded.
  const seen = Math.max(state.clusterEpoch, Math.floor(state.lock.epoch / EPOCHS_PER_CLUSTER_EPOCH));
  const clusterEpoch = seen + 1;
  const { life: _former, ...facts } = knownMember(state, survivor) ?? { life: null };
  const text = `cluster recovered on ${survivor} from a lost majority, cluster epoch ${clusterEpoch}`;
  return {
    ...state,
    clusterEpoch,
    lock: {
      epoch: clusterEpoch * EPOCHS_PER_CLUSTER_EPOCH,
      holder: NOBODY,
      reason: text,
      lastHolder: state.lock.lastHolder,
      // Raft ids are others now: the last holder is known by its name, and a member that joins says who it
      // is.
      life: null,
      ended: null,
      cleanStart: false,
      unfenced: false,
    },
    failover: null,
    sync: { leader: null, syncStandby: [], quorum: 0, revision: state.revision },
    failsafe: null,
    members: "name" in facts ? { [survivor]: facts } : {},
    events: [
      ...state.events,
      { index: state.revision, at, member: survivor, kind: "recover", text },
    ].slice(-100),
  };
}

/** The cluster was recovered, and nobody has been granted the lock since. */
export function isJustRecovered({ clusterEpoch, lock }: DcsState): boolean {
  return clusterEpoch > 0 && lock.epoch === clusterEpoch * EPOCHS_PER_CLUSTER_EPOCH;
}
