/**
 * Synchronous replication of one model server, as PostgreSQL does it: a commit waits if the checkpointer has
 * said so, and a WAL sender that hears from its standby lets those go that enough standbys have flushed, by
 * the setting that this sender has read. All of these read a new setting at moments of their own.
 */
import type { Prng, World } from "../../raft/sim/mod.ts";
import { NO_SYNC, type SyncSetting } from "../model/sync_setting.ts";

/** Slower than PostgreSQL's processes are in general: a reload is noticed between two pieces of work. */
const CHECKPOINTER_MS = 60;
const SENDER_MS = 400;

interface Sender {
  setting: SyncSetting;
  flushedLsn: number;
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
    this.#senders.clear();
  }

  reload(setting: SyncSetting): void {
    const generation = ++this.#generation;
    this.setting = setting;
    this.isSettled = false;
    const later = (limitMs: number, run: () => void) =>
      this.#world.after(
        this.#random.exponential(limitMs / 4),
        () => generation === this.#generation && run(),
      );
    later(CHECKPOINTER_MS, () => {
      this.waits = setting.count > 0;
      this.isSettled = true;
      if (!this.waits) this.#release(null);
    });
    for (const sender of this.#senders.values()) {
      later(SENDER_MS, () => {
        sender.setting = setting;
      });
    }
  }

  connected(standby: string): void {
    this.#senders.set(standby, { setting: this.setting, flushedLsn: 0 });
  }

  /** Its sender ends when it notices. */
  disconnected(standby: string): void {
    const sender = this.#senders.get(standby);
    this.#world.after(this.#random.between(0, 30), () => {
      if (this.#senders.get(standby) === sender) this.#senders.delete(standby);
    });
  }

  /** A standby's answer arrives. It may have been sent before the connection ended. */
  answered(standby: string, lsn: number): void {
    const sender = this.#senders.get(standby);
    if (sender === undefined) return;
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
