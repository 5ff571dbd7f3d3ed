/** What is not well with synchronous replication, as the holder of the lock sees it. For people only. */

/** A member has at most one trouble of each kind. */
export const SYNC_TROUBLES = [
  /** Commits wait for an acknowledgement that does not come. */
  "writes-blocked",
  /** The configuration asks for more synchronous standbys than there are members that may be one. */
  "too-few-members",
  /** Somebody else streams under the name of a member, and would acknowledge in its place. */
  "name-clash",
  /** Somebody's synchronous_commit is off or local: these commits are not promised to survive. */
  "commits-exempt",
] as const;
export type SyncTroubleKind = typeof SYNC_TROUBLES[number];

export interface SyncTrouble {
  /** A member of a later version may name kinds that are not known here. */
  readonly kind: SyncTroubleKind;
  /** Wall clock, ISO 8601. */
  readonly since: string;
  /** Plain words: what waits for what, and what would end it. */
  readonly detail: string;
}

/** Longer details say nothing more; other members refuse a status that is too large. */
export const MAX_SYNC_DETAIL = 400;
