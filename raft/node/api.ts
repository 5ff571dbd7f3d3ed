/**
 * What a program that embeds raft sees of a running node. Implemented by RaftNode; simulated worlds use the
 * same class.
 */
import type { Index, NodeId, Role, Term } from "../core/types.ts";
import type { MemberInfo } from "./raft_options.ts";

/**
 * "applied": committed and applied here, with the state machine's result. "rejected": definitely not done and
 * never will be. "unknown": may or may not happen (timeout, leader lost, restart): read the state before
 * trying again.
 */
export type ProposeOutcome =
  | { readonly kind: "applied"; readonly index: Index; readonly result: unknown }
  | { readonly kind: "rejected"; readonly reason: string }
  | { readonly kind: "unknown"; readonly reason: string };

/**
 * "confirmed": what is applied here up to `index` is as new as anything acknowledged before the question.
 * "rejected": ask the leader.
 */
export type ReadOutcome =
  | { readonly kind: "confirmed"; readonly index: Index; readonly term: Term }
  | { readonly kind: "rejected"; readonly reason: string };

/** A member to be added. */
export interface NewMember {
  /** Where the others reach it: "host:port". */
  readonly addr: string;
  readonly name: string | null;
  /** Whether it becomes a voter when it has caught up. @default true */
  readonly votes?: boolean;
}

/**
 * "done": committed. "rejected": not done and will not be; `reason` is for people. "unknown": it may still
 * happen: look at the status, and ask again, which does no harm.
 */
export type MemberOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "rejected"; readonly reason: string }
  | { readonly kind: "unknown"; readonly reason: string };

/**
 * "done": it is a member that does not vote yet. It is to be started with this id, the cluster's id and these
 * members (`join`), on an empty directory.
 */
export type AddOutcome =
  | { readonly kind: "done"; readonly id: NodeId; readonly members: readonly MemberInfo[] }
  | Exclude<MemberOutcome, { readonly kind: "done" }>;

/** What a node knows of a member, itself included. */
export interface PeerStatus {
  readonly id: NodeId;
  readonly name: string | null;
  readonly addr: string;
  readonly voter: boolean;
  readonly connected: boolean;
  /** Leader only: highest index known to be replicated there; null otherwise. */
  readonly match: Index | null;
  /** Leader only: it is in contact, and its disk completes no write (MemberProgress); false elsewhere. */
  readonly diskHangs: boolean;
  /** ms since the last frame of this peer; null: never. For ourselves 0. */
  readonly lastContactMs: number | null;
}

/** A node as it sees itself and the cluster at this moment; cheap to ask for. */
export interface RaftStatus {
  readonly id: NodeId;
  readonly term: Term;
  readonly role: Role;
  /** null when unknown. */
  readonly leader: NodeId | null;
  readonly commit: Index;
  readonly applied: Index;
  readonly lastIndex: Index;
  readonly snapshotIndex: Index;
  readonly members: readonly PeerStatus[];
  /**
   * Voters that may fail, of those now in contact whose disks complete writes, before there is no majority.
   * Leader only; null elsewhere.
   */
  readonly canLose: number | null;
  /** Why this node does not vote, when it doesn't (empty directory, learner, removed ...); null otherwise. */
  readonly notVoting: string | null;
  /** The latest version of commands that all members know; see `propose`. */
  readonly agreedVersion: number;
  /**
   * That the disk of the log is full, and what to do; null: it has room. While it is so, others should lead.
   */
  readonly shortOfSpace: string | null;
}

/** What a node tells those who listen, in the order in which it happens. */
export type RaftEvent =
  /** Role, leader or term changed. `ownTermApplied`: we lead and have applied an entry of our own term. */
  | {
    readonly kind: "state";
    readonly role: Role;
    readonly leader: NodeId | null;
    readonly term: Term;
    readonly ownTermApplied: boolean;
  }
  /** The state machine is at `index`; one event may stand for several entries. */
  | { readonly kind: "applied"; readonly index: Index }
  /** The connection to a member has come or gone. */
  | { readonly kind: "peer"; readonly id: NodeId; readonly connected: boolean }
  /**
   * This member was removed from the cluster: the node has stopped for good, and its directory is of no use.
   */
  | { readonly kind: "removed" }
  /**
   * Storage failed, or the log says what only a later version of this program can read (UpgradeNeededError):
   * the node has stopped for good and the process must end.
   */
  | { readonly kind: "fatal"; readonly error: Error };

/** A member as the program that embeds it sees it. */
export interface Raft {
  start(): void;
  /** Stops without handing over; pending proposals end as "unknown". */
  stop(): void;
  /**
   * Proposes a command; a follower forwards it. `done` is called exactly once, after the local apply when it
   * is "applied". With `onlyInTerm`, it is proposed by this node as the leader of that term or rejected,
   * never forwarded. `version`, 1 by default: the version that a member must know to apply it
   * (`commandVersion` in RaftNodeOptions). Rejected unless all members are known to.
   */
  propose(
    command: Uint8Array,
    done: (outcome: ProposeOutcome) => void,
    options?: { onlyInTerm?: Term | undefined; timeoutMs?: number; version?: number },
  ): void;
  /**
   * ReadIndex on this node, which must lead: confirmed when a majority has acknowledged our term after this
   * call and everything up to the read index has been applied here. Rejected at once when we don't lead or at
   * loss of leadership.
   */
  read(done: (outcome: ReadOutcome) => void): void;
  /**
   * Hands leadership to a voter; done(null) when it leads, else a reason. Takes at most one election timeout.
   */
  transferLeadership(to: NodeId, done: (error: string | null) => void): void;
  /**
   * Adds a member, on any node: first without a vote; the leader makes it a voter when it has caught up (see
   * `NewMember.votes`). Its id is random and never used for another one. Takes 15 s at most, as the following
   * do.
   */
  addMember(member: NewMember, done: (outcome: AddOutcome) => void): void;
  /**
   * Removes a member. When it leads, it hands leadership over first; it stops when it learns of its removal.
   */
  removeMember(id: NodeId, done: (outcome: MemberOutcome) => void): void;
  /** Adds `member`, and removes `id` when it has become a voter. `done` tells of the first part. */
  replaceMember(id: NodeId, member: NewMember, done: (outcome: AddOutcome) => void): void;
  /** Puts what was applied into a snapshot now, on this node. Rejected when there is nothing new for one. */
  takeSnapshot(done: (outcome: MemberOutcome) => void): void;
  /**
   * Opaque bytes to a member over its connection; dropped when there is none. Channels 1..253. To ourselves:
   * delivered at once, asynchronously.
   */
  send(to: NodeId, channel: number, bytes: Uint8Array): void;
  onChannel(channel: number, handler: (from: NodeId, bytes: Uint8Array) => void): void;
  onEvent(handler: (event: RaftEvent) => void): void;
  /** True when we lead and have applied an entry of our own term. */
  leadsWithOwnTerm(): boolean;
  status(): RaftStatus;
}
