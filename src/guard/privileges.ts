/**
 * Makes the guard hard to delay: locked memory, a scheduling class above ordinary processes, no OOM kill.
 * Each needs a permission that many installations do not give; a refusal is reported, never fatal.
 */
import { readFileSync, writeFileSync } from "node:fs";
import {
  lockMemory,
  SCHED_OTHER,
  SCHED_RESET_ON_FORK,
  SCHED_RR,
  setPriority,
  setScheduler,
  type SysResult,
} from "../lib/ffi.ts";

const ROUND_ROBIN_PRIORITY = 10;
const NICE = -10;

export interface Privileges {
  /** The privileges that were given, for one line of log. */
  readonly summary: string;
  /** The oom_score_adj that this process was started with, which PostgreSQL gets. */
  readonly oomScoreAdj: string;
}

export function takePrivileges(): Privileges {
  const oomScoreAdj = readOomScoreAdj();
  const parts = [
    `memory ${lockMemory().ok ? "locked" : "not locked"}`,
    `scheduling ${takePriority()}`,
    `oom_score_adj ${protectFromOom() ? "-1000" : oomScoreAdj}`,
  ];
  return { summary: parts.join(", "), oomScoreAdj };
}

function takePriority(): string {
  const flag = SCHED_RESET_ON_FORK; // PostgreSQL must not inherit any of it
  const realTime: SysResult = setScheduler(SCHED_RR | flag, ROUND_ROBIN_PRIORITY);
  if (realTime.ok) return "round-robin";
  setScheduler(SCHED_OTHER | flag, 0);
  return setPriority(NICE).ok ? `nice ${NICE}` : "ordinary";
}

function readOomScoreAdj(): string {
  try {
    return readFileSync("/proc/self/oom_score_adj", "latin1").trim();
  } catch {
    return "0"; // no /proc entry: nothing to hand on
  }
}

function protectFromOom(): boolean {
  try {
    writeFileSync("/proc/self/oom_score_adj", "-1000");
    return true;
  } catch {
    return false; // needs CAP_SYS_RESOURCE
  }
}
