/**
 * Decides when a node wakes, and how many ticks it then feeds to its core. At rest a node wakes once a
 * heartbeat and feeds the ticks together; every tick counts when the leader is silent.
 */
import type { Clock, Timer } from "./ports.ts";

export interface PaceOptions {
  readonly clock: Clock;
  readonly tickMs: number;
  readonly heartbeatMs: number;
  readonly electionMinMs: number;
  /** ms since the leader was heard, 0 while this node leads; null: there is none. */
  readonly leaderSilentMs: () => number | null;
  readonly wake: (ticks: number) => void;
}

export class Pace {
  readonly #options: PaceOptions;
  #timer: Timer | null = null;
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
    this.#timer = this.#options.clock.after(this.#nextMs(), () => {
      this.#wake();
      this.arm();
    });
  }

  end(): void {
    this.#ended = true;
    this.#timer?.cancel();
  }

  #nextMs(): number {
    const { tickMs, heartbeatMs, electionMinMs, leaderSilentMs } = this.#options;
    const silentMs = leaderSilentMs();
    return silentMs !== null && silentMs < electionMinMs / 2 ? Math.max(tickMs, heartbeatMs) : tickMs;
  }

  #wake(): void {
    const { clock, tickMs, electionMinMs, wake } = this.#options;
    const now = clock.now();
    const elapsed = Math.floor((now - this.#lastTickMs) / tickMs);
    // After a pause, messages of the others still wait to be read. At most half an election timeout is made
    // up for, so that a whole one passes only while this node listens.
    const most = Math.max(1, Math.floor(electionMinMs / tickMs / 2));
    this.#lastTickMs = elapsed > most ? now : this.#lastTickMs + elapsed * tickMs;
    wake(Math.min(elapsed, most));
  }
}
