/**
 * A log directory on a simulated disk, and the LogStorage that one life of a process has of it: the
 * production log with its segments, snapshot files and recovery, over files of which a crash keeps, loses or
 * tears what was not synced. The disk can be slow, hang, fill up, fail and rot.
 */
import { MemoryLog } from "../core/memory_log.ts";
import type { Index, Snapshot, Term } from "../core/types.ts";
import type { LogBatch, LogStorage, StoredLog } from "../node/ports.ts";
import { inlineBackend } from "../storage/inline_backend.ts";
import { type OpenedLog, openLog, readLogFiles, recoverOrThrow } from "../storage/open_wal.ts";
import { MemoryDisk } from "../storage/memory_disk.ts";
import { StorageError } from "../storage/storage_error.ts";
import { WalStorage, type WriteBackend } from "../storage/wal_storage.ts";
import type { WalWriter } from "../storage/wal_writer.ts";
import type { Prng } from "./prng.ts";
import type { SimProcess } from "./sim_host.ts";
import { Violation } from "./world.ts";

export interface DiskSettings {
  /** Of one sync; writes that ask for none take a tenth. */
  syncMeanMs: number;
  /** Share of the syncs that take up to slowMaxMs. */
  slowRate: number;
  slowMaxMs: number;
}

export const CALM_DISK: Readonly<DiskSettings> = { syncMeanMs: 1, slowRate: 0, slowMaxMs: 0 };

/** Small, so that a run goes through many segments. */
const SEGMENT_BYTES = 8 * 1024;
const BALLAST_BYTES = 16 * 1024;
/** A directory belongs to one simulated disk anyway. */
const IDENTITY = { clusterId: 1, nodeId: 1 };

/** Called as the contents change, for invariants. */
export interface DiskObserver {
  onAppend(disk: SimDisk, batch: LogBatch): void;
  onDurable(disk: SimDisk): void;
  /** While its contents can still be seen. */
  onWipe(disk: SimDisk): void;
}

export class SimDisk {
  readonly settings: DiskSettings = { ...CALM_DISK };
  readonly random: Prng;
  observer: DiskObserver | null = null;
  /** Tells this directory from the next one, after a wipe. */
  instance: number;
  /** A bit was inverted since it was last opened. */
  isRotten = false;
  #files = new MemoryDisk();
  /** The directory has held a log. */
  #begun = false;
  #image = new MemoryLog();
  /** Written and completed without a sync, in order. */
  #unsynced: LogBatch[] = [];
  /** Not completed, in order. */
  #pending: LogBatch[] = [];
  #isOpen = false;
  #hungUntilMs = 0;
  #hungSinceMs = 0;
  #failed = false;
  #wake: (() => void) | null = null;

  #process: SimProcess;

  constructor(process: SimProcess) {
    this.#process = process;
    this.random = process.world.random.split(`disk ${process.name}`);
    this.instance = 1 + this.random.bits();
  }

  /** It is in another machine from now on, which boots with it. While no process has it open. */
  moveTo(process: SimProcess): void {
    this.#process = process;
  }

  /** What would be found after the loss of everything that is not durable. */
  get durable(): MemoryLog {
    return this.#image;
  }

