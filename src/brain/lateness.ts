/**
 * Judges lateness: the room that the inequalities leave for each kind, when it becomes small, and the advice
 * then. Pure; the numbers are gathered in src/agent/loop/lateness_watch.ts.
 */
import { J_MS } from "../lease/stop_budget.ts";
import type { LatenessKind, MeasuredLateness, Quantiles } from "../model/timing.ts";
import { renewalRoomMs } from "../lease/timing.ts";

/** Below this, the slowest of a thousand is any single one. */
export const MIN_SAMPLES = 200;

/**
 * The guard's timer has J (I1). The agent's loop stands in for a guard that is stopped, so it has J as well.
 * Renewals have the room that L2 leaves beside R and Emax.
 */
export function latenessBudgetMs(kind: LatenessKind, ttlMs: number, electionMaxMs: number): number {
  return kind === "renewal" ? Math.max(0, renewalRoomMs(ttlMs, electionMaxMs)) : J_MS;
}

/** From here on it is near its budget. */
export function nearMs(budgetMs: number): number {
  return budgetMs / 2;
}

export function judgeLateness(kind: LatenessKind, quantiles: Quantiles, budgetMs: number): MeasuredLateness {
  const { p999Ms, maxMs } = quantiles;
  const verdict = p999Ms === null || maxMs === null
    ? "not measured"
    : p999Ms > budgetMs || (mayNeverExceed(kind) && maxMs > budgetMs)
    ? "over its budget"
    : p999Ms > nearMs(budgetMs)
    ? "near its budget"
    : "ok";
  return { ...quantiles, kind, budgetMs, verdict };
}

/** Safety rests on the guard's budget; the others only keep service from being interrupted. */
function mayNeverExceed(kind: LatenessKind): boolean {
  return kind === "guard";
}

/** The line for the log; null: nothing to say. */
export function latenessAdvice(measured: MeasuredLateness, ttlMs: number): string | null {
  const { kind, samples, p999Ms, maxMs, budgetMs, verdict } = measured;
  if (verdict === "ok" || verdict === "not measured") return null;
  if (samples < MIN_SAMPLES && !(mayNeverExceed(kind) && verdict === "over its budget")) return null;
  const { what, means, advice } = TEXTS[kind](ttlMs);
  return `${what}: 99.9 % within ${round(p999Ms)} ms, the worst ${round(maxMs)} ms, of ${
    round(budgetMs)
  } ms that there are. ${means}. ${advice}. See: agent ctl timing`;
}

interface Texts {
  readonly what: string;
  readonly means: string;
  readonly advice: string;
}

const TEXTS: { readonly [kind in LatenessKind]: (ttlMs: number) => Texts } = {
  event_loop: (ttlMs) => ({
    what: "the agent's event loop runs late",
    means: "Renewals of the lease leave late; beyond the lease PostgreSQL is frozen",
    advice: `Put less load on this host, give the agent priority (systemd: Nice=-10, CPUWeight=1000), or ${
      raiseTtl(ttlMs)
    }`,
  }),
  guard: () => ({
    what: "the guard's timer fires late",
    means: "Beyond that PostgreSQL could acknowledge commits after the end of its lease (I1)",
    advice: "A longer ttl does not help: put less load on this host, allow the guard real-time priority " +
      "(systemd: LimitRTPRIO=10, AmbientCapabilities=CAP_SYS_NICE), or use a watchdog",
  }),
  renewal: (ttlMs) => ({
    what: "renewals of the lease are acknowledged late",
    means: "A raft election may then freeze the primary for a moment (L2)",
    advice:
      `Look for load on the raft leader's host or a slow network, move raft.data_dir to a disk of its own, or ${
        raiseTtl(ttlMs)
      }`,
  }),
};

function raiseTtl(ttlMs: number): string {
  return `raise ttl: agent ctl edit-config -s ttl=${Math.ceil(2 * ttlMs / 1000)}`;
}

function round(ms: number | null): string {
  return ms === null ? "?" : ms.toFixed(ms < 10 ? 1 : 0);
}
