/**
 * /dev/watchdog through the kernel's interface (Documentation/watchdog/watchdog-api.rst): opened for writing
 * only, a byte is a keepalive, 'V' before the close stops it. Opening starts it. The descriptor is
 * close-on-exec, as all that the runtime opens: a child that inherited it would keep the device from being
 * stopped.
 *
 * A descriptor that root opened before privileges were dropped (`kept`) is never closed while the agent runs,
 * since it could not be opened again: it is stopped and started by ioctl.
 */
import { closeSync, constants, writeSync } from "node:fs";
import { type KeptDevice, notOpenable, openDevice } from "./open_watchdog.ts";
import { bootCauseOf, deviceFacts, sysfsTimeoutS } from "./watchdog_facts.ts";
import {
  setWatchdogTimeout,
  startWatchdog,
  stopWatchdog,
  watchdogBootStatus,
  watchdogInfo,
  watchdogTimeLeft,
  watchdogTimeout,
} from "./watchdog_ioctl.ts";
import type { DeviceFacts, DeviceResult, WatchdogDevice, WatchdogProblem } from "./watchdog_port.ts";
import {
  codeOf,
  feedProblem,
  notADevice,
  openProblem,
  timeoutProblem,
  unknownTimeout,
} from "./watchdog_problem.ts";

export class LinuxWatchdog implements WatchdogDevice {
  readonly path: string;
  readonly #user: string;
  /** Why root could not keep it open for this process; null: it did, or was not asked to. */
  readonly #keptProblem: WatchdogProblem | null;
  #keptFd: number | null;
  /** The kept descriptor's device has been stopped. */
  #resting: boolean;
  #fd: number | null = null;
  #takesTimeout = false;
  #tellsTimeLeft = true;

  /** `user`: the user of this process, for advice. */
  constructor(path: string, user: string, kept: KeptDevice | null = null) {
    this.path = path;
    this.#user = user;
    const mine = kept?.path === path ? kept : null;
    this.#keptFd = mine?.fd ?? null;
    this.#keptProblem = mine?.problem ?? null;
    this.#resting = mine?.resting ?? false;
  }

  probe(): WatchdogProblem | null {
    if (this.#fd !== null || this.#keptFd !== null) return null;
    const problem = notOpenable(this.path, constants.W_OK, this.#user);
    return problem === null ? null : this.#keptProblem ?? problem;
  }

  facts(): DeviceFacts {
    return deviceFacts(this.path);
  }

  open(): DeviceResult<DeviceFacts> {
    if (this.#fd === null) {
      const opened = this.#take();
      if (!opened.ok) return opened;
      this.#fd = opened.value;
    }
    const info = watchdogInfo(this.#fd);
    if (info === null) {
      this.abandon();
      return { ok: false, problem: notADevice(this.path) };
    }
    this.#takesTimeout = info.takesTimeout;
    const flags = watchdogBootStatus(this.#fd);
    const known = deviceFacts(this.path);
    const bootCause = flags === null ? known.bootCause : bootCauseOf(flags);
    return { ok: true, value: { ...known, identity: info.identity, bootCause } };
  }

  setTimeout(seconds: number): DeviceResult<number> {
    if (this.#fd === null) return { ok: false, problem: feedProblem(this.path, "EBADF") };
    const set = this.#takesTimeout ? setWatchdogTimeout(this.#fd, seconds) : null;
    const actual = watchdogTimeout(this.#fd) || sysfsTimeoutS(this.path);
    if (actual === null) return { ok: false, problem: unknownTimeout(this.path) };
    // A refusal leaves the timeout as it is, which may do.
    if (set?.ok === false && actual > seconds) {
      return { ok: false, problem: timeoutProblem(this.path, seconds, set.name) };
    }
    return { ok: true, value: actual };
  }

  feed(): DeviceResult<null> {
    try {
      if (this.#fd !== null) writeSync(this.#fd, "1");
      return { ok: true, value: null };
    } catch (error) {
      return { ok: false, problem: feedProblem(this.path, codeOf(error)) };
    }
  }

  stop(): void {
    const fd = this.#fd;
    if (fd === null) return;
    if (fd === this.#keptFd && stopWatchdog(fd).ok) {
      this.#resting = true;
      this.#fd = null;
      return;
    }
    try {
      writeSync(fd, "V");
    } catch (error) {
      codeOf(error); // the device is gone, and with it what there was to stop
    }
    this.#keptFd = null;
    this.#close(fd);
  }

  abandon(): void {
    if (this.#fd === this.#keptFd) this.#fd = null;
    else if (this.#fd !== null) this.#close(this.#fd);
  }

  timeLeftS(): number | null {
    if (this.#fd === null || !this.#tellsTimeLeft) return null;
    const left = watchdogTimeLeft(this.#fd);
    // Many drivers don't (EOPNOTSUPP): asked once, not at every status.
    this.#tellsTimeLeft = left !== null;
    return left;
  }

  #take(): DeviceResult<number> {
    const fd = this.#keptFd;
    if (fd === null) {
      const opened = openDevice(this.path, this.#user);
      return opened.ok || this.#keptProblem === null ? opened : { ok: false, problem: this.#keptProblem };
    }
    const started = this.#resting ? startWatchdog(fd) : null;
    if (started?.ok === false) {
      return { ok: false, problem: openProblem(this.path, started.name, this.#user) };
    }
    this.#resting = false;
    return { ok: true, value: fd };
  }

  #close(fd: number): void {
    this.#fd = null;
    try {
      closeSync(fd);
    } catch (error) {
      codeOf(error); // an error of the device: there is nothing left to give back
    }
  }
}
