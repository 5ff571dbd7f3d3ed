/**
 * The inequalities of DESIGN.md, in milliseconds, and what follows from ttl. Pure arithmetic: every change
 * of a time goes through `timing`, which derives the rest and says, with the numbers, what would be broken.
 *
 * `timingRules` is the only place where the inequalities stand: the refusals at the start and at a change of
 * the configuration, and the report of a running member, are two readings of it.
 */
import { J_MS, K_MS, MAX_FROZEN_MS, STOP_BUDGET_MS } from "./stop_budget.ts";
import type { MeasuredLateness, RuleVerdict, TimingReport, TimingRule, TimingTerm } from "../model/timing.ts";

/** Bound on how much the rates of two clocks differ: CLOCK_MONOTONIC_RAW is not slewed. */
export const RHO = 1e-3;
/** Allowance for a round trip and a commit in L2. */
const RTT_AND_COMMIT_MS = 150;
/** Time from the end of the watchdog's timeout until no instruction of the host is executed any more. */
export const RESET_LATENCY_MS = 50;
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
  return Math.floor((ttlMs / (1 + RHO) - STOP_BUDGET_MS) * (1 - RHO));
}

export function timingOf(ttlMs: number): Timing {
  return {
    ttlMs,
    leaseMs: leaseFromTtl(ttlMs),
    renewMs: Math.min(500, Math.max(250, Math.floor(ttlMs / 8))),
    killAfterMs: Math.min(MAX_FROZEN_MS, ttlMs),
  };
}

/** The room of L2 for the round trip of a renewal and a commit: L - R - Emax. */
export function renewalRoomMs(ttlMs: number, electionMaxMs: number): number {
  const { leaseMs, renewMs } = timingOf(ttlMs);
  return leaseMs - renewMs - electionMaxMs;
}

/** The watchdog as I2 sees it. */
export type WatchdogTimes =
  | {
    readonly used: true;
    /** W. */
    readonly timeoutMs: number;
    /** A: not fed later than this after the send of an acknowledged renewal. */
    readonly windowMs: number;
  }
  | { readonly used: false; readonly why: string };

export interface RuleTimes {
  readonly grantTtlMs: number;
  readonly waitTtlMs: number;
  /** The largest election timeout that is known of. */
  readonly electionMaxMs: number;
  readonly watchdog: WatchdogTimes;
}

export function timingRules({ grantTtlMs, waitTtlMs, electionMaxMs, watchdog }: RuleTimes): TimingRule[] {
  const { leaseMs, renewMs } = timingOf(grantTtlMs);
  const ttl = { name: "ttl/(1+rho)", ms: waitTtlMs / (1 + RHO) };
  return [
    rule("I1", "no two writers", [
      { name: "L/(1-rho)", ms: leaseMs / (1 - RHO) },
      { name: "J", ms: J_MS },
      { name: "K", ms: K_MS },
    ], ttl),
    watchdogRule(watchdog, ttl),
    rule("L2", "a raft election must not fence the primary", [
      { name: "R", ms: renewMs },
      { name: "Emax", ms: electionMaxMs },
      { name: "round trip and commit", ms: RTT_AND_COMMIT_MS },
    ], { name: "L", ms: leaseMs }),
  ];
}

function watchdogRule(watchdog: WatchdogTimes, ttl: TimingTerm): TimingRule {
  const about = "a host that stalls is reset in time";
  if (!watchdog.used) {
    return { ...rule("I2", about, [], ttl), verdict: "not used", note: watchdog.why };
  }
  const found = rule("I2", about, [
    { name: "A", ms: watchdog.windowMs },
    { name: "W", ms: watchdog.timeoutMs },
    { name: "reset", ms: RESET_LATENCY_MS },
  ], ttl);
  if (found.verdict === "holds") return found;
  const note = "watchdog.safety_margin asks for a late reset; -1 makes it come in time";
  return { ...found, verdict: "not promised", note };
}

function rule(
  id: TimingRule["id"],
  about: string,
  left: readonly TimingTerm[],
  right: TimingTerm,
): TimingRule {
  const relation = id === "L2" ? "<" : "<=";
  const leftMs = left.reduce((sum, { ms }) => sum + ms, 0);
  const marginMs = right.ms - leftMs;
  // Without a lease there is none that ends in time.
  const holds = (relation === "<" ? marginMs > 0 : marginMs >= 0) && left.every(({ ms }) => ms > 0);
  const verdict: RuleVerdict = holds ? "holds" : "broken";
  return { id, about, left, leftMs, relation, right, marginMs, verdict, note: null };
}

/**
 * Broken inequalities as sentences with numbers; empty when the ttl can be used with these election times.
 */
export function checkTiming(ttlMs: number, electionMaxMs: number): string[] {
  const problems: string[] = [];
  if (ttlMs < MIN_TTL_MS) {
    problems.push(`ttl ${ttlMs / 1000} s is below the minimum of ${MIN_TTL_MS / 1000} s`);
  }
  // The watchdog refuses nothing here: see checkWatchdogTiming.
  const watchdog: WatchdogTimes = { used: false, why: "" };
  const rules = timingRules({ grantTtlMs: ttlMs, waitTtlMs: ttlMs, electionMaxMs, watchdog });
  for (const found of rules) if (found.verdict === "broken") problems.push(brokenText(found));
  return problems;
}

function brokenText({ id, about, left, leftMs, relation, right }: TimingRule): string {
  const sum = left.map(({ name, ms }) => `${name} ${ms.toFixed(0)}`).join(" + ");
  const must = relation === "<" ? "must stay below" : "must not exceed";
  const advice = id === "L2" ? "; raise ttl or lower the election timeout" : "; raise ttl";
  return `${id} (${about}): ${sum} = ${leftMs.toFixed(0)} ms ${must} ${right.name} = ${
    right.ms.toFixed(0)
  } ms${advice}`;
}

/** All settings of a running member. */
export interface RunningTimes extends RuleTimes {
  readonly heartbeatMs: number;
  readonly electionMinMs: number;
  readonly loopWaitMs: number;
  readonly retryTimeoutMs: number;
}

/** The inequalities with the numbers of a running member, beside what it measures. */
export function timingReport(
  times: RunningTimes,
  measured: readonly MeasuredLateness[],
  windowS: number,
): TimingReport {
  const { grantTtlMs, waitTtlMs, watchdog } = times;
  const { leaseMs, renewMs, killAfterMs } = timingOf(grantTtlMs);
  return {
    settings: {
      grantTtlMs,
      waitTtlMs,
      leaseMs,
      renewMs,
      jMs: J_MS,
      kMs: K_MS,
      rho: RHO,
      heartbeatMs: times.heartbeatMs,
      electionMinMs: times.electionMinMs,
      electionMaxMs: times.electionMaxMs,
      killAfterMs,
      watchdogTimeoutMs: watchdog.used ? watchdog.timeoutMs : null,
      loopWaitMs: times.loopWaitMs,
      retryTimeoutMs: times.retryTimeoutMs,
    },
    rules: timingRules(times),
    windowS,
    measured,
  };
}
