/**
 * How often an event of one kind may go into the log: what comes and goes for hours would drive every other
 * event out of the records, the cause of the last failover among them. Pure.
 */

/** So many at once, then one after each pause. */
const BURST = 3;
/** The pause doubles with each event that had to wait for it, up to the longest. */
const PAUSE_MS = 60_000;
const MAX_PAUSE_MS = 16 * PAUSE_MS;
/** More are there only for as long as they count. */
const MAX_KNOWN = 500;

interface Allowance {
  readonly left: number;
  /** Since then the next one is earned. */
  readonly atMs: number;
  readonly pauseMs: number;
}

export class EventAllowance {
  readonly #known = new Map<string, Allowance>();

  /** True: it may go, and is counted. Quiet for three pauses, it is as at the beginning. */
  take(key: string, nowMs: number): boolean {
    if (this.#known.size > MAX_KNOWN) this.#forget(nowMs);
    const { left, atMs, pauseMs } = this.#known.get(key) ?? { left: BURST, atMs: nowMs, pauseMs: PAUSE_MS };
    const earned = Math.floor((nowMs - atMs) / pauseMs);
    const now = left + earned;
    if (now <= 0) return false;
    if (now >= BURST) {
      this.#known.set(key, { left: BURST - 1, atMs: nowMs, pauseMs: PAUSE_MS });
      return true;
    }
    const hasWaited = earned > 0 && now === 1;
    this.#known.set(key, {
      left: now - 1,
      atMs: hasWaited ? nowMs : atMs + earned * pauseMs,
      pauseMs: hasWaited ? Math.min(2 * pauseMs, MAX_PAUSE_MS) : pauseMs,
    });
    return true;
  }

  /** Those that are as at the beginning by now. */
  #forget(nowMs: number): void {
    for (const [key, { atMs, pauseMs }] of this.#known) {
      if (nowMs - atMs >= BURST * pauseMs) this.#known.delete(key);
    }
  }

  get size(): number {
    return this.#known.size;
  }
}
