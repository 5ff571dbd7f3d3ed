/**
 * Signals that come while the program starts. Their default action would end it at once: told to stop so
 * early, it would leave a PostgreSQL of an earlier agent running with its guard, and told to reload it would
 * be gone. A service manager without READY=1 (Type=simple) sends either at any time. They are held, and
 * handled once the program runs.
 */

/** What of `process` is used. */
export interface SignalSource {
  on(signal: HeldSignal, handler: () => void): unknown;
  off(signal: HeldSignal, handler: () => void): unknown;
}

const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
export type HeldSignal = typeof SIGNALS[number];

export class HeldSignals {
  readonly #source: SignalSource;
  readonly #came: HeldSignal[] = [];
  readonly #holders = new Map<HeldSignal, () => void>();

  /** Holds them from now on. Made as early as possible. */
  constructor(source: SignalSource) {
    this.#source = source;
    for (const signal of SIGNALS) {
      const hold = () => {
        if (!this.#came.includes(signal)) this.#came.push(signal);
      };
      this.#holders.set(signal, hold);
      source.on(signal, hold);
    }
  }

  /** The program runs: those that came are handled in their order, and all others as they come. */
  handle(handlers: { readonly [signal in HeldSignal]: () => void }): void {
    for (const [signal, hold] of this.#holders) {
      // There is a handler at every moment.
      this.#source.on(signal, handlers[signal]);
      this.#source.off(signal, hold);
    }
    for (const signal of this.#came.splice(0)) handlers[signal]();
  }
}
