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
import type { SyncRulesLeftOut } from "../../sync/plan.ts";
import type { PostgresPort } from "../postgres/port.ts";

type WalEnd = Omit<Cut, "epoch">;

const LOOK_MS = 20;

export class CutWatch {
  /** Since when the server has been cut off under the epoch that is over; null: it is not. */
  #since: { readonly epoch: number; readonly lookMs: number } | null = null;
  #cut: Cut | null = null;
  /** Simulator only: the end of WAL as it was when the lock became free, and a vote of an earlier choice. */
  #early: { readonly epoch: number; readonly walEnd: WalEnd | null } | null = null;
  #kept: Cut | null = null;

  /** null: it may acknowledge, or its end of WAL has not been read since. */
  get cut(): Cut | null {
    return this.#cut;
  }

  /** Asks for another look while one is missing. Returns when to come again. `without`: simulator only. */
  look(
    records: DcsState,
    postgres: Pick<PostgresPort, "view" | "refresh">,
    nowMs: number,
    without: SyncRulesLeftOut = {},
  ): number {
    const { lock, sync } = records;
    const againMs = this.#look(records, postgres, nowMs, without.cut ?? false);
    if (lock.holder !== null || !isPromised(sync)) return againMs;
    if (without.cutFirst) this.#asOfFree(lock.epoch, postgres.view().walEnd);
    if (without.cutInEpoch) this.#asKept(lock.epoch);
    return againMs;
  }

  #asOfFree(epoch: number, walEnd: WalEnd | null): void {
    if (this.#early?.epoch !== epoch || this.#early.walEnd === null) this.#early = { epoch, walEnd };
    const { walEnd: end } = this.#early;
    if (this.#cut !== null && end !== null) this.#cut = { epoch, ...end };
  }

  #asKept(epoch: number): void {
    this.#kept ??= this.#cut;
    if (this.#kept !== null) this.#cut = { ...this.#kept, epoch };
  }

  #look(
    { lock, sync }: DcsState,
    postgres: Pick<PostgresPort, "view" | "refresh">,
    nowMs: number,
    uncut: boolean,
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
