/**
 * Room for the log on its disk. The ballast, a file without content, occupies some. When the disk is full the
 * ballast is given up: that leaves room to hand over leadership, to take a snapshot and to delete what it
 * covers. Until the ballast is back the log is short of space, and its member steps aside.
 */
import type { Disk } from "./disk.ts";

export const BALLAST_NAME = "ballast";
const TEMPORARY = `${BALLAST_NAME}.tmp`;

/** Size of the ballast: room for the next segment and some snapshots. */
export const DEFAULT_BALLAST_BYTES = 4 * 1024 * 1024;

const ZEROS = new Uint8Array(64 * 1024);

/** The log is short of space. Plain data: it is posted between threads. */
export interface Shortage {
  readonly freeBytes: number;
  /** Whether a write waits until there is room. */
  readonly blocked: boolean;
}

/** Nothing was changed for lack of room; the same may be tried again. */
export class OutOfSpaceError extends Error {
  override readonly name = "OutOfSpaceError";
}

/** Fills a new file with `bytes` zeros, so that later writes need no room. Its name is not durable yet. */
export function writeZeros(disk: Disk, name: string, bytes: number): void {
  const file = disk.create(name);
  try {
    for (let at = 0; at < bytes; at += ZEROS.length) {
      file.write(ZEROS.subarray(0, Math.min(ZEROS.length, bytes - at)), at);
    }
    file.datasync();
  } finally {
    file.close();
  }
}

export class Space {
  #disk: Disk;
  #ballastBytes: number;
  #held: boolean;
  #short = false;

  /** `ballastBytes` 0: there is no ballast, and no shortage before the disk is full. */
  constructor(disk: Disk, ballastBytes: number) {
    this.#disk = disk;
    this.#ballastBytes = ballastBytes;
    this.#held = disk.list().includes(BALLAST_NAME);
  }

  /**
   * Runs `work`, which makes or extends files and can be repeated; gives up the ballast when there is no
   * room. `leftover` is removed after a failed attempt. Throws OutOfSpaceError when there is still no room.
   */
  within(work: () => void, leftover: string | null = null): void {
    for (;;) {
      try {
        return work();
      } catch (cause) {
        if (!isOutOfSpace(cause)) throw cause;
        if (leftover !== null) this.#removeIfThere(leftover);
        if (!this.#release()) throw new OutOfSpaceError("no space is left on the disk");
      }
    }
  }

  /** Looks how much room there is, and makes the ballast when there is plenty. Null: no shortage. */
  check(): Omit<Shortage, "blocked"> | null {
    if (this.#ballastBytes === 0) return null;
    const plentyBytes = 2 * this.#ballastBytes;
    let freeBytes = this.#disk.freeBytes();
    // The ballast takes some of the room, and ending a shortage needs more room than beginning one: nothing
    // flaps.
    if (!this.#held && freeBytes >= plentyBytes + this.#ballastBytes) {
      this.#make();
      freeBytes = this.#disk.freeBytes();
    }
    this.#short = !this.#held || freeBytes < (this.#short ? plentyBytes : this.#ballastBytes);
    return this.#short ? { freeBytes } : null;
  }

  #make(): void {
    try {
      writeZeros(this.#disk, TEMPORARY, this.#ballastBytes);
    } catch (cause) {
      if (!isOutOfSpace(cause)) throw cause;
      return this.#removeIfThere(TEMPORARY);
    }
    this.#disk.rename(TEMPORARY, BALLAST_NAME);
    this.#disk.syncDirectory();
    this.#held = true;
  }

  #removeIfThere(name: string): void {
    if (this.#disk.list().includes(name)) this.#disk.remove(name);
  }

  /** Gives up the ballast; false when there was none. */
  #release(): boolean {
    if (!this.#held) return false;
    this.#held = false;
    this.#disk.remove(BALLAST_NAME);
    // Some filesystems free blocks only when the removal is durable.
    this.#disk.syncDirectory();
    return true;
  }
}

function isOutOfSpace(cause: unknown): boolean {
  const code = (cause as { code?: unknown }).code;
  return code === "ENOSPC" || code === "EDQUOT";
}
