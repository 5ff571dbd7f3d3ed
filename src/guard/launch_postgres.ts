/** Starts PostgreSQL as a child of this process, through the shim that becomes it (postgres_shim.ts). */
import { isOwnVariable } from "../lib/own_variables.ts";
import type { ChildExit } from "./guard_parts.ts";
import type { StartSpec } from "./port.ts";

export interface Launcher {
  /** Command line of the shim without its arguments. */
  readonly shimCommand: readonly string[];
  readonly oomScoreAdj: string;
}

/**
 * Returns the pid, which is that of PostgreSQL from the start. Must be called on the main thread: the
 * parent-death signal follows the thread, not the process. Standard output and error are those of this
 * process.
 */
export function launchPostgres(
  launcher: Launcher,
  spec: StartSpec,
  onExit: (exit: ChildExit) => void,
): number {
  const child = Bun.spawn({
    cmd: [...launcher.shimCommand, String(process.pid), launcher.oomScoreAdj, spec.program, ...spec.args],
    env: postgresEnvironment(spec.env, launcher.oomScoreAdj),
    cwd: "/",
    stdio: ["ignore", "inherit", "inherit"],
    onExit: (ended, code) =>
      onExit({ code, signal: ended.signalCode === null ? null : String(ended.signalCode) }),
  });
  return child.pid;
}

/**
 * The environment of PostgreSQL. The postmaster keeps a protection from the OOM killer that the agent was
 * started with (OOMScoreAdjust= of the unit). Its children give it up, as PostgreSQL's manual wants it: a
 * session that takes all memory is to be killed, and not its neighbours on the host. Raising the score needs
 * no permission.
 */
export function postgresEnvironment(
  env: StartSpec["env"],
  oomScoreAdj: string,
): { [name: string]: string } {
  const kept = Object.entries(env).filter(([name]) => !isOwnVariable(name));
  return {
    ...Object.fromEntries(kept),
    ...(Number(oomScoreAdj) < 0
      ? { PG_OOM_ADJUST_FILE: "/proc/self/oom_score_adj", PG_OOM_ADJUST_VALUE: "0" }
      : {}),
  };
}
