/** What a RawNode is built from, with its defaults and the relations that must hold between the numbers. */
import type { StoredLog } from "../node/ports.ts";
import { assert } from "./assert.ts";
import { makeConfiguration, MAX_NODE_ID } from "./configuration.ts";
import { seededRandom } from "./seeded_random.ts";
import type { Configuration, NodeId } from "./types.ts";

/** Short, as scenarios that count ticks expect it. */
export const DEFAULT_ELECTION_TICKS = 3;

/**
 * One safety rule of the core, switched off. Only for simulators, which prove with it that their invariants
 * would see the fault. "commit-old-term": entries of older terms are committed by counting (paper, figure 8).
 * "no-read-quorum": ReadIndex is confirmed without asking anybody.
 */
export type BrokenRule = "commit-old-term" | "no-read-quorum" | "count-hung-disks";

/** What a RawNode is made from. Ticks are the unit of time; how long one takes is up to the caller. */
export interface RawNodeConfig {
  readonly id: NodeId;
  /**
   * What is on its disk: what the log directory held (LogStorage.load), or a MemoryLog. Read at once, never
   * again.
   */
  readonly storage: StoredLog;
  /**
   * The voters while there is neither snapshot nor config entry; the same list on all members. Empty for a
   * server that joins a running cluster. @default empty
   */
  readonly initialVoters?: readonly NodeId[];
  /** Shortest election timeout, and the time in which a leader must have heard from a majority. @default 3 */
  readonly electionTicks?: number;
  /** Longest election timeout. @default 2 * electionTicks - 1 */
  readonly electionTicksMax?: number;
  /** @default 1 */
  readonly heartbeatTicks?: number;
  /** Uniform in [0, 1). @default a sequence that follows from `id`, so that scenarios repeat */
  readonly random?: () => number;
  /** Append messages on their way to one member. @default 64 */
  readonly maxInflight?: number;
  /**
   * Entries on their way to one member; the message that exceeds it is the last. A member whose disk is slow
   * has so much more to write than its log may keep. @default 2 MiB
   */
  readonly maxInflightBytes?: number;
  /** Entries in one append message; one entry may be larger. @default 256 KiB */
  readonly maxMessageBytes?: number;
  /** Proposals that are not yet committed; more are refused. @default 4 MiB */
  readonly maxUncommittedBytes?: number;
  /** Entries handed over to be applied and not yet applied; one entry may be larger. @default 1 MiB */
  readonly maxCommittedSizePerReady?: number;
  /**
   * False: a Ready's entries are durable before its `committed` are applied, so these may contain them.
   * True: the caller applies `committed` at once, while writes go on; then they are durable here already.
   * @default false
   */
  readonly asyncStorage?: boolean;
  /**
   * False while this server does not know what it once promised (its directory was found empty beside an
   * existing log): it then grants no vote and never campaigns. @default always true
   */
  readonly mayVote?: () => boolean;
  /** For tests of the rules behind it; on in production. @default true */
  readonly preVote?: boolean;
  /** For tests of the rules behind it; on in production. @default true */
  readonly checkQuorum?: boolean;
  /** For simulators only, see BrokenRule; unknown names are ignored. */
  readonly broken?: ReadonlySet<string>;
}

export interface RaftOptions {
  readonly id: NodeId;
  readonly initial: Configuration;
  readonly electionTicks: number;
  readonly electionTicksMax: number;
  readonly heartbeatTicks: number;
  readonly random: () => number;
  readonly maxInflight: number;
  readonly maxInflightBytes: number;
  readonly maxMessageBytes: number;
  readonly maxUncommittedBytes: number;
  readonly maxApplyingBytes: number;
  readonly asyncStorage: boolean;
  readonly mayVote: () => boolean;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly isBroken: (rule: BrokenRule) => boolean;
}

/** Throws InvariantError when the numbers cannot work together. */
export function resolveOptions(config: RawNodeConfig): RaftOptions {
  const { id, electionTicks = DEFAULT_ELECTION_TICKS, heartbeatTicks = 1 } = config;
  const electionTicksMax = config.electionTicksMax ?? 2 * electionTicks - 1;
  assert(Number.isSafeInteger(id) && id > 0 && id <= MAX_NODE_ID, `invalid id ${id}`);
  for (const ticks of [electionTicks, electionTicksMax, heartbeatTicks]) {
    assert(Number.isSafeInteger(ticks) && ticks > 0, "timeouts are whole positive numbers of ticks");
  }
  assert(electionTicks > heartbeatTicks, "the election timeout must exceed the heartbeat interval");
  assert(electionTicksMax >= electionTicks, "the longest election timeout is shorter than the shortest");
  const broken = config.broken;
  return {
    id,
    initial: makeConfiguration(config.initialVoters ?? []),
    electionTicks,
    electionTicksMax,
    heartbeatTicks,
    random: config.random ?? seededRandom(id),
    maxInflight: config.maxInflight ?? 64,
    maxInflightBytes: config.maxInflightBytes ?? 2 * 1024 * 1024,
    maxMessageBytes: config.maxMessageBytes ?? 256 * 1024,
    maxUncommittedBytes: config.maxUncommittedBytes ?? 4 * 1024 * 1024,
    maxApplyingBytes: config.maxCommittedSizePerReady ?? 1024 * 1024,
    asyncStorage: config.asyncStorage ?? false,
    mayVote: config.mayVote ?? (() => true),
    preVote: config.preVote ?? true,
    checkQuorum: config.checkQuorum ?? true,
    isBroken: (rule) => broken !== undefined && broken.has(rule),
  };
}
