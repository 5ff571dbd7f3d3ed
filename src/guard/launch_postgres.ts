/** Starts PostgreSQL as a child of this process, through the shim that becomes it (postgres_shim.ts). */
import type { ChildExit } from "./guard_parts.ts";
import type { StartSpec } from "./port.ts";

/** Variables for the supervision of the agent itself, which PostgreSQL and what it starts must not see. */
const NOT_FOR_POSTGRES = [
  "NOTIFY_SOCKET",
  "WATCHDOG_PID",
  "WATCHDOG_USEC",
  "LISTEN_FDS",
  "LISTEN_PID",
  "LISTEN_FDNAMES",
];

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
  const env: { [name: string]: string } = {};
  for (const [name, value] of Object.entries(spec.env)) {
    if (!NOT_FOR_POSTGRES.includes(name) && !name.startsWith("BUN_")) env[name] = value;
  }
  const child = Bun.spawn({
    cmd: [...launcher.shimCommand, String(process.pid), launcher.oomScoreAdj, spec.program, ...spec.args],
    env,
    cwd: "/",
    stdio: ["ignore", "inherit", "inherit"],
    onExit: (ended, code) =>
      onExit({ code, signal: ended.signalCode === null ? null : String(ended.signalCode) }),
  });
  return child.pid;
}
