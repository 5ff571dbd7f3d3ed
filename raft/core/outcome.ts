/** Answers of the core to requests: done, on its way, or refused with the reason. */
import type { ConfigRefusal } from "./configuration.ts";
import type { Index, NodeId, Term } from "./types.ts";

/** Reason for which a request has no effect. */
export type DropReason =
  /** No leader is known; try again later. */
  | "noLeader"
  /** Only the leader can do this, and another member leads. */
  | "notLeader"
  /** Leadership is being handed over: new entries could keep the target from ever catching up. */
  | "transferPending"
  /** Too many bytes are proposed and not yet committed. */
  | "tooMuchUncommitted"
  /** Too many reads wait for their confirmation. */
  | "tooManyReads"
  /** The leader has not yet committed an entry of its own term. */
  | "noOwnTermCommit"
  /** The previous change of the configuration is not yet committed. */
  | "configPending"
  /** The learner's log is too far behind, or it is silent. */
  | "notCaughtUp"
  /** The learner is in contact, and its disk completes no write. */
  | "diskHangs"
  /** After this change, the voters that are in contact and whose disks do not hang would be no majority. */
  | "wouldLoseQuorum"
  /**
   * Too few of these voters have written anything within an election timeout; they were given something to
   * write.
   */
  | "writesUnproven"
  /** A leader does not remove itself: transfer leadership first. */
  | "removesLeader"
  /** Leadership can only go to another voter. */
  | "notVoter"
  | "alreadyLeader"
  | ConfigRefusal;

/** The request is refused, and certainly not done. */
export interface Dropped {
  readonly kind: "dropped";
  readonly reason: DropReason;
}

/**
 * "appended": in the log of this leader, not yet committed. "forwarded": sent to the leader; may get lost.
 */
export type Proposal =
  | { readonly kind: "appended"; readonly index: Index; readonly term: Term }
  | { readonly kind: "forwarded"; readonly to: NodeId }
  | Dropped;

/** "pending": a ReadState with this token follows, unless leadership is lost first. */
export type ReadIndexResult = { readonly kind: "pending"; readonly token: number } | Dropped;

/** "started": by this leader. "forwarded": sent to the leader; may get lost. */
export type TransferResult = { readonly kind: "started" } | { readonly kind: "forwarded" } | Dropped;

export function dropped(reason: DropReason): Dropped {
  return { kind: "dropped", reason };
}
