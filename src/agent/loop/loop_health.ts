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
/** What has waited while the loop stood still is read within so long of its next look. */
const READ_OFF_MS = 100;

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
  /** The last time that the loop stood still, and until when what had waited meanwhile is being read. */
  #standstill = { fromMs: -Infinity, readUntilMs: -Infinity };

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

  /**
   * The earliest time at which a message that is read at `nowMs` may have arrived, when the next look is due
   * at `dueMs`. What has waited while the loop stood still is as old as the standstill: its sender may have
   * died, been cut off or been promoted by others since.
   */
  arrivedMs(nowMs: number, dueMs: number): number {
    if (nowMs < this.#standstill.readUntilMs) return this.#standstill.fromMs;
    return nowMs - dueMs > LATE_LOOP_MS ? dueMs : nowMs;
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
      this.#standstill = { fromMs: dueMs, readUntilMs: nowMs + READ_OFF_MS };
      stalled(lateMs);
    }
    if (nowMs >= dueMs) this.lateness.record("event_loop", lateMs);
    const jump = this.clocks.look(nowMs, wallMs, lateMs);
    if (jump !== null) log.warning("clock", describeJump(who, jump));
  }
}
