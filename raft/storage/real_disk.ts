/**
 * The Disk of production: node:fs in its synchronous form only. The asynchronous form runs in a thread pool
 * that two blocked name lookups can starve, and a member whose log waits for a nameserver loses elections.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import type { Disk, DiskFile } from "./disk.ts";

class RealFile implements DiskFile {
  #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(bytes: Uint8Array, offset: number): void {
    let written = 0;
    while (written < bytes.length) {
      const count = fs.writeSync(this.#fd, bytes, written, bytes.length - written, offset + written);
      if (count <= 0) throw new Error(`short write: ${written} of ${bytes.length} bytes at ${offset}`);
      written += count;
    }
  }

  datasync(): void {
    fs.fdatasyncSync(this.#fd);
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}

/** Opens a directory, which must exist, as a Disk. */
export function realDisk(directory: string): Disk {
  const path = (name: string) => join(directory, name);
  return {
    list: () => fs.readdirSync(directory),
    read: (name) => new Uint8Array(fs.readFileSync(path(name))),
    create: (name) => new RealFile(fs.openSync(path(name), "w", 0o600)),
    open: (name) => new RealFile(fs.openSync(path(name), "r+")),
    rename: (from, to) => fs.renameSync(path(from), path(to)),
    remove: (name) => fs.unlinkSync(path(name)),
    syncDirectory: () => syncDirectory(directory),
    freeBytes: () => {
      const { bavail, bsize } = fs.statfsSync(directory);
      return bavail * bsize;
    },
  };
}

/** Makes creations, renames and removals in a directory durable. */
export function syncDirectory(directory: string): void {
  const fd = fs.openSync(directory, "r");
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
