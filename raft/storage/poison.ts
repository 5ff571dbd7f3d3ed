/**
 * A mark in memory-backed storage that a write to a log failed. After a failed fdatasync the kernel may call
 * the lost pages clean: reading them back shows what is not on the disk. A reboot ends that, and with it the
 * mark.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { StorageError } from "./storage_error.ts";

/** Directory that is memory-backed on every Linux: files there do not outlive the boot. */
export const VOLATILE_DIRECTORY = "/dev/shm";

function pathOf(directory: string, instance: string): string {
  const name = createHash("sha256").update(instance).digest("hex").slice(0, 24);
  return join(directory, `raft-log-${name}.failed`);
}

/**
 * Leaves the mark for the log directory with this instance id. Never throws, because the first error is the
 * one to report.
 */
export function markPoisoned(directory: string, instance: string, reason: string): void {
  try {
    fs.writeFileSync(pathOf(directory, instance), `${bootId()}\n${reason}\n`, { flag: "wx", mode: 0o600 });
  } catch (cause) {
    // Without memory-backed storage, or with a mark in place already, there is nothing better to do.
    void cause;
  }
}

/** Failure since the host was booted, or null. */
export function poisonOf(directory: string, instance: string): string | null {
  const path = pathOf(directory, instance);
  if (!fs.existsSync(path) || fs.statSync(path).uid !== process.getuid?.()) return null;
  const [boot, reason] = fs.readFileSync(path, "utf8").split("\n");
  if (boot === bootId()) return reason ?? "";
  fs.unlinkSync(path);
  return null;
}

/** Throws StorageError when a write has failed. `orElse`: what may be done instead of a reboot. */
export function refusePoisoned(directory: string, instance: string, volatile: string, orElse = ""): void {
  const reason = poisonOf(volatile, instance);
  if (reason === null) return;
  throw new StorageError(
    "poisoned",
    `a write to the raft log in ${directory} has failed since this host was booted: ${reason}. What can be read ` +
      `from it now may not be what is on the disk. Way out: check the disk, then reboot the host${orElse}`,
  );
}

function bootId(): string {
  const path = "/proc/sys/kernel/random/boot_id";
  return fs.existsSync(path) ? fs.readFileSync(path, "utf8").trim() : "";
}
