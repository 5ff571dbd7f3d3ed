/** The clock of one life of a process: its host's time, timers that are a little late, and later still when paused. */
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
  private readonly incarnation: number;

  /** Timers fire up to `maxLateMs` late, most of them by far less. */
  constructor(
    private readonly process: SimProcess,
    private readonly random: Prng,
    private readonly maxLateMs: number,
  ) {
    this.incarnation = process.incarnation;
  }

  now(): number {
    return this.process.host.nowMs();
  }

  after(delayMs: number, fire: () => void): Timer {
    const { process, incarnation } = this;
    const timer = new SimTimer();
    const lateMs = this.maxLateMs === 0
      ? 0
      : Math.min(this.maxLateMs, this.random.exponential(this.maxLateMs / 20));
    // A timer never fires early: rounding must not make the clock read just below what was asked for.
    const trueDelayMs = Math.max(0, delayMs) / process.host.rate + lateMs + 1e-6;
    const run = () => {
      if (!timer.cancelled) fire();
    };
    timer.event = process.world.after(trueDelayMs, () => process.deliver(incarnation, run));
    return timer;
  }

  soon(fire: () => void): void {
    const { process, incarnation } = this;
    process.world.after(1e-6, () => process.deliver(incarnation, fire));
  }
}
