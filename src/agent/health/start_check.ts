/**
 * Measures this host once, shortly after the start of an agent or a witness: how late the event loop comes,
 * how long the disk of the raft log is waited for, how late the guard's timer is. One warning when the ttl
 * leaves too little room for that (src/brain/start_check.ts), nothing otherwise. It touches no disk itself:
 * the loop that renews the lease never waits for one.
 */
import type { Clock } from "../../../raft/mod.ts";
import { startAdvice } from "../../brain/start_check.ts";
import type { Log } from "../../lib/log.ts";
import { parseBounded } from "../../model/bounded_json.ts";
import { runProgram } from "../../postgres/run_program.ts";
import { SYNC_PROBE_COMMAND, SYNCS } from "./sync_probe_process.ts";

/** By then a cluster that starts from nothing is there: its own start is not what is measured. */
const BEGIN_MS = 20_000;
const MEASURE_MS = 10_000;
const TICK_MS = 50;
/** A disk that takes longer is measured as so slow. */
const SYNC_GIVE_UP_MS = 8000;
const LINE_BOUNDS = { maxBytes: 4096, maxDepth: 1, maxValues: SYNCS + 1, maxText: 1 };

export interface StartCheckOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** This executable, for the process that touches the disk. */
  readonly command: readonly string[];
  /** The raft log lies here. */
  readonly directory: string;
  readonly ttlMs: () => number;
  readonly electionMaxMs: number;
  /** The latest that the guard's timer fired; null: it watches no primary. */
  readonly guardMs: () => number | null;
}

export class StartCheck {
  readonly #options: StartCheckOptions;
  readonly #aborted = new AbortController();
  #latestMs = 0;

  constructor(options: StartCheckOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.clock.after(BEGIN_MS, () => void this.#measure());
  }

  /** Ends its process, if it runs. Nothing is said any more. */
  end(): void {
    this.#aborted.abort();
  }

  async #measure(): Promise<void> {
    const { clock, log, ttlMs, electionMaxMs, guardMs } = this.#options;
    if (this.#aborted.signal.aborted) return;
    const [syncsMs] = await Promise.all([this.#syncs(), this.#ticks(clock.now() + MEASURE_MS)]);
    if (this.#aborted.signal.aborted) return;
    const measured = { seconds: MEASURE_MS / 1000, loopMs: this.#latestMs, syncsMs, guardMs: guardMs() };
    const advice = startAdvice(measured, ttlMs(), electionMaxMs);
    if (advice !== null) log.warning("start_check", advice);
  }

  #ticks(untilMs: number): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const next = () => {
        const dueMs = clock.now() + TICK_MS;
        clock.after(TICK_MS, () => {
          this.#latestMs = Math.max(this.#latestMs, clock.now() - dueMs);
          if (clock.now() < untilMs && !this.#aborted.signal.aborted) next();
          else resolve();
        });
      };
      next();
    });
  }

  async #syncs(): Promise<readonly number[]> {
    const { command: [program, ...args], directory, log } = this.#options;
    const end = await runProgram(program!, [...args, SYNC_PROBE_COMMAND, directory], {
      timeoutMs: SYNC_GIVE_UP_MS,
      signal: this.#aborted.signal,
      // One that hangs in the kernel is left behind.
      leaveAfterMs: 0,
    });
    if (end.failure === "timeout") return [SYNC_GIVE_UP_MS];
    const found = end.code === 0 ? timesIn(end.stdout) : null;
    if (found !== null) return found;
    const why = end.failure ?? end.stderr.trim().split("\n").at(-1);
    if (end.failure !== "aborted") log.debug("start_check", `the disk could not be measured: ${why}`);
    return [];
  }
}

function timesIn(line: string): number[] | null {
  const parsed = parseBounded(line, LINE_BOUNDS);
  if (!parsed.ok || !Array.isArray(parsed.value)) return null;
  const isTime = (one: unknown): one is number => typeof one === "number" && one >= 0;
  return parsed.value.every(isTime) ? parsed.value : null;
}
