/**
 * Imported first by every entry, for its side effect: an uncaught error or an unhandled rejection ends the
 * process at once (exit codes 70 and 71). A half-dead process that goes on ticking would keep renewing a
 * lease or feeding a watchdog.
 */
import { writeSync } from "node:fs";
import { pollNow, POLLOUT } from "./ffi.ts";

export const EXIT_UNCAUGHT = 70;
export const EXIT_UNHANDLED = 71;

function describe(reason: unknown): string {
  return reason instanceof Error ? reason.stack ?? `${reason.name}: ${reason.message}` : String(reason);
}

/** A full pipe must not keep a crashed process alive. */
function hasRoom(): boolean {
  try {
    return (pollNow(2, POLLOUT) & POLLOUT) !== 0;
  } catch {
    // Without the C library this process never had a clock: neither lease nor watchdog wait for its end, and
    // the C library may be the very reason that is to be told.
    return true;
  }
}

function die(what: string, reason: unknown, exitCode: number): never {
  try {
    if (hasRoom()) writeSync(2, `fatal: ${what}: ${describe(reason).slice(0, 4000)}\n`);
  } finally {
    process.reallyExit(exitCode);
  }
}

process.on("uncaughtException", (error) => die("uncaught exception", error, EXIT_UNCAUGHT));
process.on("unhandledRejection", (reason) => die("unhandled rejection", reason, EXIT_UNHANDLED));
