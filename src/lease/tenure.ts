/**
 * Whether this start of the agent may act on the lock that the records give to this node. Release is final
 * (DESIGN.md): an epoch that was, or may have been, released must never be renewed again. A restarted agent
 * does not know which epochs its predecessor released, so it keeps an epoch only if the guard, which outlives
 * agents, still has it armed; every other epoch that was granted to this life before the start it gives back.
 *
 * Names can come twice: an epoch that another machine holds under this name is neither kept nor given back.
 * Silence is no proof either: as long as no guard has answered, an epoch from before the start is not judged.
 */
import { type Claim, mayRelease } from "../model/life.ts";
import type { LockRecord } from "../model/records.ts";

export type Tenure =
  | { readonly kind: "none" }
  | { readonly kind: "holding"; readonly epoch: number }
  | { readonly kind: "to-release"; readonly epoch: number };

export interface TenureView {
  readonly lock: LockRecord;
  /** The claim of this life to the epoch on record. */
  readonly claim: Claim;
  /** Epoch of the lock when this node's own record of this start was applied; null before. */
  readonly epochAtJoin: number | null;
  /** Highest epoch that this start of the agent has given up. */
  readonly givenUpEpoch: number;
  /** A guard of the data directory has answered this start of the agent. */
  readonly guardSpoke: boolean;
  readonly guardArmedEpoch: number | null;
  readonly guardEndedEpoch: number;
  /** Epoch that this node has been holding until now; a guard that was replaced meanwhile does not end it. */
  readonly heldEpoch: number | null;
}

export function tenureOf(view: TenureView): Tenure {
  const { lock, claim, epochAtJoin, guardArmedEpoch, guardEndedEpoch, givenUpEpoch } = view;
  if (epochAtJoin === null) {
    // This node's records may be old. The guard knows an epoch that was acknowledged: renewing it can do no
    // harm, since the raft leader acknowledges only the current epoch of the life that holds it.
    return guardArmedEpoch !== null && guardArmedEpoch > guardEndedEpoch && guardArmedEpoch > givenUpEpoch
      ? { kind: "holding", epoch: guardArmedEpoch }
      : { kind: "none" };
  }
  if (!mayRelease(lock, claim)) return { kind: "none" };
  const { epoch } = lock;
  if (claim === "own" && epoch > givenUpEpoch && epoch > guardEndedEpoch) {
    const earned = epoch > epochAtJoin || epoch === view.heldEpoch || epoch === guardArmedEpoch;
    if (earned) return { kind: "holding", epoch };
  }
  return view.guardSpoke ? { kind: "to-release", epoch } : { kind: "none" };
}
