/**
 * The inequalities of design.md 4.2, in milliseconds, and what follows from ttl. Pure arithmetic: whoever changes a
 * time goes through `timing`, which derives the rest and says, with the numbers, what would be broken.
 */

/** Bound on how much the rates of two clocks differ: CLOCK_MONOTONIC_RAW is not slewed. */
export const RHO = 1e-3;
/** J + K: lateness of the guard's timer, and the time from the trigger until no commit can be acknowledged. */
export const JK_MS = 450;
/** Allowance for a round trip and a commit in L2. */
const RTT_AND_COMMIT_MS = 150;
export const MIN_TTL_MS = 2000;

export interface Timing {
  readonly ttlMs: number;
  /** L: how long a holder counts on an acknowledged renewal, from its send. */
  readonly leaseMs: number;
  /** R: time between renewals. */
  readonly renewMs: number;
  /** Time from the freeze to the kill. */
  readonly killAfterMs: number;
}

/** L from I1: L/(1-rho) + J + K <= TTL/(1+rho). */
export function leaseFromTtl(ttlMs: number): number {
  return Math.floor((ttlMs / (1 + RHO) - JK_MS) * (1 - RHO));
}

export function timingOf(ttlMs: number): Timing {
  return {
    ttlMs,
    leaseMs: leaseFromTtl(ttlMs),
    renewMs: Math.min(500, Math.max(250, Math.floor(ttlMs / 8))),
    killAfterMs: Math.min(10_000, ttlMs),
  };
}

/** Broken inequalities as sentences with numbers; empty when the ttl can be used with these election times. */
export function checkTiming(ttlMs: number, electionMaxMs: number): string[] {
  const problems: string[] = [];
  const { leaseMs, renewMs } = timingOf(ttlMs);
  if (ttlMs < MIN_TTL_MS) {
    problems.push(`ttl ${ttlMs / 1000} s is below the minimum of ${MIN_TTL_MS / 1000} s`);
  }
  const left = leaseMs / (1 - RHO) + JK_MS;
  const right = ttlMs / (1 + RHO);
  if (leaseMs <= 0 || left > right) {
    problems.push(
      `I1 (no two writers): L/(1-rho) + J + K = ${left.toFixed(0)} ms must not exceed TTL/(1+rho) = ${
        right.toFixed(0)
      } ms`,
    );
  }
  const ride = renewMs + electionMaxMs + RTT_AND_COMMIT_MS;
  if (ride >= leaseMs) {
    problems.push(
      `L2 (a raft election must not fence the primary): renewal ${renewMs} + election ${electionMaxMs} + round trip and commit ` +
        `${RTT_AND_COMMIT_MS} = ${ride} ms must stay below the lease of ${leaseMs} ms; raise ttl or lower the election timeout`,
    );
  }
  return problems;
}
