/** The device that `watchdog` of the configuration names, behind the driver that it names. */
import type { WatchdogConfig } from "../model/config.ts";
import { LinuxWatchdog } from "./linux_watchdog.ts";
import type { KeptDevice } from "./open_watchdog.ts";
import { TestingWatchdog } from "./testing_watchdog.ts";
import type { WatchdogDevice } from "./watchdog_port.ts";

/** `kept`: what root opened before privileges were dropped. */
export function watchdogDevice(
  { device, driver }: WatchdogConfig,
  kept: KeptDevice | null,
): WatchdogDevice {
  const user = process.env.USER ?? String(process.getuid?.() ?? "");
  return driver === "testing" ? new TestingWatchdog(device, user) : new LinuxWatchdog(device, user, kept);
}
