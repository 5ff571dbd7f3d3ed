/**
 * One process per log directory, held by flock(2): the kernel gives it up when the process ends, however it ends.
 * The only file of raft/ that calls C. The descriptor is opened by the runtime, which sets O_CLOEXEC: a child
 * process that outlives this one must not keep the directory locked.
 */
import { dlopen, FFIType } from "bun:ffi";
import * as fs from "node:fs";
import { StorageError } from "./storage_error.ts";

const LOCK_EXCLUSIVE = 2;
const LOCK_NONBLOCKING = 4;

let flock: ((fd: number, operation: number) => number) | null = null;

function loadFlock(): (fd: number, operation: number) => number {
  if (flock) return flock;
  const names = process.platform === "darwin"
    ? ["libSystem.B.dylib"]
    : ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];
  let failure: unknown = null;
  for (const name of names) {
    try {
      const library = dlopen(name, { flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 } });
      flock = library.symbols.flock;
      return flock;
    } catch (cause) {
      failure = cause;
    }
  }
  throw new Error("no C library offers flock", { cause: failure });
}

/** Locks the file, creating it; returns how to unlock. Throws StorageError "locked". */
export function lockFile(path: string): () => void {
  const lock = loadFlock();
  const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
  if (lock(fd, LOCK_EXCLUSIVE | LOCK_NONBLOCKING) !== 0) {
    const holder = fs.readFileSync(fd, "utf8").trim();
    fs.closeSync(fd);
    const who = /^\d+$/.test(holder) ? `process ${holder}` : "another process";
    throw new StorageError("locked", `${path} is held by ${who}: only one may use this directory at a time`);
  }
  fs.ftruncateSync(fd, 0);
  fs.writeSync(fd, `${process.pid}\n`, 0);
  return () => fs.closeSync(fd);
}
