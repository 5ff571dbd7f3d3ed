/** What the REST interface of a member and that of a witness read in the same way. */
import type { RaftStatus } from "../../raft/mod.ts";
import type { ProcessClocks } from "../api/port.ts";
import { type RunningTimes, timingReport } from "../brain/timing.ts";
import type { ClockReport } from "../model/clock_jump.ts";
import type { DynamicConfig, LocalConfig } from "../model/config.ts";
import type { DcsState } from "../model/records.ts";
import type { TimingReport } from "../model/timing.ts";
import { WINDOW_S } from "./lateness.ts";
import type { LatenessWatch } from "./lateness_watch.ts";

/** Remembers when a raft leader was last heard of. */
export class DcsContact {
  #seenMs: number | null = null;

  /** ms since then; null: never. */
  ageMs({ leader, members }: RaftStatus, nowMs: number): number | null {
    const contactMs = members.find(({ id }) => id === leader)?.lastContactMs ?? null;
    if (leader !== null && contactMs !== null) this.#seenMs = nowMs - contactMs;
    return this.#seenMs === null ? null : nowMs - this.#seenMs;
  }
}

/** Epoch seconds of a moment `ageMs` ago; 0: never. */
export function lastSeenS(ageMs: number | null, wallMs: number): number {
  return ageMs === null ? 0 : Math.floor((wallMs - ageMs) / 1000);
}

export function processClocks(
  process: ProcessClocks["process"],
  { jumps, last }: ClockReport,
  nowMs: number,
): ProcessClocks {
  return { process, jumps, last: last && { kind: last.kind, byMs: last.byMs, agoMs: nowMs - last.atMs } };
}

/** The inequalities of the lease with the numbers in force here, and what is measured. */
export function timingInForce(
  { grantTtlMs, waitTtlMs }: DcsState,
  { raft }: LocalConfig,
  { loopWaitS, retryTimeoutS }: DynamicConfig,
  watchdog: (ttlMs: number, loopWaitS: number) => RunningTimes["watchdog"],
  lateness: LatenessWatch,
): TimingReport {
  const { heartbeatMs, electionMinMs, electionMaxMs } = raft;
  return timingReport(
    {
      grantTtlMs,
      waitTtlMs,
      heartbeatMs,
      electionMinMs,
      electionMaxMs,
      loopWaitMs: 1000 * loopWaitS,
      retryTimeoutMs: 1000 * retryTimeoutS,
      watchdog: watchdog(grantTtlMs, loopWaitS),
    },
    lateness.measured(),
    WINDOW_S,
  );
}