  /**
   * Term of an entry as the running process sees its own log; null: not there. 0 up to the snapshot's index.
   */
  termAt(index: Index): Term | null {
    for (const batches of [this.#pending, this.#unsynced]) {
      for (let i = batches.length - 1; i >= 0; i--) {
        const term = termInBatch(batches[i]!, index);
        if (term !== undefined) return term;
      }
    }
    return index < this.#image.firstIndex ? 0 : this.#image.term(index);
  }

  /** A log that begins with this snapshot. */
  install(snapshot: Snapshot): void {
    const hardState = { term: snapshot.term, vote: 0, commit: snapshot.index };
    const { log } = this.#open(inlineBackend);
    log.append({ hardState, entries: [], snapshot, sync: true }, (error) => {
      if (error) throw error;
    });
    log.close();
    this.#image = new MemoryLog(this.read());
  }

  /** Nothing completes for that long. */
  hang(durationMs: number): void {
    if (this.hungForMs === 0) this.#hungSinceMs = this.#process.world.now();
    this.#hungUntilMs = Math.max(this.#hungUntilMs, this.#process.world.now() + durationMs);
  }

  /** How long nothing has completed for a hang; 0: it does not hang. */
  get hungForMs(): number {
    const nowMs = this.#process.world.now();
    return nowMs < this.#hungUntilMs ? nowMs - this.#hungSinceMs : 0;
  }

  /** The end of a hang, before its time. */
  resume(): void {
    this.#hungUntilMs = 0;
    this.#wake?.();
  }

  /** While it is open: one of the next operations on files fails, a write perhaps in the middle. */
  failSoon(): void {
    if (this.#isOpen) this.#fail();
  }

  /** The same while it is opened the next time. */
  failOpening(): void {
    if (!this.#isOpen) this.#fail();
  }

  /** From now on there is hardly any room. */
  fill(): void {
    this.#files.capacityBytes = this.#files.usedBytes() + this.random.below(BALLAST_BYTES);
  }

  /** There is room again. */
  makeRoom(): void {
    this.#files.capacityBytes = Infinity;
  }

  /** The process ended. Of what was not synced some survives when the host went as well, sector by sector. */
  crash(hostGone: boolean): void {
    // After a failed write a log is not opened again before the next boot (poison.ts), which empties the page
    // cache.
    const booted = hostGone || this.#failed;
    this.#isOpen = false;
    this.#unsynced = [];
    this.#pending = [];
    this.#failed = false;
    this.#wake = null;
    this.#files.failAt = null;
    if (!booted) return;
    this.#files.crash(this.random.unit);
    // It may be unreadable, which shows when it is opened.
    if (this.isRotten) return;
    this.#image = new MemoryLog(this.read());
    this.observer?.onDurable(this);
  }

  /**
   * A bit of a file is inverted, while nobody uses it. The log has to be refused, unless the bit means
   * nothing.
   */
  rot(): void {
    const { random } = this;
    const files = this.#files;
    const name = random.pick(files.list());
    const bytes = files.read(name);
    const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
    const within = used > 0 && random.chance(0.8) ? used : bytes.length;
    if (within === 0) return;
    files.flip(name, random.below(within * 8));
    this.isRotten = true;
  }

  /** The directory is lost with everything in it. */
  wipe(): void {
    this.observer?.onWipe(this);
    this.#files = new MemoryDisk();
    this.#begun = false;
    this.isRotten = false;
    this.#failed = false;
    this.#image = new MemoryLog();
    this.instance = 1 + this.random.bits();
    this.crash(false);
  }

  /** What the files hold, read as `agent recover` reads them. */
  read(): StoredLog {
    const { name } = this.#process;
    return this.#readable(() => recoverOrThrow(readLogFiles(this.#files), IDENTITY, this.#begun, name))
      .stored;
  }

  /** Throws StorageError: the log is damaged, which only rot may do, or there is no room to open it. */
  storage(): LogStorage {
    const process = this.#process;
    const life = process.incarnation;
    const { stored, log } = this.#open((writer) =>
      inlineBackend(writer, (finish) => this.#later(life, finish))
    );
    const found = new MemoryLog(stored);
    if (this.isRotten && !found.equals(this.#image)) {
      throw new Violation("rot is refused or means nothing", `${process.name} opens another log than it had`);
    }
    this.isRotten = false;
    this.#isOpen = true;
    this.#image = found;
    this.observer?.onDurable(this);
    return {
      load: () => log.load(),
      append: (batch, done) => {
        this.observer?.onAppend(this, batch);
        this.#pending.push(batch);
        log.append(batch, (error) => {
          if (error) this.#failed = true;
          else this.#complete(batch);
          done(error);
        });
      },
      compact: (index) => {
        const { snapshot } = this.#image;
        if (snapshot === null || snapshot.index < index) {
          throw new Error(`compact ${index} without a durable snapshot of it`);
        }
        log.compact(index);
      },
      oldestPendingMs: () => log.oldestPendingMs(),
      shortOfSpace: () => log.shortOfSpace(),
      close: () => log.close(),
    };
  }

  #open(backendOf: (writer: WalWriter) => WriteBackend): { log: WalStorage; stored: StoredLog } {
    const { stored, writer } = this.#openFiles();
    this.#begun = true;
    const now = () => this.#process.host.nowMs();
    return { stored, log: new WalStorage(stored, { identity: IDENTITY, backend: backendOf(writer), now }) };
  }

  #openFiles(): OpenedLog {
    return this.#readable(() =>
      openLog(this.#files, IDENTITY, {
        segmentBytes: SEGMENT_BYTES,
        ballastBytes: BALLAST_BYTES,
        logExpected: this.#begun,
        where: this.#process.name,
        onFailure: () => this.#failed = true,
      })
    );
  }

  /** What a crash leaves can be read: only rot may be refused. */
  #readable<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (this.isRotten || !(error instanceof StorageError) || !["damaged", "version"].includes(error.code)) {
        throw error;
      }
      throw new Violation("a crash leaves a log that can be read", error.message);
    }
  }

  /** Runs the end of a write, its sync, when the disk has got that far. */
  #later(life: number, finish: () => void): void {
    const { settings, random } = this;
    const process = this.#process;
    const { world } = process;
    const sync = this.#pending.some((batch) => batch.sync);
    let tookMs = 0.03 + random.exponential(sync ? settings.syncMeanMs : settings.syncMeanMs / 10);
    if (sync && random.chance(settings.slowRate)) tookMs += random.between(0, settings.slowMaxMs);
    const end = () => {
      if (life !== process.incarnation || !process.alive) return;
      if (world.now() < this.#hungUntilMs) {
        const event = world.after(this.#hungUntilMs - world.now(), end);
        this.#wake = () => {
          event.cancel();
          end();
        };
        return;
      }
      this.#wake = null;
      process.deliver(life, finish);
    };
    world.after(tookMs, end);
  }

  /** For want of room it is tried again where that makes sense. */
  #fail(): void {
    const { random } = this;
    const files = this.#files;
    const fault = random.pick(["EIO", "EIO", "short", "ENOSPC"] as const);
    files.failAt = { operation: files.operations + 1 + random.below(4), fault };
  }

  #complete(batch: LogBatch): void {
    this.#pending.shift();
    this.#unsynced.push(batch);
    if (!batch.sync) return;
    for (const written of this.#unsynced) this.#image.apply(written);
    this.#unsynced = [];
    this.observer?.onDurable(this);
  }
}

/** undefined: the batch says nothing of that index. */
function termInBatch(batch: LogBatch, index: Index): Term | null | undefined {
  const last = batch.entries[batch.entries.length - 1];
  const first = batch.entries[0];
  if (first !== undefined && last !== undefined && index >= first.index) {
    return index > last.index ? null : batch.entries[index - first.index]!.term;
  }
  if (batch.snapshot !== null && index <= batch.snapshot.index) return 0;
  return undefined;
}
