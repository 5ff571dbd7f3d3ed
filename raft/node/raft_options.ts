/** What a RaftNode is made of, with its defaults. */
import type { NodeId } from "../core/types.ts";
import type { Clock, LogStorage, StateMachine, Transport } from "./ports.ts";

/** Who a member is, for the others and for people. */
export interface MemberInfo {
  readonly id: NodeId;
  /** For people, in logs and status. */
  readonly name: string | null;
  /** "host:port", for people; the transport has its own. */
  readonly addr: string;
}

/** error: somebody must look; warning: degraded, or refused; info: a state changed. */
export type LogLevel = "info" | "warning" | "error";
/** `event` is one of a fixed set of names ("raft_state"), `text` is for people. */
export type LogSink = (level: LogLevel, event: string, text: string) => void;

/** Times are in ms. The same on all members, except for what is a member's own. */
export interface RaftNodeOptions {
  readonly id: NodeId;
  /** See clusterIdOf. */
  readonly clusterId: number;
  /**
   * The initial members, this one included; the same on all of them. All vote. What has changed since is in
   * the log. With `join`: the members that there were when this one was added, to find them by.
   */
  readonly members: readonly MemberInfo[];
  /** This member was added to a running cluster, which gave it its id (addMember). @default false */
  readonly join?: boolean;
  /**
   * Id with which the cluster was founded, where that is no longer `clusterId` (recoverCluster). @default
   * clusterId
   */
  readonly founded?: number;
  /**
   * Asked on the leader before a member is removed: null, or for people why it must not be now. A removal
   * that follows from a replacement waits for it, also where the new member is at the same address: another
   * machine may have that one.
   */
  readonly mayRemove?: (member: MemberInfo) => string | null;
  /**
   * Asked on the leader before a node that asks for it is made a member: null, or for that node's operator
   * why it never will be, as it is. @default nothing speaks against it
   */
  readonly mayJoin?: (visitor: Omit<MemberInfo, "id">) => string | null;
  /**
   * A node that was let in by the transport and has no place in the cluster is made a member when it asks for
   * it, as the leader. Otherwise addMember has to name its address first. @default true
   */
  readonly strangersMayJoin?: boolean;
  readonly storage: LogStorage;
  readonly transport: Transport;
  readonly clock: Clock;
  /** Uniform in [0, 1). The only randomness. */
  readonly random: () => number;
  readonly stateMachine: StateMachine;
  /**
   * The latest version of commands and snapshots that the state machine knows, from 1. To be raised with
   * every kind of command that older programs do not know; see `propose`. @default 1
   */
  readonly commandVersion?: number;
  /** Tells this member's directories apart, 48 bits (WalStorage.instance). @default random */
  readonly instance?: number;
  readonly log?: LogSink;
  /** @default 50 */
  readonly tickMs?: number;
  /** @default 100 */
  readonly heartbeatMs?: number;
  /** @default 600 */
  readonly electionMinMs?: number;
  /** @default 1000 */
  readonly electionMaxMs?: number;
  /** @default 4096 */
  readonly snapshotEveryEntries?: number;
  /** A larger snapshot travels in pieces of so many bytes, 1 MiB at most. @default 131072 */
  readonly snapshotPieceBytes?: number;
  /** The largest snapshot that is taken from a leader, which is collected in memory. @default 256 MiB */
  readonly maxSnapshotBytes?: number;
  /**
   * Entries kept in memory and on disk behind a snapshot, so that a short absence costs none; 4 MiB of them
   * at most. @default 1024
   */
  readonly keepEntries?: number;
  /**
   * Rules to break, for simulators that show that they would notice: those of the core (BrokenRule in
   * core/options.ts), "ack-before-fsync", "vote-not-persisted".
   */
  readonly broken?: ReadonlySet<string>;
}

export type ResolvedOptions = Required<Omit<RaftNodeOptions, "instance">> & { readonly instance: number };

export function resolveRaftOptions(options: RaftNodeOptions): ResolvedOptions {
  return {
    log: () => {},
    tickMs: 50,
    heartbeatMs: 100,
    electionMinMs: 600,
    electionMaxMs: 1000,
    snapshotEveryEntries: 4096,
    keepEntries: 1024,
    snapshotPieceBytes: 128 * 1024,
    maxSnapshotBytes: 256 * 1024 * 1024,
    broken: new Set(),
    join: false,
    commandVersion: 1,
    founded: options.clusterId,
    mayRemove: () => null,
    mayJoin: () => null,
    strangersMayJoin: true,
    ...options,
    instance: options.instance ?? 1 + Math.floor(options.random() * (2 ** 48 - 1)),
  };
}
