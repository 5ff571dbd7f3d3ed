/** `agent run FILE`: one member of a cluster, in the foreground. */
import { startAgent } from "../src/agent/compose/agent.ts";
import { type KeptDevice, openBeforeDroppingPrivileges } from "../src/guard/open_watchdog.ts";
import { openWakeProfile } from "../src/lib/wake_profile.ts";
import { WatchdogMark } from "../src/guard/watchdog_mark.ts";
import type { HeldSignals } from "../src/lib/held_signals.ts";
import { captureEnvironment, loadConfig } from "./config_source.ts";
import { becomeUser, fail, runService } from "./service.ts";

export interface RunOptions {
  /** Ordinary user to become when started as root. */
  readonly user?: string;
  /** Command line of a guard of this executable. */
  readonly guardCommand: readonly string[];
  /** Held since the process began. */
  readonly signals: HeldSignals;
}

/** Runs until a signal ends it; ends the process itself. */
export function runCommand(file: string | null, { user, guardCommand, signals }: RunOptions): void {
  const keptWatchdog = openWatchdog(file, user ?? null);
  if (user !== undefined) becomeUser("run", user);
  else if (process.getuid?.() === 0) {
    fail(
      "run",
      "PostgreSQL refuses to run as root. Start the agent as the user that owns the data directory, or add --user NAME (for example --user postgres)",
    );
  }
  const profile = process.env.AGENT_WAKE_PROFILE ?? "";
  if (profile !== "") openWakeProfile(profile);
  runService("run", file, (parts) => startAgent({ ...parts, guardCommand, keptWatchdog }), signals);
}

/**
 * Opens, as root and before privileges are dropped, the device that the configuration names: it belongs to
 * root on most hosts. Problems of the configuration are reported later, when it is read again as the ordinary
 * user.
 */
function openWatchdog(file: string | null, user: string | null): KeptDevice | null {
  if (process.getuid?.() !== 0 || user === null) return null;
  const { config } = loadConfig({ path: file, environment: captureEnvironment({ ...process.env }) });
  if (config === null || config.watchdog.mode === "off" || config.watchdog.driver !== "default") return null;
  const { device } = config.watchdog;
  return openBeforeDroppingPrivileges(device, user, new WatchdogMark(config.raft.dataDir).read() === device);
}
