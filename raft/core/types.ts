/**
 * The vocabulary of the consensus core: identities, entries, messages, and what a Ready asks of its caller.
 * Shape and meaning are those of etcd-io/raft 3.5+ (raftpb, RawNode); only names are in TypeScript's case.
 * Pure data: nothing here knows of disks, sockets or clocks.
 */

/**
 * A raft member's identity for all time: a safe positive integer (at most 2^48). Never reused. 0 means
 * "none".
 */
export type NodeId = number;
/** Election term. A safe integer, starts at 0, never decreases, also across restarts. */
export type Term = number;
/** Position in the log. The first entry has index 1; 0 means "before the log". */
export type Index = number;

/** No member: a vote that was not given, a leader that is not known. */
export const NONE: NodeId = 0;

/** "config" entries change who votes; the state machine never sees them. */
export type EntryKind = "normal" | "config";

/** One place in the log. */
export interface Entry {
  readonly term: Term;
  readonly index: Index;
  readonly kind: EntryKind;
  /**
   * Opaque command; empty for the no-op that a new leader appends. For "config": an encoded Configuration.
   */
  readonly data: Uint8Array;
}

/** Who votes and who only listens. `voters` and `learners` are disjoint and sorted ascending. */
export interface Configuration {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
}

/**
 * What must survive a crash, beside the entries. `commit` is advisory: recomputed, but checked at recovery.
 */
export interface HardState {
  readonly term: Term;
  readonly vote: NodeId;
  readonly commit: Index;
}

/** The state machine in place of the entries up to `index`. */
export interface Snapshot {
  readonly index: Index;
  readonly term: Term;
  readonly configuration: Configuration;
  /** The state machine at `index`, opaque. */
  readonly data: Uint8Array;
}

/** What a message is for; the numbers of the wire are in message.ts. */
export type MessageType =
  | "preVote"
  | "preVoteResponse"
  | "vote"
  | "voteResponse"
  | "append"
  | "appendResponse"
  | "heartbeat"
  | "heartbeatResponse"
  | "snapshot"
  | "timeoutNow"
  | "propose"
  | "transferLeader"
  | "readIndex"
  | "readIndexResponse";

/** One raft message. Fields that a type does not use are 0, false or empty, as in raftpb.Message. */
export interface Message {
  readonly type: MessageType;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: Term;
  readonly logTerm: Term;
  readonly index: Index;
  readonly commit: Index;
  readonly entries: readonly Entry[];
  readonly reject: boolean;
  readonly rejectHint: Index;
  readonly snapshot: Snapshot | null;
  /**
   * "vote" messages: non-empty marks a campaign by leadership transfer. Heartbeats: the ReadIndex counter.
   */
  readonly context: Uint8Array;
}

/** What a member is in its term; a preCandidate asks whether an election would succeed. */
export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** What a member believes about leadership; not stored. */
export interface SoftState {
  readonly leader: NodeId;
  readonly role: Role;
}

/**
 * A confirmed ReadIndex: everything up to `index` must be applied before the read with this token is
 * answered.
 */
export interface ReadState {
  readonly token: number;
  readonly index: Index;
}

/**
 * What the caller must do, in this order: persist `snapshot`, `entries` (truncating what conflicts) and
 * `hardState`, durably when `mustSync`; `messages` may leave at once, `messagesAfterAppend` only when that is
 * durable; apply `committed` in order; then call `advance`.
 */
export interface Ready {
  readonly softState: SoftState | null;
  readonly hardState: HardState | null;
  readonly snapshot: Snapshot | null;
  readonly entries: readonly Entry[];
  readonly committed: readonly Entry[];
  readonly messages: readonly Message[];
  readonly messagesAfterAppend: readonly Message[];
  readonly readStates: readonly ReadState[];
  readonly mustSync: boolean;
}
