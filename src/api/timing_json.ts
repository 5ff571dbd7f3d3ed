/** `GET /agent/timing`: the report on the times of this member, in the names and roundings of the API. */
import type { TimingReport } from "../model/timing.ts";
import type { ApiView, ProcessClocks } from "./port.ts";
import type { TimingJson } from "./shapes.ts";
import { shownLeader } from "./status.ts";

export function timingJson(
  { config, dcs }: ApiView,
  report: TimingReport,
  clocks: readonly ProcessClocks[],
): TimingJson {
  const { settings } = report;
  return {
    name: config.name,
    leader: shownLeader(dcs),
    settings: {
      ttl_ms: settings.grantTtlMs,
      wait_ttl_ms: settings.waitTtlMs,
      lease_ms: settings.leaseMs,
      renew_ms: settings.renewMs,
      j_ms: settings.jMs,
      k_ms: settings.kMs,
      rho: settings.rho,
      heartbeat_ms: settings.heartbeatMs,
      election_min_ms: settings.electionMinMs,
      election_max_ms: settings.electionMaxMs,
      kill_after_ms: settings.killAfterMs,
      watchdog_timeout_ms: settings.watchdogTimeoutMs,
      loop_wait_ms: settings.loopWaitMs,
      retry_timeout_ms: settings.retryTimeoutMs,
    },
    inequalities: report.rules.map((rule) => ({
      id: rule.id,
      about: rule.about,
      left: rule.left.map(({ name, ms }) => ({ name, ms: rounded(ms) })),
      left_ms: rounded(rule.leftMs),
      relation: rule.relation,
      right: rule.right.name,
      right_ms: rounded(rule.right.ms),
      margin_ms: rounded(rule.marginMs),
      verdict: rule.verdict,
      note: rule.note,
    })),
    window_s: report.windowS,
    measured: report.measured.map((one) => ({
      what: one.kind,
      samples: one.samples,
      p50_ms: shown(one.p50Ms),
      p99_ms: shown(one.p99Ms),
      p999_ms: shown(one.p999Ms),
      max_ms: shown(one.maxMs),
      budget_ms: rounded(one.budgetMs),
      verdict: one.verdict,
    })),
    clock_jumps: clocks.map(({ process, jumps, last }) => ({
      process,
      count: jumps,
      last: last && { kind: last.kind, by_ms: rounded(last.byMs), ago_s: Math.round(last.agoMs / 1000) },
    })),
  };
}

function shown(ms: number | null): number | null {
  return ms === null ? null : rounded(ms);
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
