/**
 * A log directory on a simulated disk, and the LogStorage of one life of a process on it: the production log
 * with its segments, snapshot files and recovery. A crash keeps, loses or tears the unsynced parts of its
 * files. The disk can be slow, hang, fill up, fail and rot.
 */
import { MemoryStoredLog } from "../core/memory_log.ts";
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
  /** Mean time of a sync; writes that ask for none take a tenth. */
  syncMeanMs: number;
  /** Share of the syncs that take up to slowMaxMs. */
  slowRate: number;
  slowMaxMs: number;
}

export const CALM_DISK: Readonly<DiskSettings> = { syncMeanMs: 1, slowRate: 0, slowMaxMs: 0 };

/** Size of segments: small, so that a run goes through many of them. */
const SEGMENT_BYTES = 8 * 1024;
const BALLAST_BYTES = 16 * 1024;
/** One identity for all, because a directory belongs to one simulated disk anyway. */
const IDENTITY = { clusterId: 1, nodeId: 1 };

/** Callbacks on changes of the contents, for invariants. */
export interface DiskObserver {
  onAppend(disk: SimDisk, batch: LogBatch): void;
  onDurable(disk: SimDisk): void;
  /** Called before a wipe, while the contents can still be seen. */
  onWipe(disk: SimDisk): void;
}

export class SimDisk {
  readonly settings: DiskSettings = { ...CALM_DISK };
  readonly random: Prng;
  observer: DiskObserver | null = null;
  /** Distinguishes this directory from the next one, after a wipe. */
  instance: number;
  /** Whether a bit was inverted since the log was last opened. */
  isRotten = false;
  #files = new MemoryDisk();
  /** Whether the directory has held a log. */
  #begun = false;
  #image = new MemoryStoredLog();
  /** Batches written and completed without a sync, in order. */
  #unsynced: LogBatch[] = [];
  /** Batches not completed, in order. */
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

  /** Moves the disk to another machine, which boots with it. Allowed while no process has it open. */
  moveTo(process: SimProcess): void {
    this.#process = process;
  }

  /** Log that would be left after the loss of everything that is not durable. */
  get durable(): MemoryStoredLog {
    return this.#image;
  }

  /**
   * Term of an entry in the running process's view of its log; null: not there. 0 up to the snapshot's index.
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

  /** Installs a log that begins with this snapshot. */
  install(snapshot: Snapshot): void {
    const hardState = { term: snapshot.term, vote: 0, commit: snapshot.index };
    const { log } = this.#open(inlineBackend);
    log.append({ hardState, entries: [], snapshot, sync: true }, (error) => {
      if (error) throw error;
    });
    log.close();
    this.#image = new MemoryStoredLog(this.read());
  }

  /** Hangs the disk: nothing completes for `durationMs`. */
  hang(durationMs: number): void {
    if (this.hungForMs === 0) this.#hungSinceMs = this.#process.world.now();
    this.#hungUntilMs = Math.max(this.#hungUntilMs, this.#process.world.now() + durationMs);
  }

  /** Time for which the disk has hung; 0: it does not hang. */
  get hungForMs(): number {
    const nowMs = this.#process.world.now();
    return nowMs < this.#hungUntilMs ? nowMs - this.#hungSinceMs : 0;
  }

  /** Ends a hang before its time. */
  resume(): void {
    this.#hungUntilMs = 0;
    this.#wake?.();
  }

  /** Makes one of the next operations on the open log's files fail, a write perhaps in the middle. */
  failSoon(): void {
    if (this.#isOpen) this.#fail();
  }

  /** Makes an operation fail when the log is opened the next time. */
  failOpening(): void {
    if (!this.#isOpen) this.#fail();
  }

  /** Fills the disk: there is hardly any room from now on. */
  fill(): void {
    this.#files.capacityBytes = this.#files.usedBytes() + this.random.below(BALLAST_BYTES);
  }

  /** Makes room again. */
  makeRoom(): void {
    this.#files.capacityBytes = Infinity;
  }

  /** Ends the process. When the host went as well, some of the unsynced data survives, sector by sector. */
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
    // The log may be unreadable, which shows when it is opened.
    if (this.isRotten) return;
    this.#image = new MemoryStoredLog(this.read());
    this.observer?.onDurable(this);
  }

  /**
   * Inverts a bit of a file while no process uses it. The log has to be refused, unless the bit has no
   * meaning.
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

  /** Loses the directory with everything in it. */
  wipe(): void {
    this.observer?.onWipe(this);
    this.#files = new MemoryDisk();
    this.#begun = false;
    this.isRotten = false;
    this.#failed = false;
    this.#image = new MemoryStoredLog();
    this.instance = 1 + this.random.bits();
    this.crash(false);
  }

  /** Contents of the files, read as `agent recover` reads them. */
  read(): StoredLog {
    const { name } = this.#process;
    return this.#readable(() => recoverOrThrow(readLogFiles(this.#files), IDENTITY, this.#begun, name))
      .stored;
  }

  /**
   * Opens the log. Throws StorageError: it is damaged, which only rot may do, or there is no room to open it.
   */
  storage(): LogStorage {
    const process = this.#process;
    const life = process.incarnation;
    const { stored, log } = this.#open((writer) =>
      inlineBackend(writer, (finish) => this.#later(life, finish))
    );
    const found = new MemoryStoredLog(stored);
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

  /** Runs `work`, and checks that only rot is refused: a log after a crash can be read. */
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

  /** Runs the end of a write, its sync, when the disk has reached it. */
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

  /** Fails an operation, which is retried for lack of room where that makes sense. */
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

/** Term in a batch; undefined: the batch says nothing of that index. */
function termInBatch(batch: LogBatch, index: Index): Term | null | undefined {
  const last = batch.entries[batch.entries.length - 1];
  const first = batch.entries[0];
  if (first !== undefined && last !== undefined && index >= first.index) {
    return index > last.index ? null : batch.entries[index - first.index]!.term;
  }
  if (batch.snapshot !== null && index <= batch.snapshot.index) return 0;
  return undefined;
}
