/**
 * The clock of one life of a process: its host's time, and timers that are a little late, and later still
 * when paused.
 */
import type { Clock, Timer } from "../node/ports.ts";
import type { SimEvent } from "./event_queue.ts";
import type { Prng } from "./prng.ts";
import type { SimProcess } from "./sim_host.ts";

class SimTimer implements Timer {
  event: SimEvent | null = null;
  cancelled = false;

  cancel(): void {
    this.cancelled = true;
    this.event?.cancel();
  }
}

export class SimClock implements Clock {
  readonly #incarnation: number;
  readonly #process: SimProcess;
  readonly #random: Prng;
  readonly #maxLateMs: number;

  /** Timers fire up to `maxLateMs` late, most of them much less. */
  constructor(
    process: SimProcess,
    random: Prng,
    maxLateMs: number,
  ) {
    this.#process = process;
    this.#random = random;
    this.#maxLateMs = maxLateMs;
    this.#incarnation = process.incarnation;
  }

  now(): number {
    return this.#process.host.nowMs();
  }

  /** A timer that may be early is early every other time, as if something else woke the process. */
  after(delayMs: number, fire: () => void, earlyMs = 0): Timer {
    if (earlyMs > 0 && this.#random.chance(0.5)) {
      return this.after(Math.max(0, delayMs - earlyMs * this.#random.unit()), fire);
    }
    const process = this.#process;
    const incarnation = this.#incarnation;
    const timer = new SimTimer();
    const lateMs = this.#maxLateMs === 0
      ? 0
      : Math.min(this.#maxLateMs, this.#random.exponential(this.#maxLateMs / 20));
    const dueMs = this.now() + Math.max(0, delayMs);
    const wait = (clockMs: number, beyondMs: number) => {
      // A timer never fires early: rounding must not make the clock read just below the deadline.
      const trueDelayMs = clockMs / process.host.rate + beyondMs + 1e-6;
      timer.event = process.world.after(trueDelayMs, () => process.deliver(incarnation, run));
    };
    const run = () => {
      if (timer.cancelled) return;
      // The clock may have become slower since.
      const leftMs = dueMs - this.now();
      if (leftMs > 0) wait(leftMs, 0);
      else fire();
    };
    wait(Math.max(0, delayMs), lateMs);
    return timer;
  }

  soon(fire: () => void): void {
    const process = this.#process;
    const incarnation = this.#incarnation;
    process.world.after(1e-6, () => process.deliver(incarnation, fire));
  }
}
