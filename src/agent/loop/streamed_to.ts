/**
 * Keeps which members have streamed WAL from this primary in its epoch: their WAL is a part of its history,
 * so that their positions can be compared with its own. Equal numbers alone prove little: two members that
 * were promoted independently each have a timeline of the same number.
 */
import type { PostgresView } from "../../model/postgres_view.ts";

export class StreamedTo {
  #epoch: number | null = null;
  #names: readonly string[] = [];

  /** A look at this member's PostgreSQL. */
  note(view: PostgresView): void {
    if (view.epoch === null || view.inRecovery !== false) return;
    if (view.epoch !== this.#epoch) {
      this.#epoch = view.epoch;
      this.#names = [];
    }
    for (const { application_name: name, state } of view.replication) {
      if (state === "streaming" && !this.#names.includes(name)) this.#names = [...this.#names, name].sort();
    }
  }

  /** Also after the epoch has ended; empty for any but the last one under which this member was a primary. */
  in(epoch: number): readonly string[] {
    return epoch === this.#epoch ? this.#names : [];
  }
}
