/** Gathers the results of runs and prints them: a line for each failure as it comes, the figures at the end. */
import type { Options } from "./options.ts";
import type { RunResult } from "./run_seed.ts";

const TAIL_LINES = 60;
/** Event logs are printed for the first failures only. */
const TAILS = 3;

export class Report {
  violations = 0;
  private runs = 0;
  private simulatedMs = 0;
  private steps = 0;
  private failovers = 0;
  private switchovers = 0;
  private elections = 0;
  private freezes = 0;
  private lostBytes = 0;
  private failsafeMs = 0;
  private slowestRecoveryMs = 0;
  private slowestSeed = 0;
  private workerCode: number | null = null;
  private readonly faults = new Map<string, number>();
  private readonly failedSeeds: number[] = [];
  private readonly startedMs = performance.now();

  constructor(private readonly options: Options) {}

  get failed(): boolean {
    return this.violations > 0 || this.workerCode !== null;
  }

  add(result: RunResult): void {
    this.runs++;
    this.simulatedMs += result.simulatedMs;
    this.steps += result.steps;
    this.failovers += result.failovers;
    this.switchovers += result.switchovers;
    this.elections += result.elections;
    this.freezes += result.freezes;
    this.lostBytes += result.lostBytes;
    this.failsafeMs += result.failsafeMs;
    if (result.recoveryMs > this.slowestRecoveryMs) {
      this.slowestRecoveryMs = result.recoveryMs;
      this.slowestSeed = result.seed;
    }
    for (const [kind, count] of Object.entries(result.faults)) {
      this.faults.set(kind, (this.faults.get(kind) ?? 0) + count);
    }
    if (result.violation !== null) this.fail(result);
  }

  workerFailed(code: number): void {
    this.workerCode = code;
  }

  finish(): void {
    const { options } = this;
    const realS = (performance.now() - this.startedMs) / 1000;
    const hours = this.simulatedMs / 3_600_000;
    const last = this.runs === 1 ? "" : ` from ${options.seed}`;
    const lines = [
      `seeds       ${this.runs}${last}${
        options.broken.size > 0 ? `, without the rule ${[...options.broken].join(", ")}` : ""
      }`,
      `simulated   ${hours.toFixed(2)} hours in ${realS.toFixed(1)} s, ${this.steps} events`,
      `faults      ${
        [...this.faults].sort(([a], [b]) => a < b ? -1 : 1).map(([kind, count]) => `${kind} ${count}`).join(
          ", ",
        ) || "none"
      }`,
      `happened    ${this.failovers} failovers, ${this.switchovers} requests done, ${this.elections} raft elections, ${this.freezes} freezes, ` +
      `${this.lostBytes} bytes of asynchronous writes left behind, ${
        (this.failsafeMs / 1000).toFixed(0)
      } s in failsafe mode`,
      `recovery    slowest ${(this.slowestRecoveryMs / 1000).toFixed(1)} s (seed ${this.slowestSeed})`,
      `violations  ${this.violations}${
        this.failedSeeds.length > 0 ? ` (seeds ${this.failedSeeds.join(" ")})` : ""
      }`,
    ];
    if (this.workerCode !== null) lines.push(`a worker ended with code ${this.workerCode}`);
    process.stdout.write(`${lines.join("\n")}\n`);
  }

  private fail(result: RunResult): void {
    const { options } = this;
    this.violations++;
    this.failedSeeds.push(result.seed);
    const only = options.only === null ? "" : ` --only ${options.only}`;
    const rule = options.broken.size > 0 ? ` --break ${[...options.broken].join("")}` : "";
    const phase = options.faultSeconds === 60 ? "" : ` --fault-seconds ${options.faultSeconds}`;
    const tail = options.trace || this.violations > TAILS ? [] : result.tail.slice(-TAIL_LINES);
    process.stdout.write(
      `seed ${result.seed}: ${result.violation}\n` +
        `  replay: npm run sim -- --seed ${result.seed}${rule}${only}${phase} --trace\n` +
        tail.map((line) => `  | ${line}\n`).join(""),
    );
  }
}
