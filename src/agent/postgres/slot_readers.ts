/**
 * Tells of readers of the configuration's logical slots that miss changes after a promotion. A promoted
 * server without a copy of the slot makes it anew, from then on; and without synchronous mode a reader may
 * have had changes that no standby had, and will skip as much of what the new primary writes. Neither shows
 * anywhere in PostgreSQL. Pure.
 */
import { formatLsn, type Lsn } from "../../model/lsn.ts";
import type { SlotState } from "../../postgres/slot_state.ts";

export class SlotReaders {
  /** As a standby: where the primary's slots stood, as it said last. */
  readonly #ofPrimary = new Map<string, Lsn>();
  /** Slots that nobody has read since the promotion, and the end of the former timeline. */
  readonly #unread = new Map<string, Lsn>();

  /** A look as a standby. `positions`: of the primary's slots, as far as they are known. */
  asStandby(slots: readonly string[], positions: { readonly [slot: string]: Lsn }): void {
    this.#unread.clear();
    for (const name of this.#ofPrimary.keys()) if (!slots.includes(name)) this.#ofPrimary.delete(name);
    for (const name of slots) {
      if (Object.hasOwn(positions, name)) this.#ofPrimary.set(name, positions[name]!);
    }
  }

  /** The promotion waits for a look: at which slots there are, and whose first reader comes. */
  get waiting(): boolean {
    return this.#ofPrimary.size > 0 || this.#unread.size > 0;
  }

  /**
   * A look as the primary, before anything is made. Lines for the log. `beganLsn`: of this timeline; null:
   * not known yet.
   */
  asPrimary(existing: readonly SlotState[], beganLsn: Lsn | null): string[] {
    return [...this.#missing(existing, beganLsn), ...this.#firstReaders(existing)];
  }

  #missing(existing: readonly SlotState[], beganLsn: Lsn | null): string[] {
    return [...this.#ofPrimary].flatMap(([name, lsn]) => {
      if (existing.some((slot) => slot.name === name && !slot.temporary)) {
        if (beganLsn === null) return [];
        this.#unread.set(name, beganLsn);
        this.#ofPrimary.delete(name);
        return [];
      }
      this.#ofPrimary.delete(name);
      return [
        `logical replication slot ${name} was not copied to this member before its promotion, and is made anew. ` +
        `Its reader, which stood at ${formatLsn(lsn)} or later, misses what is written until then: ` +
        "its data has to be synchronised anew",
      ];
    });
  }

  #firstReaders(existing: readonly SlotState[]): string[] {
    return [...this.#unread].flatMap(([name, beganLsn]) => {
      const slot = existing.find((one) => one.name === name);
      const isUnread = slot !== undefined && !slot.active && (slot.confirmedLsn ?? 0) <= beganLsn;
      if (isUnread) return [];
      this.#unread.delete(name);
      const readFrom = slot?.readFrom ?? null;
      if (readFrom === null || readFrom <= beganLsn) return [];
      return [
        `the reader of logical replication slot ${name} had read up to ${
          formatLsn(readFrom)
        } before the failover, ` +
        `and this member goes on from ${formatLsn(beganLsn)}: it has changes that the cluster has lost, ` +
        "and may have skipped some of those written here since: its data has to be synchronised anew",
      ];
    });
  }
}
