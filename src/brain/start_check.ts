/**
 * Judges what a member measures of its host shortly after its start: does the ttl leave enough room for it?
 * Pure; the numbers are gathered in src/agent/health/start_check.ts.
 */
import { timingOf } from "../lease/timing.ts";
import { latenessBudgetMs, nearMs } from "./lateness.ts";

export interface StartMeasures {
  readonly seconds: number;
  /** The latest that a timer of the agent's loop fired. */
  readonly loopMs: number;
  /** Writes that the disk of the raft log was waited for, each; empty: it could not be measured. */
  readonly syncsMs: readonly number[];
  /** The latest that the guard's timer fired; null: it watched no primary. */
  readonly guardMs: number | null;
}

/** A longer one is no answer to a slow host: nobody waits so long for a failover. */
const LONGEST_ADVICE_S = 30;

/**
 * After the death of the raft leader, before the primary's renewal is acknowledged, four syncs follow one
 * upon the other: the vote of the candidate, of a voter, the first entry of the new leader, and the same at a
 * follower. The renewal and its answer then pass two loops. One of the syncs is as slow as the slowest that
 * was seen, the others are as usual; both loops are as late as the latest.
 */
export function neededMs({ loopMs, syncsMs }: Pick<StartMeasures, "loopMs" | "syncsMs">): number {
  return 2 * loopMs + worst(syncsMs) + 3 * median(syncsMs);
}

/**
 * The warning; null: there is room. Seconds do not show the slowest of a day, so half of the room must be
 * left, as for what is measured later on (nearMs).
 */
export function startAdvice(measured: StartMeasures, ttlMs: number, electionMaxMs: number): string | null {
  const lines = [ttlAdvice(measured, ttlMs, electionMaxMs), guardAdvice(measured, ttlMs, electionMaxMs)];
  const said = lines.filter((line) => line !== null);
  return said.length === 0 ? null : `${said.join(" ")} See: agent ctl timing`;
}

function ttlAdvice(measured: StartMeasures, ttlMs: number, electionMaxMs: number): string | null {
  const { seconds, loopMs, syncsMs } = measured;
  const roomMs = latenessBudgetMs("renewal", ttlMs, electionMaxMs);
  const needMs = neededMs(measured);
  if (needMs <= nearMs(roomMs)) return null;
  const { leaseMs, renewMs } = timingOf(ttlMs);
  const syncs = syncsMs.length === 0
    ? "the disk of the raft log could not be measured"
    : `a write to the disk of the raft log took up to ${round(worst(syncsMs))} ms (median ${
      round(median(syncsMs))
    })`;
  return `ttl ${
    ttlMs / 1000
  } leaves little room on this host: within ${seconds} s the agent's event loop came ` +
    `up to ${round(loopMs)} ms late, and ${syncs}. After an election of raft a renewal may need ${
      round(needMs)
    } ms of that, more than half of the ${
      round(roomMs)
    } ms that there are (L2: L ${leaseMs} - R ${renewMs} - ` +
    `Emax ${electionMaxMs}). Beyond them PostgreSQL is frozen for a moment. ${
      wiser(needMs, ttlMs, electionMaxMs)
    }.`;
}

function wiser(needMs: number, ttlMs: number, electionMaxMs: number): string {
  for (let ttlS = Math.floor(ttlMs / 1000) + 1; ttlS <= LONGEST_ADVICE_S; ttlS++) {
    if (needMs > nearMs(latenessBudgetMs("renewal", ttlS * 1000, electionMaxMs))) continue;
    return `ttl ${ttlS} would be wiser (agent ctl edit-config -s ttl=${ttlS}), or less load on this host and a ` +
      "disk of its own for raft.data_dir";
  }
  return "No ttl is long enough for that: put less load on this host, and raft.data_dir on a disk of its own";
}

function guardAdvice({ guardMs }: StartMeasures, ttlMs: number, electionMaxMs: number): string | null {
  const roomMs = latenessBudgetMs("guard", ttlMs, electionMaxMs);
  if (guardMs === null || guardMs <= nearMs(roomMs)) return null;
  return `The guard's timer fired up to ${round(guardMs)} ms late, of ${
    round(roomMs)
  } ms that there are (I1). ` +
    "A longer ttl does not help with that: allow the guard real-time priority (systemd: LimitRTPRIO=10, " +
    "AmbientCapabilities=CAP_SYS_NICE), or use a watchdog.";
}

function worst(values: readonly number[]): number {
  return Math.max(0, ...values);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function round(ms: number): string {
  return ms.toFixed(ms < 10 ? 1 : 0);
}
