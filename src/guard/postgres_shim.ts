/**
 * The step between guard and PostgreSQL: the guard starts its own executable, which makes the settings that
 * a child must make for itself and becomes PostgreSQL by execv, keeping the pid. Any failure ends it with 127
 * and a line on standard error.
 */
import { closeSync, constants, fstatSync, openSync, writeFileSync, writeSync } from "node:fs";
import { duplicate, execv, parentPid, resetSignals, setParentDeathSignal, setSession } from "../lib/ffi.ts";
import { SIGQUIT } from "./signals.ts";

/** Arguments: pid of the guard, oom_score_adj for PostgreSQL, program, its arguments. Does not return. */
export function runPostgresShim(argv: readonly string[]): never {
  const [guardPid, oomScoreAdj, program, ...args] = argv;
  if (guardPid === undefined || oomScoreAdj === undefined || program === undefined) fail("too few arguments");
  // The end of the guard makes the postmaster end its children. Asked for before the check: no gap in
  // between.
  setParentDeathSignal(SIGQUIT);
  if (parentPid() !== Number(guardPid)) fail("the guard is gone");
  // A session of its own: signals to the guard's group, and stop rules of orphaned groups, do not reach
  // PostgreSQL.
  setSession();
  try {
    writeFileSync("/proc/self/oom_score_adj", oomScoreAdj);
  } catch (error) {
    writeSync(2, `cannot set oom_score_adj: ${error instanceof Error ? error.message : String(error)}\n`);
  }
  for (const fd of [1, 2]) neverWaitForReader(fd);
  resetSignals();
  const path = program.includes("/") ? program : Bun.which(program) ?? program;
  const failed = execv(path, [path, ...args]);
  fail(`cannot run ${program}: ${failed.ok ? "it returned" : failed.name}`);
}

/**
 * An unread pipe would stop every process of PostgreSQL that logs, the postmaster first. Opened anew it does
 * not wait, for PostgreSQL alone, which then loses the lines that have no room.
 */
function neverWaitForReader(fd: number): void {
  if (!fstatSync(fd).isFIFO()) return;
  try {
    const pipe = openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
    duplicate(pipe, fd);
    closeSync(pipe);
  } catch (error) {
    // This user may not open it (a pipe that root made), or it has no reader at all: it stays as it is.
    if ((error as { code?: unknown }).code === undefined) throw error;
  }
}

function fail(why: string): never {
  writeSync(2, `agent: PostgreSQL not started: ${why}\n`);
  process.reallyExit(127);
}
