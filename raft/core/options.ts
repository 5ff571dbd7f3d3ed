/** Options of a RawNode, with their defaults and the relations that must hold between the numbers. */
import type { StoredLog } from "../node/ports.ts";
import { assert } from "./assert.ts";
import { type BrokenRule, type BrokenRules, NOTHING_BROKEN } from "./broken_rules.ts";
import { makeConfiguration, MAX_NODE_ID } from "./configuration.ts";
import { seededRandom } from "./seeded_random.ts";
import type { Configuration, NodeId } from "./types.ts";

/** Short default, as scenarios that count ticks expect it. */
export const DEFAULT_ELECTION_TICKS = 3;

/** Options of a RawNode. Ticks are the unit of time; the caller decides how long one takes. */
export interface RawNodeConfig {
  readonly id: NodeId;
  /**
   * Contents of the disk: what the log directory held (LogStorage.load), or a MemoryStoredLog. Read once,
   * when the node is made.
   */
  readonly storage: StoredLog;
  /**
   * Voters while there is neither snapshot nor config entry; the same list on all members. Empty for a server
   * that joins a running cluster. @default empty
   */
  readonly initialVoters?: readonly NodeId[];
  /** Shortest election timeout, and the time in which a leader must have heard from a majority. @default 3 */
  readonly electionTicks?: number;
  /** Longest election timeout. @default 2 * electionTicks - 1 */
  readonly electionTicksMax?: number;
  /** @default 1 */
  readonly heartbeatTicks?: number;
  /** A leader asks for no more answers to heartbeats than it needs: see heartbeat.ts. @default false */
  readonly quietHeartbeats?: boolean;
  /** Uniform in [0, 1). @default a sequence that follows from `id`, so that scenarios repeat */
  readonly random?: () => number;
  /** Largest number of append messages on their way to one member. @default 64 */
  readonly maxInflight?: number;
  /**
   * Bytes of entries on their way to one member; the message that exceeds the limit is the last. A member
   * with a slow disk has so much to write besides what its log may keep. @default 2 MiB
   */
  readonly maxInflightBytes?: number;
  /** Bytes of entries in one append message; one entry may be larger. @default 256 KiB */
  readonly maxMessageBytes?: number;
  /** Bytes of proposals that are not yet committed; more are refused. @default 4 MiB */
  readonly maxUncommittedBytes?: number;
  /** Bytes of entries handed over and not yet applied; one entry may be larger. @default 1 MiB */
  readonly maxCommittedSizePerReady?: number;
  /**
   * False: a Ready's entries are durable before its `committed` are applied, so `committed` may contain them.
   * True: the caller applies `committed` at once, while writes go on; so they are durable here already.
   * @default false
   */
  readonly asyncStorage?: boolean;
  /**
   * Whether this server may vote. False while it does not know what it once promised (its directory was found
   * empty beside an existing log): it then grants no vote and never campaigns. @default always true
   */
  readonly mayVote?: () => boolean;
  /** Off only in tests of the rules behind it. @default true */
  readonly preVote?: boolean;
  /** Off only in tests of the rules behind it. @default true */
  readonly checkQuorum?: boolean;
  /** Simulators only. @default none */
  readonly broken?: BrokenRules;
}

export interface RaftOptions {
  readonly id: NodeId;
  readonly initial: Configuration;
  readonly electionTicks: number;
  readonly electionTicksMax: number;
  readonly heartbeatTicks: number;
  readonly quietHeartbeats: boolean;
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
  const { broken = NOTHING_BROKEN } = config;
  return {
    id,
    initial: makeConfiguration(config.initialVoters ?? []),
    electionTicks,
    electionTicksMax,
    heartbeatTicks,
    quietHeartbeats: config.quietHeartbeats ?? false,
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
    isBroken: (rule) => broken.has(rule),
  };
}
