/**
 * /dev/watchdog through the kernel's interface (Documentation/watchdog/watchdog-api.rst): opened for writing only, a
 * byte is a keepalive, 'V' before the close stops it. Opening starts it. The descriptor is close-on-exec, as all that
 * the runtime opens: a child that inherited it would keep the device from being stopped.
 *
 * A descriptor that root opened before privileges were dropped (`kept`) is never closed while the agent runs, since it
 * could not be opened again: it is stopped and started by ioctl.
 */
import { accessSync, closeSync, constants, openSync, writeSync } from "node:fs";
import { ioctl, type SysResult } from "../lib/ffi.ts";
import { bootCauseOf, deviceFacts, isCharacterDevice, sysfsTimeoutS } from "./watchdog_facts.ts";
import type { DeviceFacts, DeviceResult, WatchdogDevice, WatchdogProblem } from "./watchdog_port.ts";
import {
  codeOf,
  feedProblem,
  notADevice,
  openProblem,
  timeoutProblem,
  unknownTimeout,
} from "./watchdog_problem.ts";

const WDIOC_GETSUPPORT = 0x80285700;
const WDIOC_GETBOOTSTATUS = 0x80045702;
const WDIOC_SETOPTIONS = 0x80045704;
const WDIOC_SETTIMEOUT = 0xc0045706;
const WDIOC_GETTIMEOUT = 0x80045707;
const WDIOC_GETTIMELEFT = 0x8004570a;

const WDIOF_SETTIMEOUT = 0x80;
const WDIOS_DISABLECARD = 1;
const WDIOS_ENABLECARD = 2;

/** struct watchdog_info: options, firmware version, identity[32]. */
const INFO_BYTES = 40;
const IDENTITY_AT = 8;

/** A descriptor of the device that root opened, and what the driver said. The device runs from then on. */
export interface KeptDevice {
  readonly path: string;
  readonly fd: number | null;
  /** Why there is none. */
  readonly problem: WatchdogProblem | null;
}

/**
 * For `--user`: to be called as root, before privileges are dropped. A device that cannot be stopped once started is
 * left alone: a standby that ends would have its host reset.
 */
export function openBeforeDroppingPrivileges(path: string, user: string): KeptDevice {
  if (deviceFacts(path).nowayout) {
    const problem = openProblem(path, "EACCES", user);
    const text =
      `${path} cannot be stopped once started (nowayout), so it was not opened as root at the start`;
    return { path, fd: null, problem: { ...problem, text: `${text}, and ${problem.text}` } };
  }
  const opened = openDevice(path, user);
  return opened.ok ? { path, fd: opened.value, problem: null } : { path, fd: null, problem: opened.problem };
}

function openDevice(path: string, user: string): DeviceResult<number> {
  try {
    // Opening a FIFO would wait for a reader, and a file would take every byte.
    accessSync(path);
    if (!isCharacterDevice(path)) return { ok: false, problem: notADevice(path) };
    return { ok: true, value: openSync(path, constants.O_WRONLY) };
  } catch (error) {
    return { ok: false, problem: openProblem(path, codeOf(error), user) };
  }
}

export class LinuxWatchdog implements WatchdogDevice {
  readonly path: string;
  private readonly user: string;
  /** Why root could not keep it open for us; null: it did, or was not asked to. */
  private readonly keptProblem: WatchdogProblem | null;
  private keptFd: number | null;
  /** The kept descriptor's device has been stopped. */
  private resting = false;
  private fd: number | null = null;
  private options = 0;
  private tellsTimeLeft = true;

  /** `user`: who we are, for advice. */
  constructor(path: string, user: string, kept: KeptDevice | null = null) {
    this.path = path;
    this.user = user;
    const mine = kept?.path === path ? kept : null;
    this.keptFd = mine?.fd ?? null;
    this.keptProblem = mine?.problem ?? null;
  }

  probe(): WatchdogProblem | null {
    if (this.fd !== null || this.keptFd !== null) return null;
    try {
      accessSync(this.path);
      if (!isCharacterDevice(this.path)) return notADevice(this.path);
      accessSync(this.path, constants.W_OK);
      return null;
    } catch (error) {
      return this.keptProblem ?? openProblem(this.path, codeOf(error), this.user);
    }
  }

