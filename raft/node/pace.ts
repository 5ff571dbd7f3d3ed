/**
 * Decides when a node wakes, and how many ticks it then feeds to its core. At rest a leader wakes when a
 * heartbeat is due, and a follower does not wake by itself: the heartbeats do that, and the ticks since the
 * last one are fed before each of them. Every tick counts when the leader is silent.
 *
 * Invariant: the core has the ticks of all the time that has passed before it gets a message of the leader,
 * or begins a round of heartbeats. Ticks that came after a heartbeat, for time before it, would let a
 * follower miss the leader too early, and a leader would send the next heartbeat too early.
 */
import type { Clock, Timer } from "./ports.ts";

/** Part of a tick that rounding may take away from the time since the last one. */
const ROUNDING = 1e-6;

export interface PaceOptions {
  readonly clock: Clock;
  readonly tickMs: number;
  readonly electionMinMs: number;
  /** RawNode.restTicks; 1 while this member does not take part. */
  readonly restTicks: () => number;
  readonly wake: (ticks: number) => void;
}

export class Pace {
  readonly #options: PaceOptions;
  #timer: Timer | null = null;
  /** When the timer is due. */
  #dueMs = Infinity;
  #lastTickMs = 0;
  #ended = false;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** Begins to count time. */
  begin(): void {
    this.#lastTickMs = this.#options.clock.now();
  }

  /** Sets the first timer; called once, after `begin`. */
  arm(): void {
    if (this.#ended) return;
    const { clock } = this.#options;
    const dueMs = this.#nextMs();
    this.#dueMs = dueMs;
    this.#timer = clock.after(Math.max(0, dueMs - clock.now()), () => {
      this.catchUp();
      this.arm();
    });
  }

  /** Feeds the ticks that are due. To be called within a turn before what the invariant above names. */
  catchUp(): void {
    const { clock, tickMs, electionMinMs, wake } = this.#options;
    const nowMs = clock.now();
    const elapsed = Math.floor((nowMs - this.#lastTickMs) / tickMs + ROUNDING);
    if (elapsed <= 0) return;
    // After a pause, messages of the others still wait to be read. At most half an election timeout is made
    // up for, so that a whole one passes only while this node listens.
    const most = Math.max(1, Math.floor(electionMinMs / tickMs / 2));
    this.#lastTickMs = elapsed > most ? nowMs : this.#lastTickMs + elapsed * tickMs;
    wake(Math.min(elapsed, most));
  }

  /** To be called after each turn that may have changed what is next: a leader was heard, or the role. */
  rearm(): void {
    if (this.#ended || this.#timer === null) return;
    if (Math.abs(this.#nextMs() - this.#dueMs) < this.#options.tickMs / 2) return;
    this.#timer.cancel();
    this.arm();
  }

  end(): void {
    this.#ended = true;
    this.#timer?.cancel();
  }

  #nextMs(): number {
    const { tickMs, restTicks } = this.#options;
    return this.#lastTickMs + restTicks() * tickMs;
  }
}
