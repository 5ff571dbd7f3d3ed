/**
 * The interface of a running node to the program that embeds it. RaftNode implements it; simulated worlds use
 * the same class.
 */
import type { Index, NodeId, Role, Term } from "../core/types.ts";
import type { MemberInfo } from "./raft_options.ts";

/**
 * "applied": committed and applied here, with the state machine's result. "rejected": definitely not done,
 * now or later. "unknown": may or may not happen (timeout, leader lost, restart): read the state before
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
  /** Address at which the others reach it: "host:port". */
  readonly addr: string;
  readonly name: string | null;
  /** Whether it becomes a voter when it has caught up. @default true */
  readonly votes?: boolean;
}

/**
 * "done": committed. "rejected": not done, now or later; `reason` is for people. "unknown": may still happen:
 * look at the status, and ask again, which does no harm.
 */
export type MemberOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "rejected"; readonly reason: string }
  | { readonly kind: "unknown"; readonly reason: string };

/**
 * "done": the node is a member that does not vote yet. Start it with this id, the cluster's id and these
 * members (`join`), on an empty directory.
 */
export type AddOutcome =
  | { readonly kind: "done"; readonly id: NodeId; readonly members: readonly MemberInfo[] }
  | Exclude<MemberOutcome, { readonly kind: "done" }>;

/** A node's knowledge of a member, itself included. */
export interface PeerStatus {
  readonly id: NodeId;
  readonly name: string | null;
  readonly addr: string;
  readonly voter: boolean;
  readonly connected: boolean;
  /** Leader only: highest index known to be replicated there; null otherwise. */
  readonly match: Index | null;
  /**
   * Leader only: the member is in contact, and its disk completes no write (MemberProgress); false elsewhere.
   */
  readonly diskHangs: boolean;
  /** ms since the last frame of this peer; null: never. 0 for the node itself. */
  readonly lastContactMs: number | null;
  /** Leader only: ms that the last answer to a round of reads took; null elsewhere, and without one lately. */
  readonly rttMs: number | null;
}

/** A node's view of itself and the cluster at this moment; cheap to ask for. */
export interface RaftStatus {
  readonly id: NodeId;
  readonly term: Term;
  readonly role: Role;
  /** Current leader; null when unknown. */
  readonly leader: NodeId | null;
  readonly commit: Index;
  readonly applied: Index;
  readonly lastIndex: Index;
  readonly snapshotIndex: Index;
  readonly members: readonly PeerStatus[];
  /**
   * Number of voters in contact, with disks that complete writes, that may fail before there is no majority.
   * Leader only; null elsewhere.
   */
  readonly canLose: number | null;
  /** Reason why this node does not vote (empty directory, learner, removed ...); null when it may. */
  readonly notVoting: string | null;
  /** Latest version of commands that all members know; see `propose`. */
  readonly agreedVersion: number;
  /**
   * Says that the disk of the log is full, and what to do; null: it has room. While it is full, others should
   * lead.
   */
  readonly shortOfSpace: string | null;
}

/** Events that a node tells its listeners, in the order in which they happen. */
export type RaftEvent =
  /**
   * Role, leader or term changed. `ownTermApplied`: this node leads and has applied an entry of its own term.
   */
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
   * Storage failed, or the log holds what only a later version of this program can read (UpgradeNeededError):
   * the node has stopped for good and the process must end.
   */
  | { readonly kind: "fatal"; readonly error: Error };

/** A member as the program that embeds it sees it. */
export interface Raft {
  /** Id of this node; until its place in a cluster is known, the one that it has for the time being. */
  readonly id: NodeId;
  start(): void;
  /** Stops without handing over; pending proposals end as "unknown". */
  stop(): void;
  /**
   * Proposes a command; a follower forwards it. `done` is called exactly once, after the local apply when it
   * is "applied". With `onlyInTerm`, this node proposes it as the leader of that term or rejects it, and
   * never forwards it. `version`, 1 by default: version of commands that a member must know to apply it
   * (`commandVersion` in RaftNodeOptions). Rejected unless all members are known to know it.
   */
  propose(
    command: Uint8Array,
    done: (outcome: ProposeOutcome) => void,
    options?: { onlyInTerm?: Term | undefined; timeoutMs?: number; version?: number },
  ): void;
  /**
   * Asks for a ReadIndex on this node, which must lead. Confirmed when a majority has acknowledged its term
   * after this call and everything up to the read index has been applied here. Rejected at once when this
   * node does not lead, and when it loses leadership.
   */
  read(done: (outcome: ReadOutcome) => void): void;
  /**
   * Hands leadership to a voter; done(null) when it leads, else a reason. Takes at most one election timeout.
   */
  transferLeadership(to: NodeId, done: (error: string | null) => void): void;
  /**
   * Adds a member, on any node. It begins without a vote; the leader makes it a voter when it has caught up
   * (see `NewMember.votes`). Its id is random and never given to another one. Takes 15 s at most, as the
   * following calls do.
   */
  addMember(member: NewMember, done: (outcome: AddOutcome) => void): void;
  /**
   * Removes a member. A leader hands leadership over first. The removed member stops when it learns of its
   * removal.
   */
  removeMember(id: NodeId, done: (outcome: MemberOutcome) => void): void;
  /** Adds `member`, and removes `id` when `member` has become a voter. `done` tells of the first part. */
  replaceMember(id: NodeId, member: NewMember, done: (outcome: AddOutcome) => void): void;
  /** Takes a snapshot of the applied state now, on this node. Rejected when there is nothing new for one. */
  takeSnapshot(done: (outcome: MemberOutcome) => void): void;
  /**
   * Sends opaque bytes to a member over its connection; drops them when there is none. Channels 1..253. Bytes
   * to this node itself are delivered at once, asynchronously.
   */
  send(to: NodeId, channel: number, bytes: Uint8Array): void;
  onChannel(channel: number, handler: (from: NodeId, bytes: Uint8Array) => void): void;
  onEvent(handler: (event: RaftEvent) => void): void;
  /** True when this node leads and has applied an entry of its own term. */
  leadsWithOwnTerm(): boolean;
  status(): RaftStatus;
}
