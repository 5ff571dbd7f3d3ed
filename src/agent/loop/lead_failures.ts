/**
 * Remembers why this member could not become a primary, and how long it sits out after it has let the lock
 * go. Without that, two members that both cannot lead would pass the lock to and fro as fast as their servers
 * stop and start. The time grows with each failure in a row, so that the cluster tries again by itself, less
 * and less often. Pure but for its memory: a new start of the agent is a new try.
 */
import type { LeadFailure } from "../../model/lead_failure.ts";
import { pauseAfter } from "../../model/pause_after.ts";
import type { FinishedAction, PostgresView } from "../../model/postgres_view.ts";

/** The longest time to sit out, unless a ttl is longer. */
const MAX_SIT_OUT_MS = 60_000;
/** A failure is shown for so long, unless the member leads before. */
const SHOWN_MS = 600_000;
const MAX_REASON = 400;

interface Failure extends Omit<LeadFailure, "sitsOut"> {
  readonly sinceMs: number;
  readonly sitsOutUntilMs: number;
}

export class LeadFailures {
  #last: Failure | null = null;
  #letGo = 0;
  #letGoEpoch = 0;

  shown(nowMs: number): LeadFailure | null {
    if (this.#last === null) return null;
    const { at, why, times, sinceMs, sitsOutUntilMs } = this.#last;
    const sitsOut = nowMs < sitsOutUntilMs;
    return sitsOut || nowMs - sinceMs < SHOWN_MS ? { at, why, times, sitsOut } : null;
  }

  /**
   * The lock was let go, since nothing here could become a primary under that epoch. Returns for how long
   * this member sits out, ms; null: that is known already.
   */
  letGo(epoch: number, why: string, nowMs: number, at: string, ttlMs: number): number | null {
    if (epoch <= this.#letGoEpoch) return null;
    this.#letGoEpoch = epoch;
    this.#letGo++;
    const sitsOutMs = pauseAfter(this.#letGo, ttlMs, Math.max(MAX_SIT_OUT_MS, ttlMs));
    this.#last = {
      at,
      why: shortened(why),
      times: Math.max(this.#letGo, this.#last?.times ?? 0),
      sinceMs: nowMs,
      sitsOutUntilMs: nowMs + sitsOutMs,
    };
    return sitsOutMs;
  }

  /**
   * Before each decision. A holder that has nobody to hand the lock to tries again in place: that is shown,
   * too.
   */
  look(postgres: PostgresView, isHolder: boolean, heldSinceMs: number, nowMs: number, at: string): void {
    if (!isHolder) return;
    if (postgres.process === "running" && postgres.writable && postgres.inRecovery === false) {
      this.#last = null;
      this.#letGo = 0;
      return;
    }
    const failed = lastFailure(postgres.last, heldSinceMs);
    if (failed === null || failed.atMs <= (this.#last?.sinceMs ?? -Infinity)) return;
    this.#last = {
      at,
      why: shortened(`${failed.kind} failed: ${failed.detail}`),
      times: failed.failures,
      sinceMs: nowMs,
      sitsOutUntilMs: this.#last?.sitsOutUntilMs ?? -Infinity,
    };
  }
}

function lastFailure({ start, promote }: PostgresView["last"], sinceMs: number): FinishedAction | null {
  const failed = [start, promote].filter((each) => each !== undefined && !each.ok && each.atMs >= sinceMs);
  return failed.sort((a, b) => b!.atMs - a!.atMs)[0] ?? null;
}

function shortened(why: string): string {
  return why.length <= MAX_REASON ? why : `${why.slice(0, MAX_REASON - 4)} ...`;
}
