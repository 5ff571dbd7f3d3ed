/**
 * The clock of leases and fences, and the wall clock of logs. Never mix the two: the first measures
 * durations, the second is for people.
 *
 * now() = CLOCK_MONOTONIC_RAW + (CLOCK_BOOTTIME - CLOCK_MONOTONIC): the raw oscillator, which time-keeping
 * daemons do not slew (they slew the other two alike), plus the time the host was suspended.
 */
import type { Clock, Timer } from "../../raft/mod.ts";
import { CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, clockMs } from "./ffi.ts";

const MAX_TIMER_MS = 2 ** 31 - 1;

export class SystemClock implements Clock {
  /**
   * Invariant: never more than the true time spent suspended, and never falls. The two clocks cannot be read
   * in one instant; read in this order, a pause in between can only make the difference too small, so the
   * largest one seen is right to within the shortest pause.
   */
  #suspendedMs = 0;
  /** Timers that may be early, and from when on. A set keeps their order. */
  readonly #early = new Set<{ readonly fromMs: number; readonly fire: () => void }>();

  constructor() {
    for (let reading = 0; reading < 5; reading++) this.now();
  }

  now(): number {
    const raw = clockMs(CLOCK_MONOTONIC_RAW);
    const suspended = clockMs(CLOCK_BOOTTIME) - clockMs(CLOCK_MONOTONIC);
    if (suspended > this.#suspendedMs) this.#suspendedMs = suspended;
    return raw + this.#suspendedMs;
  }

  after(delayMs: number, fire: () => void, earlyMs = 0): Timer {
    const dueMs = this.now() + delayMs;
    let handle: ReturnType<typeof setTimeout>;
    const shared = {
      fromMs: dueMs - earlyMs,
      fire: () => {
        cancel();
        fire();
      },
    };
    const cancel = () => {
      clearTimeout(handle);
      this.#early.delete(shared);
    };
    const arm = (waitMs: number) => {
      handle = setTimeout(() => {
        const leftMs = dueMs - this.now();
        if (leftMs > 0) return arm(leftMs);
        shared.fire();
        this.#share();
      }, Math.min(Math.max(0, Math.ceil(waitMs)), MAX_TIMER_MS));
    };
    arm(delayMs);
    if (earlyMs > 0) this.#early.add(shared);
    return { cancel };
  }

  awake(): void {
    this.#share();
  }

  /** Something has woken the process: timers that may be early come now, rather than wake it again soon. */
  #share(): void {
    if (this.#early.size === 0) return;
    const nowMs = this.now();
    for (const one of [...this.#early]) {
      // One that came before it may have cancelled it.
      if (one.fromMs <= nowMs && this.#early.has(one)) one.fire();
    }
  }

  soon(fire: () => void): void {
    setImmediate(fire);
  }
}

/**
 * Milliseconds since 1970, for timestamps that people read or that leave the host. Steps when the host's time
 * is set.
 */
export function wallClockMs(): number {
  return Date.now();
}
