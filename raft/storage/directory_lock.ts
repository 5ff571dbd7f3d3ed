/**
 * Allows one process per log directory, by flock(2): the kernel gives up the lock when the process ends,
 * however it ends. The runtime opens the descriptor and sets O_CLOEXEC: a child process that outlives this
 * one must not keep the directory locked.
 */
import * as fs from "node:fs";
import { libc } from "./libc.ts";
import { StorageError } from "./storage_error.ts";

const LOCK_EXCLUSIVE = 2;
const LOCK_NONBLOCKING = 4;

/**
 * Locks the file, and creates it if needed; returns a function that unlocks it. Throws StorageError "locked".
 */
export function lockFile(path: string): () => void {
  const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
  if (libc().flock(fd, LOCK_EXCLUSIVE | LOCK_NONBLOCKING) !== 0) {
    const holder = fs.readFileSync(fd, "utf8").trim();
    fs.closeSync(fd);
    const who = /^\d+$/.test(holder) ? `process ${holder}` : "another process";
    throw new StorageError(
      "locked",
      `${path} is held by ${who}: only one process may use this directory at a time`,
    );
  }
  fs.ftruncateSync(fd, 0);
  fs.writeSync(fd, `${process.pid}\n`, 0);
  return () => fs.closeSync(fd);
}
