/**
 * Tells, while the lock is free and acknowledged transactions are promised to survive, whether this member
 * acknowledges nothing to the last holder any more, and how far its WAL goes since: its vote in the choice of
 * the next holder (src/sync/DESIGN.md).
 *
 * A vote stays true until a later epoch is applied here. Until then no rule of the keeper points the server
 * at anybody, its files name no upstream, and a start of it names none. An action or a change of the upstream
 * that was begun before may still do so: while one is under way there is no vote.
 */
import type { Cut } from "../../model/cut.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import type { DcsState } from "../../model/records.ts";
import { isPromised } from "../../sync/record.ts";
import type { PostgresPort } from "../postgres/port.ts";

const LOOK_MS = 20;

export class CutWatch {
  /** Since when the server has been cut off under the epoch that is over; null: it is not. */
  #since: { readonly epoch: number; readonly lookMs: number } | null = null;
  #cut: Cut | null = null;

  /** null: it may acknowledge, or its end of WAL has not been read since. */
  get cut(): Cut | null {
    return this.#cut;
  }

  /** Asks for another look while one is missing. Returns when to come again. `uncut`: simulator only. */
  look(
    { lock, sync }: DcsState,
    postgres: Pick<PostgresPort, "view" | "refresh">,
    nowMs: number,
    uncut = false,
  ): number {
    this.#cut = null;
    const view = lock.holder === null && isPromised(sync) ? postgres.view() : null;
    if (view === null || !isCut(view, uncut)) {
      this.#since = null;
      return Infinity;
    }
    const { process, walEnd, lastLookMs } = view;
    if (this.#since?.epoch !== lock.epoch) this.#since = { epoch: lock.epoch, lookMs: nowMs };
    // A stopped server's end of WAL is read after its end.
    const isRead = process === "none" || (lastLookMs !== null && lastLookMs > this.#since.lookMs);
    if (isRead && walEnd !== null) {
      this.#cut = { epoch: lock.epoch, ...walEnd };
      return Infinity;
    }
    postgres.refresh();
    return nowMs + LOOK_MS;
  }
}

function isCut(
  { directory, process, writable, inRecovery, cutOff, action }: PostgresView,
  uncut: boolean,
): boolean {
  const isIntact = directory.kind === "valid" && directory.standbySignal && !directory.formerPrimary &&
    !directory.wroteAlone;
  const isOff = process === "none" ||
    (process === "running" && inRecovery === true && (cutOff === true || uncut));
  return isIntact && isOff && !writable && action === null;
}
