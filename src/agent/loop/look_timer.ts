/** The one timer of an agent's loop: of several wishes the earliest counts. */
import type { Clock, Timer } from "../../../raft/mod.ts";

/** When a loop is to look again, if nothing happens. */
export interface NextLook {
  readonly atMs: number;
  /** It may come so much earlier, with a message or a timer that wakes the process anyway. */
  readonly earlyMs: number;
}

/** A look that nothing waits for may be so early, to come with a heartbeat of raft. */
export const BEAT_MS = 120;

export class LookTimer {
  readonly #clock: Clock;
  readonly #look: (dueMs: number) => void;
  #timer: Timer | null = null;
  #atMs = Infinity;
  #ended = false;

  /** `look` is told when it was due: it may come late. */
  constructor(clock: Clock, look: (dueMs: number) => void) {
    this.#clock = clock;
    this.#look = look;
  }

  /** When the next look is due; Infinity: none is, or one is being made. */
  get dueMs(): number {
    return this.#atMs;
  }

  /** Looks at that time, or before; never at once. `earlyMs`: see NextLook. */
  at(atMs: number, earlyMs = 0): void {
    if (this.#ended || atMs >= this.#atMs) return;
    this.#timer?.cancel();
    this.#atMs = atMs;
    const look = () => {
      this.#timer = null;
      this.#atMs = Infinity;
      this.#look(atMs);
    };
    this.#timer = this.#clock.after(Math.max(0, atMs - this.#clock.now()), look, earlyMs);
  }

  /** For good. */
  end(): void {
    this.#ended = true;
    this.#timer?.cancel();
  }
}
