/**
 * Variables of the environment that are for the agent itself: its supervision by the service manager, its
 * configuration, and the runtime that it is built on. PostgreSQL, its tools and the user's scripts run
 * without them: a script would tell the manager things in the agent's name, and one that is written for the
 * same runtime would be another program.
 */
import { MEMORY_VARIABLE } from "./quiet_memory.ts";

const NAMES: readonly string[] = [
  "NOTIFY_SOCKET",
  "WATCHDOG_PID",
  "WATCHDOG_USEC",
  "LISTEN_FDS",
  "LISTEN_PID",
  "LISTEN_FDNAMES",
  MEMORY_VARIABLE,
];

export function isOwnVariable(name: string): boolean {
  return NAMES.includes(name) || /^(?:PATRONI_|BUN_|AGENT_)/.test(name);
}
