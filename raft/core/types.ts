/**
 * The vocabulary of the consensus core: identities, entries, messages, and what a Ready asks of its caller.
 * Shape and meaning are those of etcd-io/raft 3.5+ (raftpb, RawNode); only names are in TypeScript's case.
 * Pure data: nothing here knows of disks, sockets or clocks.
 */

/**
 * Identity of a raft member for all time: a safe positive integer (at most 2^48), never reused. 0 means
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
   * Opaque command; empty in the no-op that a new leader appends. In a "config" entry: an encoded
   * Configuration.
   */
  readonly data: Uint8Array;
}

/** Voters, and learners, which only listen. Both lists are disjoint and sorted in ascending order. */
export interface Configuration {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
}

/**
 * State that must survive a crash, besides the entries. `commit` is advisory: recomputed, but checked at
 * recovery.
 */
export interface HardState {
  readonly term: Term;
  readonly vote: NodeId;
  readonly commit: Index;
}

/** State of the state machine, in place of the entries up to `index`. */
export interface Snapshot {
  readonly index: Index;
  readonly term: Term;
  readonly configuration: Configuration;
  /** State at `index`, opaque. */
  readonly data: Uint8Array;
}

/** Purpose of a message; message.ts has the numbers on the wire. */
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
  /** Answers: no. Heartbeats: no answer is needed; members of an earlier version answer all the same. */
  readonly reject: boolean;
  readonly rejectHint: Index;
  readonly snapshot: Snapshot | null;
  /**
   * "vote" messages: non-empty marks a campaign by leadership transfer. Heartbeats: the ReadIndex counter.
   */
  readonly context: Uint8Array;
}

/** Role of a member in its term; a preCandidate asks whether an election would succeed. */
export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** A member's belief about leadership; not stored. */
export interface SoftState {
  readonly leader: NodeId;
  readonly role: Role;
}

/**
 * Confirmed ReadIndex: everything up to `index` must be applied before the read with this token is answered.
 */
export interface ReadState {
  readonly token: number;
  readonly index: Index;
}

/**
 * Work for the caller, in this order: persist `snapshot`, `entries` (truncating what conflicts) and
 * `hardState`, durably when `mustSync`; apply `committed` in order; then call `advance`. `messages` may leave
 * at once, `messagesAfterAppend` only when the writes are durable.
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
