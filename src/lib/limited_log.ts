/**
 * Lines about strangers' requests, limited by their kind. A kind is a constant of the program, never a text
 * from outside: however the requests vary, the lines of one kind share one budget, and no other kind loses
 * its own.
 */
import type { Level, Log } from "./log.ts";
import { oneLine } from "./plain_text.ts";

/** So many lines of a kind may come at once ... */
const BURST = 10;
/** ... and then one in this time: 10 a minute. */
const REFILL_MS = 6000;
/** Kinds are few. If a caller made them from outside texts all the same, they would share the last budget. */
const MAX_KINDS = 50;
const OTHER_KINDS = "other kinds";
/** The longest line; quoted texts from outside are cut before (quotedOutside). */
const MAX_LENGTH = 1000;

interface Budget {
  lines: number;
  filledMs: number;
  suppressed: number;
}

/** Budgets of lines, one a kind. */
export class KindLimiter {
  readonly #now: () => number;
  readonly #budgets = new Map<string, Budget>();

  /** `now`: ms of a clock that does not go back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** null: no line now. Else how many of the kind were left out since the last one. */
  take(kind: string): number | null {
    const budget = this.#budget(
      this.#budgets.has(kind) || this.#budgets.size < MAX_KINDS ? kind : OTHER_KINDS,
    );
    const nowMs = this.#now();
    const refill = Math.floor((nowMs - budget.filledMs) / REFILL_MS);
    if (refill > 0) {
      budget.lines = Math.min(BURST, budget.lines + refill);
      budget.filledMs += refill * REFILL_MS;
    }
    if (budget.lines <= 0) {
      budget.suppressed++;
      return null;
    }
    budget.lines--;
    const { suppressed } = budget;
    budget.suppressed = 0;
    return suppressed;
  }

  #budget(kind: string): Budget {
    let budget = this.#budgets.get(kind);
    if (budget === undefined) {
      budget = { lines: BURST, filledMs: this.#now(), suppressed: 0 };
      this.#budgets.set(kind, budget);
    }
    return budget;
  }
}

/** Writes through to a log as far as the budget of each kind goes. */
export class LimitedLog {
  readonly #log: Pick<Log, Level>;
  readonly #limiter: KindLimiter;

  constructor(log: Pick<Log, Level>, now: () => number) {
    this.#log = log;
    this.#limiter = new KindLimiter(now);
  }

  /**
   * `kind`: a constant ("restapi.denied"), the event of the line. Texts from outside within `text`:
   * quotedOutside.
   */
  add(level: Level, kind: string, text: string): void {
    const suppressed = this.#limiter.take(kind);
    if (suppressed === null) return;
    const more = suppressed === 0 ? "" : ` (and ${suppressed} more of this kind since the last such line)`;
    this.#log[level](kind, oneLine(text, MAX_LENGTH) + more);
  }
}
