/**
 * Watches how late the agent's loop, the guard's timer and the acknowledgements of renewals come, and warns
 * before that comes near the room that the lease leaves. Nearly free while nothing is late: quantiles are
 * computed only after a late event.
 */
import type { HistogramReading } from "../../model/measures.ts";
import { judgeLateness, latenessAdvice, latenessBudgetMs, nearMs } from "../../brain/lateness.ts";
import type { GuardView } from "../../model/guard_view.ts";
import type { Log } from "../../lib/log.ts";
import { LATENESS_KINDS, type LatenessKind, type MeasuredLateness } from "../../model/timing.ts";
import { LatenessHistogram } from "./lateness.ts";

/** The pause between two warnings of one kind. */
const WARNING_PAUSE_MS = 60_000;

export interface LatenessWatchOptions {
  readonly log: Log;
  readonly nowMs: () => number;
  readonly ttlMs: () => number;
  readonly electionMaxMs: number;
}

export class LatenessWatch {
  readonly #options: LatenessWatchOptions;
  readonly #histograms: { readonly [kind in LatenessKind]: LatenessHistogram } = {
    event_loop: new LatenessHistogram(),
    guard: new LatenessHistogram(),
    renewal: new LatenessHistogram(),
  };
  readonly #warnedMs = new Map<LatenessKind, number>();
  #guardAnswerMs: number | null = null;

  constructor(options: LatenessWatchOptions) {
    this.#options = options;
  }

  record(kind: LatenessKind, ms: number): void {
    const nowMs = this.#options.nowMs();
    this.#histograms[kind].record(ms, nowMs);
    if (ms <= nearMs(this.#budgetMs(kind))) return;
    if (nowMs - (this.#warnedMs.get(kind) ?? -Infinity) < WARNING_PAUSE_MS) return;
    const text = latenessAdvice(this.#measured(kind, nowMs), this.#options.ttlMs());
    if (text === null) return;
    this.#warnedMs.set(kind, nowMs);
    this.#options.log.warning(`late.${kind}`, text);
  }

  /**
   * Its timer runs only while it watches a primary. Each answer brings the largest lateness since the one
   * before.
   */
  guardSaid({ armed, postmaster, lastAnswerMs, lateMs }: GuardView): void {
    if (lastAnswerMs === this.#guardAnswerMs) return;
    this.#guardAnswerMs = lastAnswerMs;
    if (armed !== null && !armed.unfenced && postmaster?.writable === true) this.record("guard", lateMs);
  }

  measured(): MeasuredLateness[] {
    const nowMs = this.#options.nowMs();
    return LATENESS_KINDS.map((kind) => this.#measured(kind, nowMs));
  }

  reading(kind: LatenessKind): HistogramReading {
    return this.#histograms[kind].reading();
  }

  #measured(kind: LatenessKind, nowMs: number): MeasuredLateness {
    return judgeLateness(kind, this.#histograms[kind].quantiles(nowMs), this.#budgetMs(kind));
  }

  #budgetMs(kind: LatenessKind): number {
    return latenessBudgetMs(kind, this.#options.ttlMs(), this.#options.electionMaxMs);
  }
}
