/** The calls of the kernel's watchdog interface (linux/watchdog.h). A driver may refuse any of them. */
import { ioctl, type SysResult } from "../lib/ffi.ts";

const GETSUPPORT = 0x80285700;
const GETBOOTSTATUS = 0x80045702;
const SETOPTIONS = 0x80045704;
const SETTIMEOUT = 0xc0045706;
const GETTIMEOUT = 0x80045707;
const GETTIMELEFT = 0x8004570a;

const OPTION_SETTIMEOUT = 0x80;
const DISABLECARD = 1;
const ENABLECARD = 2;

/** struct watchdog_info: options, firmware version, identity[32]. */
const INFO_BYTES = 40;
const IDENTITY_AT = 8;

export interface WatchdogInfo {
  readonly identity: string;
  readonly takesTimeout: boolean;
}

/** null: this is no watchdog. */
export function watchdogInfo(fd: number): WatchdogInfo | null {
  const info = new Uint8Array(INFO_BYTES);
  if (!ioctl(fd, GETSUPPORT, info).ok) return null;
  const options = new DataView(info.buffer).getUint32(0, true);
  const name = info.subarray(IDENTITY_AT);
  const end = name.indexOf(0);
  return {
    identity: new TextDecoder("latin1").decode(name.subarray(0, end < 0 ? name.length : end)),
    takesTimeout: (options & OPTION_SETTIMEOUT) !== 0,
  };
}

/** Stops it without a close. */
export function stopWatchdog(fd: number): SysResult {
  return ioctl(fd, SETOPTIONS, new Int32Array([DISABLECARD]));
}

export function startWatchdog(fd: number): SysResult {
  return ioctl(fd, SETOPTIONS, new Int32Array([ENABLECARD]));
}

export function setWatchdogTimeout(fd: number, seconds: number): SysResult {
  return ioctl(fd, SETTIMEOUT, new Int32Array([seconds]));
}

export const watchdogTimeout = (fd: number): number | null => get(fd, GETTIMEOUT);
export const watchdogTimeLeft = (fd: number): number | null => get(fd, GETTIMELEFT);
/** WDIOF_* flags. */
export const watchdogBootStatus = (fd: number): number | null => get(fd, GETBOOTSTATUS);

function get(fd: number, request: number): number | null {
  const value = new Int32Array(1);
  return ioctl(fd, request, value).ok ? value[0]! : null;
}
