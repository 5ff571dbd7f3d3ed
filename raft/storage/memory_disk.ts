/**
 * The Disk's simulated twin: a disk with a write cache, which crashes, fails and rots on request.
 * Deterministic: what a crash keeps is drawn from the given random source.
 */
import type { Disk, DiskFile } from "./disk.ts";
import { SECTOR_BYTES } from "./wal_format.ts";

export type DiskFault = "EIO" | "ENOSPC" | "short" | "crash";

interface PendingWrite {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A file's two contents: what programs read, and what is on the medium. */
class SimFile {
  visible = new Uint8Array(0);
  durable = new Uint8Array(0);
  pending: PendingWrite[] = [];

  write({ offset, bytes }: PendingWrite): void {
    this.visible = overlay(this.visible, offset, bytes);
    this.pending.push({ offset, bytes: bytes.slice() });
  }

  sync(): void {
    for (const { offset, bytes } of this.pending) this.durable = overlay(this.durable, offset, bytes);
    this.pending = [];
  }

  /**
   * Powers off. All unsynced writes are lost, or all kept, or each sector shows the state after some of them.
   * A sector never shows a later write without an earlier one, since the cache holds one image of it.
   */
  crash(random: () => number): void {
    const fate = random();
    const keepUpTo = new Map<number, number>();
    for (const [i, { offset, bytes }] of this.pending.entries()) {
      for (let from = 0; from < bytes.length;) {
        const sector = Math.floor((offset + from) / SECTOR_BYTES);
        const to = Math.min(bytes.length, (sector + 1) * SECTOR_BYTES - offset);
        if (!keepUpTo.has(sector)) {
          const keep = fate < 0.2 ? 0 : fate < 0.4 ? 1 : random();
          keepUpTo.set(sector, Math.round(keep * this.pending.length));
        }
        if (i < keepUpTo.get(sector)!) {
          this.durable = overlay(this.durable, offset + from, bytes.subarray(from, to));
        }
        from = to;
      }
    }
    this.pending = [];
    this.visible = this.durable.slice();
  }
}

function overlay(
  target: Uint8Array<ArrayBuffer>,
  offset: number,
  bytes: Uint8Array,
): Uint8Array<ArrayBuffer> {
  let result = target;
  if (offset + bytes.length > target.length) {
    result = new Uint8Array(offset + bytes.length);
    result.set(target);
  }
  result.set(bytes, offset);
  return result;
}

function failure(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: simulated ${what}`), { code });
}

export class MemoryDisk implements Disk {
  /** Number of operations so far that change something. `failAt` refers to it. */
  operations = 0;
  /** Largest total size of all files; their existing bytes can always be overwritten. */
  capacityBytes = Infinity;
  /** Number (from 1) of the operation that meets the fault; a "crash" stops everything after it, too. */
  failAt: { readonly operation: number; readonly fault: DiskFault } | null = null;
  #names = new Map<string, SimFile>();
  /** Directory states since the last sync of the directory, oldest first; the first is durable. */
  #history: Map<string, SimFile>[] = [new Map()];
  #off = false;

  /** Powers off and on: `random` decides which unsynced changes survive. */
  crash(random: () => number): void {
    const survives = this.#history[Math.floor(random() * this.#history.length)] ?? this.#names;
    this.#names = new Map(survives);
    this.#history = [new Map(this.#names)];
    for (const file of this.#names.values()) file.crash(random);
    this.#off = false;
    this.failAt = null;
  }

  /** Inverts one bit of a file, on the medium and in the cache. */
  flip(name: string, bit: number): void {
    const file = this.#file(name);
    for (const bytes of [file.visible, file.durable]) bytes[bit >> 3]! ^= 1 << (bit & 7);
  }

  /** Truncates a file, as a broken filesystem does. */
  truncate(name: string, bytes: number): void {
    const file = this.#file(name);
    file.visible = file.visible.slice(0, bytes);
    file.durable = file.durable.slice(0, bytes);
  }

  /** Returns another disk with the same durable contents. */
  copy(): MemoryDisk {
    const other = new MemoryDisk();
    for (const [name, file] of this.#names) {
      const twin = new SimFile();
      twin.visible = file.visible.slice();
      twin.durable = file.durable.slice();
      twin.pending = [...file.pending];
      other.#names.set(name, twin);
    }
    other.#history = [new Map(other.#names)];
    return other;
  }

  list(): string[] {
    this.#assertOn();
    return [...this.#names.keys()];
  }

  read(name: string): Uint8Array {
    this.#assertOn();
    return this.#file(name).visible.slice();
  }

  create(name: string): DiskFile {
    this.#change(null);
    const file = new SimFile();
    this.#names.set(name, file);
    this.#history.push(new Map(this.#names));
    return this.#handle(file);
  }

  open(name: string): DiskFile {
    this.#assertOn();
    return this.#handle(this.#file(name));
  }

  rename(from: string, to: string): void {
    const file = this.#file(from);
    this.#change(null);
    this.#names.delete(from);
    this.#names.set(to, file);
    this.#history.push(new Map(this.#names));
  }

  remove(name: string): void {
    this.#file(name);
    this.#change(null);
    this.#names.delete(name);
    this.#history.push(new Map(this.#names));
  }

  syncDirectory(): void {
    this.#change(null);
    this.#history = [new Map(this.#names)];
  }

  freeBytes(): number {
    this.#assertOn();
    return Math.max(0, this.capacityBytes - this.usedBytes());
  }

  usedBytes(): number {
    let used = 0;
    for (const file of this.#names.values()) used += file.visible.length;
    return used;
  }

  #handle(file: SimFile): DiskFile {
    return {
      write: (bytes, offset) => {
        this.#change(() => file.write({ offset, bytes: bytes.subarray(0, bytes.length >> 1) }));
        const room = file.visible.length + this.freeBytes() - offset;
        if (room < bytes.length) {
          // As on a real disk, what fits is written.
          if (room > 0) file.write({ offset, bytes: bytes.subarray(0, room) });
          throw failure("ENOSPC", "full");
        }
        file.write({ offset, bytes });
      },
      datasync: () => {
        // A failed sync forgets what it was to write: later ones succeed without it. A crash decides by
        // itself.
        this.#change((fault) => {
          if (fault !== "crash") file.pending = [];
        });
        file.sync();
      },
      close: () => {},
    };
  }

  /** Counts a change and makes it fail if a fault is due; `partly` is what still happens. */
  #change(partly: ((fault: DiskFault) => void) | null): void {
    this.#assertOn();
    this.operations++;
    if (this.failAt?.operation !== this.operations) return;
    const { fault } = this.failAt;
    if (fault !== "ENOSPC") partly?.(fault);
    if (fault === "crash") this.#off = true;
    throw failure(fault === "short" ? "EIO" : fault, fault);
  }

  #file(name: string): SimFile {
    const file = this.#names.get(name);
    if (!file) throw Object.assign(new Error(`ENOENT: ${name}`), { code: "ENOENT" });
    return file;
  }

  #assertOn(): void {
    if (this.#off) throw Object.assign(new Error("EIO: the simulated host is off"), { code: "EIO" });
  }
}
