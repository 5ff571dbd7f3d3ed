/**
 * Tells of slots that keep much WAL: PostgreSQL keeps it, up to max_slot_wal_keep_size, and says nothing.
 * Only the owner of a slot can say whether it is still wanted. So the agent drops none of a user's on a
 * primary, and none that ignore_slots names. It says which slot keeps how much, once and with each doubling.
 * Pure.
 */

export interface HeldSlot {
  readonly name: string;
  /** Somebody is connected to it. */
  readonly active: boolean;
  readonly heldBytes: number;
}

const GIB = 2 ** 30;

export class HeldWal {
  /** The amount from which each slot is worth the next line. */
  readonly #nextBytes = new Map<string, number>();

  /** Lines for the log, from all slots that there are. */
  note(slots: readonly HeldSlot[]): string[] {
    const names = new Set(slots.map(({ name }) => name));
    for (const name of this.#nextBytes.keys()) if (!names.has(name)) this.#nextBytes.delete(name);
    return slots.flatMap(({ name, active, heldBytes }) => {
      const next = this.#nextBytes.get(name) ?? GIB;
      // What has been used since is said anew when it grows again.
      if (heldBytes < GIB) this.#nextBytes.delete(name);
      if (heldBytes < next) return [];
      let doubled = next;
      while (doubled <= heldBytes) doubled *= 2;
      this.#nextBytes.set(name, doubled);
      const who = active ? "whose user is behind" : "which nobody uses";
      return [
        `replication slot ${name}, ${who}, keeps ${
          (heldBytes / GIB).toFixed(1)
        } GiB of WAL here, and more with each write. ` +
        "Drop it if it is not wanted any more (pg_drop_replication_slot); max_slot_wal_keep_size is a limit for all",
      ];
    });
  }
}
