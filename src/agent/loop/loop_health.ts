/**
 * Notes, at the beginning of each look, how late the loop of a member or a witness comes and what its clocks
 * did.
 */
import type { Clock } from "../../../raft/mod.ts";
import { ClockWatch, describeJump } from "../../model/clock_jump.ts";
import type { Log } from "../../lib/log.ts";
import type { HistogramReading } from "../../model/measures.ts";
import { LatenessHistogram } from "./lateness.ts";
import { LatenessWatch } from "./lateness_watch.ts";

/** A look that comes later than this is counted. */
const LATE_LOOP_MS = 100;

export interface LoopHealthOptions {
  /** For the log. */
  readonly who: string;
  readonly clock: Clock;
  readonly wallMs: () => number;
  readonly log: Log;
  readonly ttlMs: () => number;
  readonly electionMaxMs: number;
  /** A look is late enough to be counted. Told before anything is decided. */
  readonly stalled: (lateMs: number) => void;
}

export class LoopHealth {
  readonly lateness: LatenessWatch;
  readonly clocks = new ClockWatch();
  /** How long the looks took. */
  readonly #durations = new LatenessHistogram();
  readonly #options: LoopHealthOptions;
  #lastLookMs = 0;
  #lateMs = 0;
  #lateLooks = 0;

  constructor(options: LoopHealthOptions) {
    this.#options = options;
    const { log, clock, ttlMs, electionMaxMs } = options;
    this.lateness = new LatenessWatch({ log, nowMs: () => clock.now(), ttlMs, electionMaxMs });
  }

  get lastLookMs(): number {
    return this.#lastLookMs;
  }

  /** Recent maximum lateness; it decays. */
  get lateMs(): number {
    return this.#lateMs;
  }

  get lateLooks(): number {
    return this.#lateLooks;
  }

  get durations(): HistogramReading {
    return this.#durations.reading();
  }

  looked(tookMs: number, nowMs: number): void {
    this.#durations.record(tookMs, nowMs);
  }

  /** A look begins that was due at `dueMs`. One that is early says nothing of how late the loop comes. */
  look(nowMs: number, dueMs: number): void {
    const { who, log, stalled } = this.#options;
    const wallMs = this.#options.wallMs();
    const lateMs = Math.max(0, nowMs - dueMs);
    this.#lastLookMs = nowMs;
    this.#lateMs = Math.max(this.#lateMs * 0.99, lateMs);
    if (lateMs > LATE_LOOP_MS) {
      this.#lateLooks++;
      stalled(lateMs);
    }
    if (nowMs >= dueMs) this.lateness.record("event_loop", lateMs);
    const jump = this.clocks.look(nowMs, wallMs, lateMs);
    if (jump !== null) log.warning("clock", describeJump(who, jump));
  }
}
