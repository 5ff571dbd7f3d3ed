/**
 * Tells whether WAL still arrives at other members: a primary that has shut down waits for its WAL senders
 * as long as it does.
 */
import type { SeenStatus } from "../../brain/cluster/successor_view.ts";
import type { Lsn } from "../../model/lsn.ts";

export class ReceivedGrowth {
  readonly #ends = new Map<string, Lsn>();
  #grewMs = -Infinity;

  /** When the end of received WAL was last seen to grow on a member other than `self`; -Infinity: never. */
  look(self: string, statuses: readonly SeenStatus[], nowMs: number): number {
    for (const { status: { name, receivedLsn } } of statuses) {
      if (name === self || receivedLsn === null) continue;
      const known = this.#ends.get(name);
      if (known === receivedLsn) continue;
      this.#ends.set(name, receivedLsn);
      if (known !== undefined && receivedLsn > known) this.#grewMs = nowMs;
    }
    return this.#grewMs;
  }
}
