/**
 * A log directory on a simulated disk, and the LogStorage that one life of a process has of it. What is durable, what
 * was written but not synced, and what has not been written yet are kept apart: a crash loses, keeps or tears the last
 * two. Can be slow, hang, and fail for good.
 */
import type { Index, Snapshot, Term } from "../core/types.ts";
import type { LogBatch, LogStorage, StoredLog } from "../node/ports.ts";
import { LogImage } from "./log_image.ts";
import type { Prng } from "./prng.ts";
import type { SimProcess } from "./sim_host.ts";

export interface DiskSettings {
  /** Of one sync; writes that ask for none take a tenth. */
  syncMeanMs: number;
  /** Share of the syncs that take up to slowMaxMs. */
  slowRate: number;
  slowMaxMs: number;
}

export const CALM_DISK: Readonly<DiskSettings> = { syncMeanMs: 1, slowRate: 0, slowMaxMs: 0 };

/** Called as the contents change, for invariants. */
export interface DiskObserver {
  onAppend(disk: SimDisk, batch: LogBatch): void;
  onDurable(disk: SimDisk): void;
}

interface Pending {
  readonly batch: LogBatch;
  readonly sinceMs: number;
  readonly done: (error: Error | null) => void;
}

export class SimDisk {
  readonly settings: DiskSettings = { ...CALM_DISK };
  readonly random: Prng;
  observer: DiskObserver | null = null;
  /** There is hardly any room: the member has to step aside. */
  full = false;
  /** Tells this directory from the next one, after a wipe. */
  instance: number;
  private image = new LogImage();
  /** Written and completed without a sync, in order. */
  private unsynced: LogBatch[] = [];
  private pending: Pending[] = [];
  private busy = false;
  private hungUntilMs = 0;
  private failing = false;
  private wake: (() => void) | null = null;

  constructor(private readonly process: SimProcess) {
    this.random = process.world.random.split(`disk ${process.name}`);
    this.instance = 1 + this.random.bits();
  }

  /** What would be found after the loss of everything that is not durable. */
  get durable(): LogImage {
    return this.image;
  }

  /** Term of an entry as the running process sees its own log; null: not there. 0 up to the snapshot's index. */
  termAt(index: Index): Term | null {
    for (let i = this.pending.length - 1; i >= 0; i--) {
      const term = termInBatch(this.pending[i]!.batch, index);
      if (term !== undefined) return term;
    }
    for (let i = this.unsynced.length - 1; i >= 0; i--) {
      const term = termInBatch(this.unsynced[i]!, index);
      if (term !== undefined) return term;
    }
    return this.image.termAt(index);
  }

  /** A log that begins with this snapshot. */
  install(snapshot: Snapshot): void {
    const hardState = { term: snapshot.term, vote: 0, commit: snapshot.index };
    this.image.apply({ hardState, entries: [], snapshot, sync: true });
  }

  /** Nothing completes for that long. */
  hang(durationMs: number): void {
    this.hungUntilMs = Math.max(this.hungUntilMs, this.process.world.now() + durationMs);
  }

  /** The end of a hang, before its time. */
  resume(): void {
    this.hungUntilMs = 0;
    this.wake?.();
  }

  /** The next sync fails, and with it the life of the process that asked. */
  failNextSync(): void {
    this.failing = true;
  }

  /** The process ended: of what it had not synced, a prefix survives, and the batch after it perhaps in part. */
  crash(hostGone: boolean): void {
    const random = this.random;
    const inDoubt = this.pending.map((item) => item.batch);
    if (hostGone) inDoubt.unshift(...this.unsynced);
    else for (const batch of this.unsynced) this.image.apply(batch);
    this.unsynced = [];
    this.pending = [];
    this.busy = false;
    this.failing = false;
    this.wake = null;
    const kept = random.below(inDoubt.length + 1);
    for (let i = 0; i < kept; i++) this.image.apply(inDoubt[i]!);
    const torn = inDoubt[kept];
    if (torn !== undefined && random.chance(0.3)) this.image.applyTorn(torn, random);
    this.observer?.onDurable(this);
  }

  /** The directory is lost with everything in it. */
  wipe(): void {
    this.crash(true);
    this.image = new LogImage();
    this.instance = 1 + this.random.bits();
  }

  storage(): LogStorage {
    const { process } = this;
    const incarnation = process.incarnation;
    let open = true;
    return {
      load: (): StoredLog => this.image.load(),
      append: (batch, done) => {
        if (!open) throw new Error("append to a log that was closed");
        this.observer?.onAppend(this, batch);
        this.pending.push({
          batch,
          sinceMs: process.host.nowMs(),
          done: (error) => process.deliver(incarnation, () => done(error)),
        });
        this.work(incarnation);
      },
      compact: (index) => {
        const snapshot = this.image.snapshot;
        if (snapshot === null || snapshot.index < index) {
          throw new Error(`compact ${index} without a durable snapshot of it`);
        }
      },
      oldestPendingMs: () => {
        const oldest = this.pending[0];
        return oldest === undefined ? 0 : process.host.nowMs() - oldest.sinceMs;
      },
      shortOfSpace: () => this.full ? "the simulated disk is full" : null,
      close: () => {
        open = false;
      },
    };
  }

  private work(incarnation: number): void {
    const next = this.pending[0];
    if (this.busy || next === undefined) return;
    this.busy = true;
    const { settings, random, process } = this;
    let tookMs = 0.03 + random.exponential(next.batch.sync ? settings.syncMeanMs : settings.syncMeanMs / 10);
    if (next.batch.sync && random.chance(settings.slowRate)) tookMs += random.between(0, settings.slowMaxMs);
    const { world } = process;
    const finish = () => {
      if (incarnation !== process.incarnation || !process.alive) return;
      if (world.now() < this.hungUntilMs) {
        const event = world.after(this.hungUntilMs - world.now(), finish);
        this.wake = () => {
          event.cancel();
          finish();
        };
        return;
      }
      this.wake = null;
      this.busy = false;
      if (this.failing) {
        // What was in flight may be on disk or not; the process must end, and crash() decides.
        this.failing = false;
        next.done(new Error("EIO: the disk failed"));
        return;
      }
      this.pending.shift();
      this.complete(next.batch);
      next.done(null);
      this.work(incarnation);
    };
    world.after(tookMs, finish);
  }

  private complete(batch: LogBatch): void {
    this.unsynced.push(batch);
    if (!batch.sync) return;
    for (const written of this.unsynced) this.image.apply(written);
    this.unsynced = [];
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
