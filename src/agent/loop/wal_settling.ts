/**
 * Tells, while the lock is free, whether the WAL that a standby received has stopped growing. A successor is
 * chosen by positions that no longer move, so they are looked at in quick succession until two looks agree.
 */
import type { Lsn } from "../../model/lsn.ts";
import type { LockRecord } from "../../model/records.ts";
import type { PostgresPort } from "../postgres/port.ts";

const LOOK_MS = 20;

export class WalSettling {
  #state: {
    readonly epoch: number;
    readonly lsn: Lsn | null;
    readonly lookMs: number;
    readonly settled: boolean;
  } | null = null;

  /** Two looks since the lock became free gave the same end of received WAL. */
  get settled(): boolean {
    return this.#state?.settled ?? false;
  }

  /**
   * Compares the latest look with the one before, and asks for another while they differ. Returns when to
   * come again.
   */
  look(lock: LockRecord, postgres: Pick<PostgresPort, "view" | "refresh">, nowMs: number): number {
    const view = lock.holder === null ? postgres.view() : null;
    if (view?.process !== "running") {
      this.#state = null;
      return Infinity;
    }
    const { receivedLsn, lastLookMs } = view;
    const state = this.#state;
    if (state === null || state.epoch !== lock.epoch) {
      // Only a look that was begun after the lock became free counts.
      this.#state = { epoch: lock.epoch, lsn: null, lookMs: nowMs, settled: false };
    } else if (!state.settled && lastLookMs !== null && lastLookMs > state.lookMs) {
      this.#state = { ...state, settled: state.lsn === receivedLsn, lsn: receivedLsn, lookMs: lastLookMs };
    }
    if (this.settled) return Infinity;
    postgres.refresh();
    return nowMs + LOOK_MS;
  }
}
