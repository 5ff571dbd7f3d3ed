/**
 * Rules of safety that simulators and tests switch off one at a time, to prove that their invariants would
 * see the fault (`npm run sim:raft -- --break RULE`). In a program none is.
 */
export type BrokenRule =
  /** Entries of older terms are committed by counting (paper, figure 8). */
  | "commit-old-term"
  /** ReadIndex is confirmed without asking anybody. */
  | "no-read-quorum"
  /** A membership change counts members that only talk, and whose disks hang. */
  | "count-hung-disks"
  /** Entries are acknowledged before they are durable. */
  | "ack-before-fsync"
  /** Term and vote are not written. */
  | "vote-not-persisted"
  /** Recovery: entries that the survivor does not know to be committed are left out. */
  | "recover-committed"
  /** Recovery: the new cluster keeps the id of the old one. */
  | "recover-same-id";

export type BrokenRules = ReadonlySet<BrokenRule>;
export const NOTHING_BROKEN: BrokenRules = new Set();
