/**
 * What a node counts and measures for its metrics only: nothing decides by it. Plain data, copied to the API.
 */

/** The counts of a histogram since the start of the agent. */
export interface HistogramReading {
  /** Values of at most `leS` seconds; each bucket includes the ones before it. */
  readonly buckets: readonly { readonly leS: number; readonly count: number }[];
  readonly count: number;
  readonly sumS: number;
}

/** What made the lock go to another member without a switchover. */
export const FAILOVER_REASONS = [
  "lease_expired",
  "postgres_crashed",
  "agent_stopped",
  "cannot_lead",
  "ailment",
  "operator",
  "released",
] as const;
export type FailoverReason = (typeof FAILOVER_REASONS)[number];

/** Changes of the lock's holder that this node has learnt of since the start of its agent. */
export interface HandOvers {
  readonly failovers: { readonly [reason in FailoverReason]: number };
  readonly switchovers: number;
  /** From the first sign of trouble to the first write of the new primary; null: none was seen whole. */
  readonly lastFailoverMs: number | null;
}

export const NO_HAND_OVERS: HandOvers = {
  failovers: Object.fromEntries(FAILOVER_REASONS.map((reason) => [reason, 0])) as HandOvers["failovers"],
  switchovers: 0,
  lastFailoverMs: null,
};

export interface LogCounts {
  /** Lines that wait to be written. */
  readonly queued: number;
  /** Lines that were not written, since the start of the agent. */
  readonly lost: number;
}

export interface Measures {
  /** How long the looks of the agent's loop took. */
  readonly loop: HistogramReading;
  /** From the hand-over of entries to the disk of the raft log until they are durable; null: not counted. */
  readonly raftSync: HistogramReading | null;
  /** Size of the last snapshot of the records that was made or read; null: none. */
  readonly snapshotBytes: number | null;
  readonly handOvers: HandOvers;
  /** Demotions of this node's PostgreSQL, by the rule that decided. */
  readonly demotions: { readonly [rule: string]: number };
  /** Ends of rewinds; null: no PostgreSQL. */
  readonly rewinds: { readonly ok: number; readonly failed: number } | null;
  /** How long each standby has been without WAL that the primary had, by member. */
  readonly lagMs: { readonly [member: string]: number };
  /** How far the wall clocks of other members are ahead of this one's, by member. */
  readonly skewMs: { readonly [member: string]: number };
  /** WAL files that archive_command did not take, as the server counts; null: not known. */
  readonly archiveFailed: number | null;
}
