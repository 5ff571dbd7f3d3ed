/**
 * Lines about strangers' requests, limited by their kind. A kind is a constant of the program, never a text
 * from outside: however the requests vary, the lines of one kind share one budget, and no other kind loses
 * its own. Within a kind, one subject (a client, say) has one line a minute: a client that goes on asking
 * does not use up the lines that tell of others.
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
/** The lines of one subject are so far apart. */
const SUBJECT_MS = 60_000;
const MAX_SUBJECT = 200;
/** A flood of subjects forgets those that were said longest ago; the budget of their kind still holds. */
const MAX_SUBJECTS = 1000;
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

/** When each subject had its last line, the longest ago first. */
class SubjectLimiter {
  readonly #now: () => number;
  readonly #said = new Map<string, { readonly atMs: number; suppressed: number }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Its line has to wait; counted. */
  waits(subject: string): boolean {
    const last = this.#said.get(subject);
    if (last === undefined || this.#now() - last.atMs >= SUBJECT_MS) return false;
    last.suppressed++;
    return true;
  }

  /** It has its line now. Returns how many were left out since the one before. */
  said(subject: string): number {
    const suppressed = this.#said.get(subject)?.suppressed ?? 0;
    this.#said.delete(subject);
    this.#said.set(subject, { atMs: this.#now(), suppressed: 0 });
    if (this.#said.size > MAX_SUBJECTS) this.#said.delete(this.#said.keys().next().value!);
    return suppressed;
  }
}

/** Writes through to a log as far as the budget of each kind goes. */
export class LimitedLog {
  readonly #log: Pick<Log, Level>;
  readonly #limiter: KindLimiter;
  readonly #subjects: SubjectLimiter;

  constructor(log: Pick<Log, Level>, now: () => number) {
    this.#log = log;
    this.#limiter = new KindLimiter(now);
    this.#subjects = new SubjectLimiter(now);
  }

  /**
   * `kind`: a constant ("restapi.denied"), the event of the line. Texts from outside within `text`:
   * quotedOutside. `subject`: the one that the line is about, which has one line of the kind a minute.
   * @default none: only the budget of the kind counts
   */
  add(level: Level, kind: string, text: string, subject?: string): void {
    const key = subject === undefined ? null : `${kind} ${subject.slice(0, MAX_SUBJECT)}`;
    if (key !== null && this.#subjects.waits(key)) return;
    const suppressed = this.#limiter.take(kind);
    if (suppressed === null) return;
    const alike = key === null ? 0 : this.#subjects.said(key);
    const notes = [
      ...(alike === 0 ? [] : [`${alike} more like it since the last such line`]),
      ...(suppressed === 0 ? [] : [`${suppressed} more of this kind since the last such line`]),
    ];
    const more = notes.length === 0 ? "" : ` (and ${notes.join(", ")})`;
    this.#log[level](kind, oneLine(text, MAX_LENGTH) + more);
  }
}
