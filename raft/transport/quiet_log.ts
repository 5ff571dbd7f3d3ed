/**
 * Log lines about strangers and lost peers: a port scanner must not fill a disk. An equal line comes at most
 * once a minute, and an event at most MAX_LINES times a minute, however its texts vary.
 */
import type { LogLevel, LogSink } from "../node/raft_options.ts";

const REPEAT_AFTER_MS = 60_000;
const MAX_LINES = 20;
/** Longest line. Nothing from outside makes a line longer, or splits it. */
const MAX_LENGTH = 600;

interface Budget {
  beganMs: number;
  /** Lines written in this minute, and how often each was left out since. */
  written: Map<string, number>;
  suppressed: number;
}

export class QuietLog {
  #sink: LogSink;
  #now: () => number;
  /** Budget of each event. Events are few, and constants of this program. */
  #budgets = new Map<string, Budget>();

  constructor(sink: LogSink, now: () => number) {
    this.#sink = sink;
    this.#now = now;
  }

  /** Writes the line unless an equal one, or too many of the event, were written within the last minute. */
  add(level: LogLevel, event: string, text: string): void {
    const line = text.replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, " ").slice(0, MAX_LENGTH);
    const now = this.#now();
    let budget = this.#budgets.get(event);
    let more = "";
    if (!budget || now - budget.beganMs >= REPEAT_AFTER_MS) {
      more = leftOut(budget, line);
      budget = { beganMs: now, written: new Map(), suppressed: 0 };
      this.#budgets.set(event, budget);
    }
    const repeated = budget.written.get(line);
    if (repeated !== undefined) budget.written.set(line, repeated + 1);
    else if (budget.written.size >= MAX_LINES) budget.suppressed++;
    else {
      budget.written.set(line, 0);
      this.#sink(level, event, line + more);
    }
  }
}

/** Says what was left out in the minute before. */
function leftOut(budget: Budget | undefined, line: string): string {
  if (!budget) return "";
  const same = budget.written.get(line) ?? 0;
  const others = [...budget.written.values()].reduce((sum, times) => sum + times, budget.suppressed) - same;
  const parts = [
    ...same > 0 ? [`${same} times since the last line`] : [],
    ...others > 0 ? [`${others} others were left out`] : [],
  ];
  return parts.length === 0 ? "" : ` (and ${parts.join(", and ")})`;
}
