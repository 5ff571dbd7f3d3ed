/** State of one server for people, tests and the embedding program's decisions. */
import type { ProgressState } from "./progress.ts";
import type { Raft } from "./raft.ts";
import type { Configuration, Index, NodeId, Role, Term } from "./types.ts";

/** The leader's knowledge of one member. For the leader itself: its own durable log. */
export interface MemberProgress {
  readonly id: NodeId;
  readonly voter: boolean;
  readonly state: ProgressState;
  readonly match: Index;
  readonly next: Index;
  /** The member has answered since the last check of the quorum (at most one election timeout ago). */
  readonly recentActive: boolean;
  /**
   * The member is in contact, and its disk has completed no write for an election timeout, though it owes
   * one.
   */
  readonly diskHangs: boolean;
  readonly paused: boolean;
  readonly inflight: number;
}

/** Knowledge of one server about itself and, while it leads, about the others. */
export interface RawNodeStatus {
  readonly id: NodeId;
  readonly term: Term;
  readonly vote: NodeId;
  readonly role: Role;
  readonly leader: NodeId;
  readonly commit: Index;
  readonly applied: Index;
  /** Last index that is durable here. */
  readonly stable: Index;
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  readonly lastTerm: Term;
  /** Index of the newest snapshot; 0 without one. */
  readonly snapshotIndex: Index;
  readonly configuration: Configuration;
  /** Whether the entry that brought the configuration is not committed yet. */
  readonly configurationPending: boolean;
  /** Whether this server leads, and an entry of its own term is committed. */
  readonly ownTermCommitted: boolean;
  /** Voter to which leadership is being handed over; NONE otherwise. */
  readonly transferee: NodeId;
  readonly electionTimeout: number;
  /** Progress of the members by ascending id; empty unless this server leads. */
  readonly progress: readonly MemberProgress[];
}

export function statusOf(raft: Raft): RawNodeStatus {
  const { log, leadership } = raft;
  const { configuration } = log;
  const hanging = leadership?.hanging ?? [];
  const progress: MemberProgress[] = [];
  leadership?.progress.forEach((member, id) =>
    progress.push({
      id,
      voter: configuration.voters.includes(id),
      state: member.state,
      match: member.match,
      next: member.next,
      recentActive: member.recentActive,
      diskHangs: hanging.includes(id),
      paused: member.isPaused,
      inflight: member.inflights.count,
    })
  );
  return {
    id: raft.id,
    term: raft.term,
    vote: raft.hardState.vote,
    role: raft.role,
    leader: raft.leader,
    commit: log.committed,
    applied: log.applied,
    stable: log.stable,
    firstIndex: log.firstIndex,
    lastIndex: log.lastIndex,
    lastTerm: log.lastTerm,
    snapshotIndex: log.snapshot?.index ?? 0,
    configuration,
    configurationPending: log.configurationIndex > log.committed,
    ownTermCommitted: leadership?.hasOwnTermCommit ?? false,
    transferee: leadership?.transferee ?? 0,
    electionTimeout: raft.electionTimeout,
    progress,
  };
}
