/** The place of the guard's socket on disk. */
import { chmodSync, closeSync, mkdirSync, openSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { lockFile } from "../lib/ffi.ts";

/** The directory of the socket, this guard's alone; null when another guard holds it. */
export function prepareDirectory(socketPath: string): number | null {
  const dir = dirname(socketPath);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  chmodSync(dir, 0o700);
  const fd = openSync(join(dir, "guard.lock"), "w", 0o600);
  if (lockFile(fd).ok) return fd;
  closeSync(fd);
  return null;
}

export function removeStale(socketPath: string): void {
  try {
    unlinkSync(socketPath);
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") throw error;
  }
}