  facts(): DeviceFacts {
    return deviceFacts(this.path);
  }

  open(): DeviceResult<DeviceFacts> {
    if (this.fd === null) {
      const opened = this.take();
      if (!opened.ok) return opened;
      this.fd = opened.value;
    }
    const info = new Uint8Array(INFO_BYTES);
    if (!ioctl(this.fd, WDIOC_GETSUPPORT, info).ok) {
      this.abandon();
      return { ok: false, problem: notADevice(this.path) };
    }
    this.options = new DataView(info.buffer).getUint32(0, true);
    const name = info.subarray(IDENTITY_AT);
    const end = name.indexOf(0);
    const identity = new TextDecoder("latin1").decode(name.subarray(0, end < 0 ? name.length : end));
    const flags = this.get(WDIOC_GETBOOTSTATUS);
    const known = deviceFacts(this.path);
    return {
      ok: true,
      value: { ...known, identity, bootCause: flags === null ? known.bootCause : bootCauseOf(flags) },
    };
  }

  setTimeout(seconds: number): DeviceResult<number> {
    if (this.fd === null) return { ok: false, problem: feedProblem(this.path, "EBADF") };
    if ((this.options & WDIOF_SETTIMEOUT) !== 0) {
      const set = ioctl(this.fd, WDIOC_SETTIMEOUT, new Int32Array([seconds]));
      // A refusal leaves the timeout as it is, which may do.
      if (!set.ok && (this.timeoutS() ?? Infinity) > seconds) {
        return { ok: false, problem: timeoutProblem(this.path, seconds, set.name) };
      }
    }
    const actual = this.timeoutS();
    return actual === null ? { ok: false, problem: unknownTimeout(this.path) } : { ok: true, value: actual };
  }

  feed(): DeviceResult<null> {
    try {
      if (this.fd !== null) writeSync(this.fd, "1");
      return { ok: true, value: null };
    } catch (error) {
      return { ok: false, problem: feedProblem(this.path, codeOf(error)) };
    }
  }

  stop(): void {
    const { fd } = this;
    if (fd === null) return;
    if (fd === this.keptFd && this.command(fd, WDIOS_DISABLECARD).ok) {
      this.resting = true;
      this.fd = null;
      return;
    }
    try {
      writeSync(fd, "V");
    } catch (error) {
      codeOf(error); // the device is gone, and with it what there was to stop
    }
    this.keptFd = null;
    this.close(fd);
  }

  abandon(): void {
    if (this.fd === this.keptFd) this.fd = null;
    else if (this.fd !== null) this.close(this.fd);
  }

  timeLeftS(): number | null {
    if (this.fd === null || !this.tellsTimeLeft) return null;
    const left = this.get(WDIOC_GETTIMELEFT);
    // Many drivers don't (EOPNOTSUPP): asked once, not at every status.
    this.tellsTimeLeft = left !== null;
    return left;
  }

  private take(): DeviceResult<number> {
    const fd = this.keptFd;
    if (fd === null) {
      const opened = openDevice(this.path, this.user);
      return opened.ok || this.keptProblem === null ? opened : { ok: false, problem: this.keptProblem };
    }
    const started = this.resting ? this.command(fd, WDIOS_ENABLECARD) : null;
    if (started?.ok === false) {
      return { ok: false, problem: openProblem(this.path, started.name, this.user) };
    }
    this.resting = false;
    return { ok: true, value: fd };
  }

  private close(fd: number): void {
    this.fd = null;
    try {
      closeSync(fd);
    } catch (error) {
      codeOf(error); // an error of the device: there is nothing left to give back
    }
  }

  private command(fd: number, option: number): SysResult {
    return ioctl(fd, WDIOC_SETOPTIONS, new Int32Array([option]));
  }

  private timeoutS(): number | null {
    const seconds = this.get(WDIOC_GETTIMEOUT) ?? 0;
    return seconds > 0 ? seconds : sysfsTimeoutS(this.path);
  }

  private get(request: number): number | null {
    const value = new Int32Array(1);
    return this.fd !== null && ioctl(this.fd, request, value).ok ? value[0]! : null;
  }
}
