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
import { isSet } from "../model/merge.ts";
import { parseBool } from "../model/parse_bool.ts";
import { recorded } from "./events.ts";
import { ASYNCHRONOUS, isPromised } from "../sync/record.ts";

export const EPOCHS_PER_CLUSTER_EPOCH = 1_000_000_000;

/**
 * Holds the first epoch, which no member can renew: it is expired by the ordinary rule, wait_ttl after the
 * raft leader began. That is how the first grant waits until every holder that may still live has fenced
 * itself.
 */
export const NOBODY = "nobody (recovered cluster)";

export function recoveredState(
  state: DcsState,
  { survivor, at }: { survivor: string; at: string },
): DcsState {
  // From the epoch too: a log cannot be behind its own recovery, but the check costs nothing.
  const seen = Math.max(state.clusterEpoch, Math.floor(state.lock.epoch / EPOCHS_PER_CLUSTER_EPOCH));
  const clusterEpoch = seen + 1;
  const { life: _former, ...facts } = knownMember(state, survivor) ?? { life: null };
  const epoch = clusterEpoch * EPOCHS_PER_CLUSTER_EPOCH;
  const text = `cluster recovered on ${survivor} from a lost majority, cluster epoch ${clusterEpoch}`;
  return {
    ...state,
    clusterEpoch,
    lock: {
      epoch,
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
    sync: { ...ASYNCHRONOUS, revision: state.revision, ...unknownSync(state) },
    failsafe: null,
    members: "name" in facts ? { [survivor]: facts } : {},
    events: recorded(
      state.events,
      { kind: "cluster-recovered", member: survivor, text, at, facts: { epoch } },
      { index: state.revision, by: survivor },
    ),
  };
}

/**
 * The lost members may have acknowledged what the survivor has not, and may have logged another V since: no
 * vote proves anything. An operator has to say whose data goes on.
 */
function unknownSync({ sync, config }: DcsState): { readonly unknown?: true } {
  const mode = config?.value["synchronous_mode"];
  const isOff = !isSet(mode) || parseBool(mode) === false;
  return isPromised(sync) || !isOff ? { unknown: true } : {};
}

/** The cluster was recovered, and the lock was not granted since. */
export function isJustRecovered({ clusterEpoch, lock }: DcsState): boolean {
  return clusterEpoch > 0 && lock.epoch === clusterEpoch * EPOCHS_PER_CLUSTER_EPOCH;
}
