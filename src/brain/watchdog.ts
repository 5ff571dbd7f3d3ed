/**
 * The times of the watchdog device behind the guard (design: docs/adr/0003-watchdog-feeding.md). Pure
 * arithmetic.
 *
 * Owns the argument that a host which stalls is reset before another member can be granted the lock. With s,
 * the send of the last acknowledged renewal, W, the device's timeout, and A, the feeding window: the device
 * is fed at s + A at the latest, so it resets the host by s + A + W + reset latency, and A is what makes that
 * TTL/(1+rho), the moment before which no raft leader's clock has waited a ttl. While PostgreSQL is frozen
 * nothing is acknowledged anyway.
 */
import type { DynamicConfig, WatchdogConfig } from "../model/config.ts";
import { RESET_LATENCY_MS, RHO, type WatchdogTimes } from "../lease/timing.ts";

/**
 * A window shorter than this would depend on how fast a renewal is acknowledged: then nothing is promised.
 */
const MIN_WINDOW_MS = 500;
/** With a ttl from here on, Patroni's default margin leaves enough; below, it would leave nothing. */
const DEFAULT_MARGIN_FROM_TTL_S = 20;
const DEFAULT_MARGIN_S = 5;
export const HALF_THE_TTL = -1;
const MAX_TIMEOUT_S = 65534;

export type WatchdogPlan =
  | { readonly kind: "usable"; readonly timeoutS: number; readonly marginS: number }
  | { readonly kind: "unusable"; readonly problem: string };

/** The timeout to ask the device for. `safetyMarginS`: as configured, null when unset. */
export function planWatchdog(safetyMarginS: number | null, ttlMs: number, loopWaitS: number): WatchdogPlan {
  const ttlS = Math.floor(ttlMs / 1000);
  const marginS = safetyMarginS ?? (ttlS >= DEFAULT_MARGIN_FROM_TTL_S ? DEFAULT_MARGIN_S : HALF_THE_TTL);
  const timeoutS = Math.floor(marginS === HALF_THE_TTL ? ttlS / 2 : ttlS - marginS);
  if (timeoutS < Math.max(1, loopWaitS)) {
    return {
      kind: "unusable",
      problem:
        `ttl ${ttlS} s with a margin of ${marginS} leaves the watchdog ${timeoutS} s, which must be at least ` +
        `loop_wait (${loopWaitS} s)`,
    };
  }
  return { kind: "usable", timeoutS: Math.min(timeoutS, MAX_TIMEOUT_S), marginS };
}

/** Why these times leave a required watchdog no timeout; empty when they do, or when none is required. */
export function checkWatchdogTiming(
  { mode, safetyMarginS }: WatchdogConfig,
  { ttlS, loopWaitS }: Pick<DynamicConfig, "ttlS" | "loopWaitS">,
): string[] {
  const plan = planWatchdog(safetyMarginS, 1000 * ttlS, loopWaitS);
  return mode === "required" && plan.kind === "unusable" ? [plan.problem] : [];
}

export type TimeoutVerdict =
  | { readonly kind: "good" }
  /** Usable, but its reset may come after the lock was granted to another member. */
  | { readonly kind: "late"; readonly text: string }
  | { readonly kind: "useless"; readonly text: string };

/** Judges the timeout that the device has set, which need not be the one it was asked for. */
export function judgeTimeout(actualS: number, wantedS: number, loopWaitS: number): TimeoutVerdict {
  if (actualS < loopWaitS) {
    return {
      kind: "useless",
      text: `the device's timeout is ${actualS} s, shorter than loop_wait (${loopWaitS} s)`,
    };
  }
  if (actualS <= wantedS) return { kind: "good" };
  return {
    kind: "late",
    text: `the device's timeout is ${actualS} s and cannot be set to ${wantedS} s: ` +
      "a reset may come after another member was granted the lock",
  };
}

/** When the device may be fed on the strength of one acknowledged renewal. */
export interface FeedingWindow {
  /** A: not later than this after the renewal's send. */
  readonly windowMs: number;
  /** The reset comes before the lock can be granted to another member. */
  readonly proven: boolean;
}

export function feedingWindow(timeoutS: number, ttlMs: number): FeedingWindow {
  const windowMs = Math.floor(ttlMs / (1 + RHO) - 1000 * timeoutS - RESET_LATENCY_MS);
  // Such a margin asks for a late reset: fed by acknowledgements as they come, as Patroni does.
  return windowMs >= MIN_WINDOW_MS
    ? { windowMs, proven: true }
    : { windowMs: 1000 * timeoutS, proven: false };
}

/**
 * The device as inequality I2 sees it. `runningS`: the timeout in force, null while it does not run;
 * `problem`: why it cannot be used.
 */
export function watchdogTimes(
  { mode, safetyMarginS }: Pick<WatchdogConfig, "mode" | "safetyMarginS">,
  ttlMs: number,
  loopWaitS: number,
  runningS: number | null,
  problem: string | null,
): WatchdogTimes {
  if (mode === "off") return { used: false, why: "watchdog.mode is off" };
  const plan = planWatchdog(safetyMarginS, ttlMs, loopWaitS);
  if (runningS === null && problem !== null) return { used: false, why: problem };
  if (runningS === null && plan.kind === "unusable") return { used: false, why: plan.problem };
  const timeoutS = runningS ?? (plan.kind === "usable" ? plan.timeoutS : 0);
  return { used: true, timeoutMs: 1000 * timeoutS, windowMs: feedingWindow(timeoutS, ttlMs).windowMs };
}

/** The purpose of the device at this moment. */
export interface WatchdogSituation {
  readonly nowMs: number;
  /** `watchdog.mode: off`, or the cluster is paused. */
  readonly unwanted: boolean;
  /** This member holds the lock and its lease runs. */
  readonly leaseRuns: boolean;
  /** PostgreSQL is not, and cannot become, a primary: it does not run, or runs as a standby. */
  readonly harmless: boolean;
  /** Every process of PostgreSQL is stopped. */
  readonly frozen: boolean;
  /** The device cannot be stopped once started (nowayout). */
  readonly unstoppable: boolean;
  /** s of the last acknowledged renewal; null: none in this tenure. */
  readonly sentMs: number | null;
  readonly window: FeedingWindow;
}

/**
 * `feed`: now, and again until the lease tells otherwise; `starve`: it must not be fed, it may reset the
 * host.
 */
export type Care = "stop" | "feed" | "starve";

/** The care that a running device needs when no renewal has just been acknowledged. */
export function careFor(situation: WatchdogSituation): Care {
  const { nowMs, unwanted, leaseRuns, harmless, frozen, unstoppable, sentMs, window } = situation;
  if (unwanted || (harmless && !leaseRuns)) return unstoppable ? "feed" : "stop";
  if (frozen) return "feed";
  // The acknowledgement says that this member has the lock until s + TTL: it proves at s + A what it proved
  // on its arrival.
  const mayStill = leaseRuns && window.proven && sentMs !== null && nowMs <= sentMs + window.windowMs;
  return mayStill ? "feed" : "starve";
}
