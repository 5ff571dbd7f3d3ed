/**
 * The kernel's facts about a watchdog device that is not opened: /sys/class/watchdog, readable by every user.
 */
import { readFileSync, type Stats, statSync } from "node:fs";
import type { DeviceFacts } from "./watchdog_port.ts";

/** Major and minor of /dev/watchdog, the old name of the first device. */
const MISC_MAJOR = 10;
const WATCHDOG_MINOR = 130;

/** WDIOF_*: the reasons of a reset. Other flags of a device are no reasons. */
const BOOT_CAUSES: readonly (readonly [number, string])[] = [
  [0x20, "watchdog"],
  [0x01, "overheat"],
  [0x02, "fan fault"],
  [0x10, "power under voltage"],
  [0x40, "power over voltage"],
  [0x04, "external relay 1"],
  [0x08, "external relay 2"],
];

export function bootCauseOf(flags: number): string | null {
  return BOOT_CAUSES.find(([bit]) => (flags & bit) !== 0)?.[1] ?? null;
}

const NOTHING_KNOWN: DeviceFacts = { identity: null, bootCause: null, nowayout: false };

export function deviceFacts(path: string): DeviceFacts {
  const directory = sysfsDirectory(path);
  if (directory === null) return NOTHING_KNOWN;
  const bootStatus = Number(attribute(directory, "bootstatus") ?? 0);
  return {
    identity: attribute(directory, "identity"),
    bootCause: Number.isInteger(bootStatus) ? bootCauseOf(bootStatus) : null,
    nowayout: attribute(directory, "nowayout") === "1",
  };
}

/** The timeout in force, for drivers that do not answer the ioctl. */
export function sysfsTimeoutS(path: string): number | null {
  const directory = sysfsDirectory(path);
  const timeoutS = directory === null ? NaN : Number(attribute(directory, "timeout") ?? NaN);
  return Number.isInteger(timeoutS) && timeoutS > 0 ? timeoutS : null;
}

export function isCharacterDevice(path: string): boolean {
  return statOf(path)?.isCharacterDevice() ?? false;
}

function sysfsDirectory(path: string): string | null {
  const stats = statOf(path);
  if (stats === null || !stats.isCharacterDevice()) return null;
  const [major, minor] = [(stats.rdev >> 8) & 0xfff, (stats.rdev & 0xff) | ((stats.rdev >> 12) & 0xfff00)];
  return major === MISC_MAJOR && minor === WATCHDOG_MINOR
    ? "/sys/class/watchdog/watchdog0"
    : `/sys/dev/char/${major}:${minor}`;
}

function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null; // not there, or in a directory that this user may not enter: opening will say which
  }
}

function attribute(directory: string, name: string): string | null {
  try {
    return readFileSync(`${directory}/${name}`, "latin1").trim();
  } catch {
    return null; // a kernel without that attribute
  }
}
