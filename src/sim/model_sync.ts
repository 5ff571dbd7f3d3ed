/**
 * Synchronous replication of one model server, as PostgreSQL does it: a commit waits if the checkpointer has
 * said so, and a WAL sender that hears from its standby lets those go that enough standbys have flushed, by
 * the setting that this sender has read. All of these read a new setting at moments of their own.
 */
import type { Prng, World } from "../../raft/sim/mod.ts";
import { NO_SYNC, type SyncSetting } from "../model/sync_setting.ts";
import { isSameSetting } from "../sync/setting.ts";

/** Slower than PostgreSQL's processes are in general: a reload is noticed between two pieces of work. */
const CHECKPOINTER_MS = 60;
const SENDER_MS = 400;
/** A process stands still between its look for a reload and its next work, so often and for so long. */
const STANDS_RATE = 0.05;
const STANDS_MS = 1500;

interface Sender {
  setting: SyncSetting;
  flushedLsn: number;
  /** The last answer that came while it stands still; null: none. */
  heardLsn: number | null;
  stands: boolean;
  isGone: boolean;
}

export class ModelSync {
  /** As the postmaster, and every process that it starts, has read it. */
  setting: SyncSetting = NO_SYNC;
  /** Commits wait. */
  waits = false;
  /** The checkpointer goes by the setting. */
  isSettled = true;
  readonly #senders = new Map<string, Sender>();
  #generation = 0;
  /** At the next reload all senders, or that of one standby, stand still for so long; 0: by chance. */
  #senderHoldMs = 0;
  #heldStandby: string | null = null;
  /** The checkpointer reads nothing before. */
  #checkpointerUntilMs = 0;

  readonly #world: World;
  readonly #random: Prng;
  /** Commits up to this position are acknowledged; null: all. */
  readonly #release: (lsn: number | null) => void;

  constructor(world: World, random: Prng, release: (lsn: number | null) => void) {
    this.#world = world;
    this.#random = random;
    this.#release = release;
  }

  /** A server starts with what its files say. */
  start(setting: SyncSetting): void {
    this.#generation++;
    this.setting = setting;
    this.waits = setting.count > 0;
    this.isSettled = true;
    this.#senderHoldMs = this.#checkpointerUntilMs = 0;
    this.#senders.clear();
  }

  reload(setting: SyncSetting): void {
    const generation = ++this.#generation;
    this.setting = setting;
    this.isSettled = false;
    const senderMs = this.#senderHoldMs;
    this.#senderHoldMs = 0;
    const readMs = this.#random.exponential(CHECKPOINTER_MS / 4);
    this.#world.after(Math.max(readMs, this.#checkpointerUntilMs - this.#world.now()), () => {
      if (generation !== this.#generation) return;
      this.waits = setting.count > 0;
      this.isSettled = true;
      if (!this.waits) this.#release(null);
    });
    for (const [standby, sender] of this.#senders) {
      if (sender.stands) continue;
      const isHeld = senderMs > 0 && (this.#heldStandby ?? standby) === standby;
      if (isHeld) this.#stand(standby, sender, senderMs);
      else if (this.#random.chance(STANDS_RATE)) {
        this.#stand(standby, sender, this.#random.exponential(STANDS_MS));
      } else {
        this.#world.after(this.#random.exponential(SENDER_MS / 4), () => {
          if (generation === this.#generation) sender.setting = setting;
        });
      }
    }
  }

  /** A fault: all senders stand still at the next reload, or that of one standby. */
  holdSenders(forMs: number, standby: string | null = null): void {
    this.#senderHoldMs = forMs;
    this.#heldStandby = standby;
  }

  /** A fault: a long checkpoint keeps the checkpointer from its files. */
  holdCheckpointer(forMs: number): void {
    this.#checkpointerUntilMs = this.#world.now() + forMs;
  }

  /** It has looked for a reload before this one. The answers that it finds later it still judges by that. */
  #stand(standby: string, sender: Sender, forMs: number): void {
    sender.stands = true;
    this.#world.after(forMs, () => {
      sender.stands = false;
      if (this.#senders.get(standby) !== sender) return;
      if (sender.heardLsn !== null) this.answered(standby, sender.heardLsn);
      sender.heardLsn = null;
      sender.setting = this.setting;
      if (sender.isGone) this.#senders.delete(standby);
    });
  }

  /** No process that may let commits go goes by another setting than the files'. */
  get areSendersFresh(): boolean {
    return [...this.#senders].every(([name, { setting }]) =>
      priorityOf(name, setting) === 0 || isSameSetting(setting, this.setting)
    );
  }

  connected(standby: string): void {
    const sender = { setting: this.setting, flushedLsn: 0, heardLsn: null, stands: false, isGone: false };
    this.#senders.set(standby, sender);
  }

  /** Its sender ends when it notices. */
  disconnected(standby: string): void {
    const sender = this.#senders.get(standby);
    if (sender === undefined) return;
    this.#world.after(this.#random.between(0, 30), () => {
      if (this.#senders.get(standby) !== sender) return;
      if (sender.stands) sender.isGone = true;
      else this.#senders.delete(standby);
    });
  }

  /** A standby's answer arrives. It may have been sent before the connection ended. */
  answered(standby: string, lsn: number): void {
    const sender = this.#senders.get(standby);
    if (sender === undefined) return;
    if (sender.stands) {
      sender.heardLsn = Math.max(sender.heardLsn ?? 0, lsn);
      return;
    }
    sender.flushedLsn = Math.max(sender.flushedLsn, lsn);
    if (!this.waits) return;
    const { method, count } = sender.setting;
    const able = [...this.#senders].flatMap(([name, each]) => {
      const priority = priorityOf(name, each.setting);
      return priority === 0 ? [] : [{ name, priority, lsn: each.flushedLsn }];
    });
    if (count === 0 || able.length < count || !able.some(({ name }) => name === standby)) return;
    const first = able.sort((a, b) =>
      method === "ANY" ? b.lsn - a.lsn : a.priority - b.priority || (a.name < b.name ? -1 : 1)
    ).slice(0, count);
    if (method === "FIRST" && !first.some(({ name }) => name === standby)) return;
    this.#release(Math.min(...first.map((one) => one.lsn)));
  }

  /** How far each standby that is connected has flushed. */
  get flushed(): { readonly [name: string]: number } {
    return Object.fromEntries([...this.#senders].map(([name, { flushedLsn }]) => [name, flushedLsn]));
  }
}

/** 0: it is no synchronous standby by that setting. */
function priorityOf(name: string, { method, names }: SyncSetting): number {
  const at = names.findIndex((one) => one === name || one === "*");
  return at < 0 ? 0 : method === "ANY" ? 1 : at + 1;
}
