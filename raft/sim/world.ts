/**
 * A simulated world: true time, the queue of events, chance, and the log of events. One thread, no real time:
 * the same seed gives the same run. Nothing here knows raft.
 */
import { EventQueue, type SimEvent } from "./event_queue.ts";
import { EventLog } from "./event_log.ts";
import { Prng } from "./prng.ts";

/** Thrown by a failed check: the run ends, and its seed is reported. */
export class Violation extends Error {
  readonly invariant: string;
  readonly detail: string;

  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`);
    this.invariant = invariant;
    this.detail = detail;
    this.name = "Violation";
  }
}

export class World {
  readonly random: Prng;
  readonly log: EventLog;
  /** Number of events that have run, for speed figures and as a position in a run. */
  steps = 0;
  /** Processes that have run in the current step. */
  readonly ran = new Set<object>();
  readonly #queue = new EventQueue();
  #timeMs = 0;
  readonly #checks: ((ran: ReadonlySet<object>) => void)[] = [];

  constructor(seed: number, trace: ((line: string) => void) | null = null) {
    this.random = new Prng(seed);
    this.log = new EventLog(() => this.#timeMs, trace);
  }

  /** True time since the beginning of the run, ms. No node can see it. */
  now(): number {
    return this.#timeMs;
  }

  after(delayMs: number, run: () => void): SimEvent {
    return this.#queue.push(this.#timeMs + Math.max(0, delayMs), run);
  }

  /** Calls `check` after every step in which a process has run. */
  afterStep(check: (ran: ReadonlySet<object>) => void): void {
    this.#checks.push(check);
  }

  /** Runs every event up to `untilMs`, which is then the time. */
  runUntil(untilMs: number): void {
    for (;;) {
      const next = this.#queue.peek();
      if (next === undefined || next.atMs > untilMs) break;
      this.#queue.pop();
      this.#timeMs = next.atMs;
      const run = next.run;
      if (run === null) continue;
      this.steps++;
      run();
      if (this.ran.size === 0) continue;
      for (const check of this.#checks) check(this.ran);
      this.ran.clear();
    }
    this.#timeMs = Math.max(this.#timeMs, untilMs);
  }

  /** Runs until the condition holds, checking every `stepMs`; false when it does not hold by `untilMs`. */
  runUntilHolds(untilMs: number, stepMs: number, holds: () => boolean): boolean {
    while (this.#timeMs < untilMs) {
      if (holds()) return true;
      this.runUntil(Math.min(untilMs, this.#timeMs + stepMs));
    }
    return holds();
  }
}
