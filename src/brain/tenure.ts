/**
 * Whether this start of the agent may act on the lock that the records give to us. Release is final (design.md 4.2):
 * an epoch that was, or may have been, released must never be renewed again. A restarted agent does not remember what
 * its predecessor released, so it keeps an epoch only if the guard, which outlives agents and remembers, still
 * has it armed; every other epoch from before its start it gives back.
 */
import type { LockRecord } from "../model/records.ts";

export type Tenure =
  | { readonly kind: "none" }
  | { readonly kind: "holding"; readonly epoch: number }
  | { readonly kind: "to-release"; readonly epoch: number };

export interface TenureView {
  readonly name: string;
  readonly lock: LockRecord;
  /** Epoch of the lock when our own record of this start was applied; null before. */
  readonly epochAtJoin: number | null;
  /** Highest epoch that this start of the agent has given up. */
  readonly givenUpEpoch: number;
  readonly guardArmedEpoch: number | null;
  readonly guardEndedEpoch: number;
  /** Epoch we have been holding until now; a guard that was replaced meanwhile does not end it. */
  readonly heldEpoch: number | null;
}

export function tenureOf(view: TenureView): Tenure {
  const { lock, epochAtJoin, guardArmedEpoch, guardEndedEpoch, givenUpEpoch } = view;
  if (epochAtJoin === null) {
    // Our records may be old. The guard knows an epoch that was acknowledged: renewing it can do no harm, since the
    // raft leader acknowledges only the current epoch of the current holder.
    return guardArmedEpoch !== null && guardArmedEpoch > guardEndedEpoch && guardArmedEpoch > givenUpEpoch
      ? { kind: "holding", epoch: guardArmedEpoch }
      : { kind: "none" };
  }
  if (lock.holder !== view.name) return { kind: "none" };
  if (lock.epoch <= givenUpEpoch || lock.epoch <= guardEndedEpoch) {
    return { kind: "to-release", epoch: lock.epoch };
  }
  const earned = lock.epoch > epochAtJoin || lock.epoch === view.heldEpoch || lock.epoch === guardArmedEpoch;
  return earned ? { kind: "holding", epoch: lock.epoch } : { kind: "to-release", epoch: lock.epoch };
}
