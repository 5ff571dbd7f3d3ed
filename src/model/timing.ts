/** The report on the times of a running member: the inequalities of its lease, and its lateness. */

/** One summand of an inequality's left side. */
export interface TimingTerm {
  readonly name: string;
  readonly ms: number;
}

/**
 * `not promised`: it need not hold with these settings, and does not. `not used`: its subject, such as a
 * watchdog, is not there.
 */
export type RuleVerdict = "holds" | "broken" | "not promised" | "not used";

export interface TimingRule {
  readonly id: "I1" | "I2" | "L2";
  /** The event that it prevents. */
  readonly about: string;
  readonly left: readonly TimingTerm[];
  readonly leftMs: number;
  readonly relation: "<=" | "<";
  readonly right: TimingTerm;
  /** The room that is left: right side minus left side. */
  readonly marginMs: number;
  readonly verdict: RuleVerdict;
  readonly note: string | null;
}

/** The settings in force and what follows from them. */
export interface TimingSettings {
  /** Acknowledgements of renewals grant this ttl. */
  readonly grantTtlMs: number;
  /** The raft leader waits for this ttl. Never below grantTtlMs; they differ while ttl is being changed. */
  readonly waitTtlMs: number;
  /** L. */
  readonly leaseMs: number;
  /** R. */
  readonly renewMs: number;
  readonly jMs: number;
  readonly kMs: number;
  readonly rho: number;
  readonly heartbeatMs: number;
  readonly electionMinMs: number;
  /** Emax. */
  readonly electionMaxMs: number;
  readonly killAfterMs: number;
  /** W; null: no watchdog is used. */
  readonly watchdogTimeoutMs: number | null;
  readonly loopWaitMs: number;
  readonly retryTimeoutMs: number;
}

export const LATENESS_KINDS = ["event_loop", "guard", "renewal"] as const;

/**
 * Lateness of the agent's loop; of the guard's timer; the time from a renewal's send to its acknowledgement.
 */
export type LatenessKind = (typeof LATENESS_KINDS)[number];

/**
 * Quantiles of the last minutes, accurate to a bucket of the histogram, a fifth of the value. null: nothing
 * was measured.
 */
export interface Quantiles {
  readonly samples: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly p999Ms: number | null;
  readonly maxMs: number | null;
}

export interface MeasuredLateness extends Quantiles {
  readonly kind: LatenessKind;
  /** The room that the inequalities leave for it. */
  readonly budgetMs: number;
  readonly verdict: "ok" | "near its budget" | "over its budget" | "not measured";
}

export interface TimingReport {
  readonly settings: TimingSettings;
  readonly rules: readonly TimingRule[];
  /** How far back the quantiles look. */
  readonly windowS: number;
  readonly measured: readonly MeasuredLateness[];
}
