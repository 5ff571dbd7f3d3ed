/**
 * Keeps calls into the core apart from calls out of the node. Every input (a frame, a timer, a request) is
 * one turn; callbacks and events run after it, when the core is at rest again. Synchronous.
 */
export class Turns {
  #inside = false;
  #draining = false;
  #later: (() => void)[] = [];
  #settle: () => void;

  /** `settle` ends every turn: it carries out what the core has asked for. */
  constructor(settle: () => void) {
    this.#settle = settle;
  }

  run(work: () => void): void {
    if (this.#inside) return work();
    this.#inside = true;
    try {
      work();
      this.#settle();
    } finally {
      this.#inside = false;
    }
    this.#drain();
  }

  /**
   * Runs `run` when the current turn is over, in the order of the calls; outside a turn, after the next one.
   */
  readonly later = (run: () => void): void => {
    this.#later.push(run);
  };

  #drain(): void {
    // A callback may begin a turn of its own: what that turn leaves is drained here, too.
    if (this.#draining) return;
    this.#draining = true;
    try {
      for (let next = this.#later.shift(); next; next = this.#later.shift()) next();
    } finally {
      this.#draining = false;
    }
  }
}
