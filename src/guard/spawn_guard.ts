/**
 * Starts a guard process that outlives the agent: a session of its own, no standard input, the agent's
 * output.
 */
import type { Log } from "../lib/log.ts";
import { EXIT_ANOTHER_GUARD } from "./exit_codes.ts";

/** `onRefused`: it has ended at once, as another guard serves the same socket. */
export function spawnGuard(command: readonly string[], log: Log, onRefused: () => void): void {
  const env: { [name: string]: string | undefined } = { ...process.env };
  // The service manager listens to the agent alone.
  delete env.NOTIFY_SOCKET;
  try {
    const child = Bun.spawn({
      cmd: [...command],
      env,
      stdio: ["ignore", "inherit", "inherit"],
      detached: true,
      onExit: (_child, code, signal) => {
        if (code === EXIT_ANOTHER_GUARD) onRefused();
        else if (code !== 0) {
          log.warning("guard", `the guard has ended (${signal ?? code})`);
        }
      },
    });
    child.unref();
  } catch (error) {
    log.error(
      "guard",
      `cannot start a guard (${command[0]}): ${error instanceof Error ? error.message : error}`,
    );
  }
}
