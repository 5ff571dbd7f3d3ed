/** Options of a RaftNode, with their defaults. */
import { type BrokenRules, NOTHING_BROKEN } from "../core/broken_rules.ts";
import type { NodeId } from "../core/types.ts";
import type { Clock, LogStorage, StateMachine, Transport } from "./ports.ts";

/** A member, as the others and people know it. */
export interface MemberInfo {
  readonly id: NodeId;
  /** Name for people, in logs and status. */
  readonly name: string | null;
  /** Address "host:port", for people; the transport has its own. */
  readonly addr: string;
}

/** error: someone must look; warning: degraded, or refused; info: a state changed. */
export type LogLevel = "info" | "warning" | "error";
/** `event` is one of a fixed set of names ("raft_state"), `text` is for people. */
export type LogSink = (level: LogLevel, event: string, text: string) => void;

/** Options of a node; times are in ms. Equal on all members, except for a member's own properties. */
export interface RaftNodeOptions {
  readonly id: NodeId;
  /** Id of the cluster, see clusterIdOf. */
  readonly clusterId: number;
  /**
   * Initial members, this one included; the same list on all of them. All vote. Later changes are in the log.
   * With `join`: the members at the time when this one was added, so that it finds them.
   */
  readonly members: readonly MemberInfo[];
  /** Whether this member was added to a running cluster, which gave it its id (addMember). @default false */
  readonly join?: boolean;
  /**
   * Id with which the cluster was founded, where it differs from `clusterId` (recoverCluster). @default
   * clusterId
   */
  readonly founded?: number;
  /**
   * Asked on the leader before a member is removed. Says, for people, why it must not be removed now; null:
   * it may be. A removal that follows from a replacement waits for this, even when the new member has the
   * same address: another machine may have it.
   */
  readonly mayRemove?: (member: MemberInfo) => string | null;
  /**
   * Asked on the leader before a node is made a member at its own request. Says, for that node's operator,
   * why it cannot be one as it is; null: it may. @default every node may
   */
  readonly mayJoin?: (visitor: Omit<MemberInfo, "id">) => string | null;
  /**
   * Whether the leader makes a node a member at its own request when the transport has let it in and the
   * cluster has no place for it. If false, addMember has to name its address first. @default true
   */
  readonly strangersMayJoin?: boolean;
  readonly storage: LogStorage;
  readonly transport: Transport;
  readonly clock: Clock;
  /** Source of random numbers, uniform in [0, 1); there is no other randomness. */
  readonly random: () => number;
  readonly stateMachine: StateMachine;
  /**
   * Latest version of commands and snapshots that the state machine knows, from 1. Raise it with every kind
   * of command that older programs do not know; see `propose`. @default 1
   */
  readonly commandVersion?: number;
  /** Distinguishes this member's directories, 48 bits (WalStorage.instance). @default random */
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
  /** Size of pieces: a larger snapshot travels in pieces of so many bytes, 1 MiB at most. @default 131072 */
  readonly snapshotPieceBytes?: number;
  /** Largest snapshot that is taken from a leader; it is collected in memory. @default 256 MiB */
  readonly maxSnapshotBytes?: number;
  /**
   * Number of entries kept in memory and on disk behind a snapshot, at most 4 MiB, so that a short absence
   * costs no snapshot. @default 1024
   */
  readonly keepEntries?: number;
  /** Simulators only. @default none */
  readonly broken?: BrokenRules;
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
    broken: NOTHING_BROKEN,
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
