/**
 * Opens a watchdog device as a user with the permission: the agent's, or root before it drops its privileges.
 */
import { accessSync, constants, openSync } from "node:fs";
import { deviceFacts, isCharacterDevice } from "./watchdog_facts.ts";
import { stopWatchdog } from "./watchdog_ioctl.ts";
import type { DeviceResult, WatchdogProblem } from "./watchdog_port.ts";
import { codeOf, notADevice, openProblem } from "./watchdog_problem.ts";

/** The device that root has opened. */
export interface KeptDevice {
  readonly path: string;
  readonly fd: number | null;
  /** It was stopped again after the opening, which starts it. */
  readonly resting: boolean;
  /** Why there is none. */
  readonly problem: WatchdogProblem | null;
}

/**
 * For `--user`: to be called as root, before privileges are dropped. The device is stopped at once, or an
 * agent that cannot start would have its host reset; not if it was `leftRunning`, since the state of
 * PostgreSQL is not known yet. A device that cannot be stopped once started is left alone.
 */
export function openBeforeDroppingPrivileges(path: string, user: string, leftRunning: boolean): KeptDevice {
  if (deviceFacts(path).nowayout) {
    const { text, ...problem } = openProblem(path, "EACCES", user);
    const why = `${path} cannot be stopped once started (nowayout), so root did not open it at the start`;
    return { path, fd: null, resting: false, problem: { ...problem, text: `${why}, and ${text}` } };
  }
  const opened = openDevice(path, user);
  if (!opened.ok) return { path, fd: null, resting: false, problem: opened.problem };
  const resting = !leftRunning && stopWatchdog(opened.value).ok;
  return { path, fd: opened.value, resting, problem: null };
}

/** `user`: the user that this process has or is to have, for advice. */
export function openDevice(path: string, user: string): DeviceResult<number> {
  const problem = notOpenable(path, constants.F_OK, user);
  if (problem !== null) return { ok: false, problem };
  try {
    return { ok: true, value: openSync(path, constants.O_WRONLY) };
  } catch (error) {
    return { ok: false, problem: openProblem(path, codeOf(error), user) };
  }
}

/** Opening a FIFO would wait for a reader, and a file would take every byte: neither is tried. */
export function notOpenable(path: string, access: number, user: string): WatchdogProblem | null {
  try {
    accessSync(path);
    if (!isCharacterDevice(path)) return notADevice(path);
    accessSync(path, access);
    return null;
  } catch (error) {
    return openProblem(path, codeOf(error), user);
  }
}
