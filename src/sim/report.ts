/**
 * Gathers the results of runs and prints them: a line for each failure as it comes, the figures at the end.
 */
import { VERSION } from "../model/version.ts";
import { DEFAULT_FAULT_SECONDS, type Options } from "./options.ts";
import type { Origin } from "./origin.ts";
import type { RunResult } from "./run_seed.ts";

const TAIL_LINES = 60;
/** Event logs are printed for the first failures only. */
const TAILS = 3;

export class Report {
  violations = 0;
  #runs = 0;
  #simulatedMs = 0;
  #steps = 0;
  #failovers = 0;
  readonly #origins = new Map<Origin, number>();
  #switchovers = 0;
  #elections = 0;
  #freezes = 0;
  #lostBytes = 0;
  #failsafeMs = 0;
  #sync = { acknowledged: 0, elected: 0, ended: 0, overlaps: 0 };
  #aloneMs = 0;
  #vainMs = 0;
  #sickMs = 0;
  #slowestRecoveryMs = 0;
  #slowestSeed = 0;
  #workerCode: number | null = null;
  readonly #faults = new Map<string, number>();
  readonly #failedSeeds: number[] = [];
  readonly #startedMs = performance.now();
  readonly #options: Options;
  readonly #commit: string | null;
  readonly #write: (text: string) => void;

  /** `commit`: of the sources; null: not known. */
  constructor(
    options: Options,
    commit: string | null,
    write: (text: string) => void = (text) => process.stdout.write(text),
  ) {
    this.#options = options;
    this.#commit = commit;
    this.#write = write;
  }

  /** A rule was switched off, and no run has shown it: the simulator does not see the purpose of the rule. */
  get unnoticed(): boolean {
    return this.#options.broken.size > 0 && this.violations === 0;
  }

  get failed(): boolean {
    return this.violations > 0 || this.unnoticed || this.#workerCode !== null;
  }

  add(result: RunResult): void {
    this.#runs++;
    this.#simulatedMs += result.simulatedMs;
    this.#steps += result.steps;
    this.#failovers += result.failovers;
    this.#switchovers += result.switchovers;
    this.#origins.set(result.origin, (this.#origins.get(result.origin) ?? 0) + 1);
    this.#elections += result.elections;
    this.#freezes += result.freezes;
    this.#lostBytes += result.lostBytes;
    this.#failsafeMs += result.failsafeMs;
    this.#sync.acknowledged += result.sync.acknowledged;
    this.#sync.elected += result.sync.elected;
    this.#sync.ended += result.sync.ended;
    this.#sync.overlaps += result.sync.overlaps;
    this.#aloneMs = Math.max(this.#aloneMs, result.aloneMs);
    this.#vainMs = Math.max(this.#vainMs, result.vainMs);
    this.#sickMs = Math.max(this.#sickMs, result.sickMs);
    if (result.recoveryMs > this.#slowestRecoveryMs) {
      this.#slowestRecoveryMs = result.recoveryMs;
      this.#slowestSeed = result.seed;
    }
    for (const [kind, count] of Object.entries(result.faults)) {
      this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + count);
    }
    if (result.violation !== null) this.#fail(result);
  }

  workerFailed(code: number): void {
    this.#workerCode = code;
  }

  finish(): void {
    const options = this.#options;
    const realS = (performance.now() - this.#startedMs) / 1000;
    const hours = this.#simulatedMs / 3_600_000;
    const last = this.#runs === 1 ? "" : ` from ${options.seed}`;
    const lines = [
      `seeds       ${this.#runs}${last}${options.broken.size > 0 ? `, without the rule ${this.#rules}` : ""}`,
      `simulated   ${hours.toFixed(2)} hours in ${realS.toFixed(1)} s, ${this.#steps} events`,
      `clusters    ${
        [...this.#origins].sort().map(([origin, count]) => `${ORIGINS[origin]} ${count}`).join(", ")
      }`,
      `faults      ${
        [...this.#faults].sort(([a], [b]) => a < b ? -1 : 1).map(([kind, count]) => `${kind} ${count}`).join(
          ", ",
        ) || "none"
      }`,
      `happened    ${this.#failovers} failovers, ${this.#switchovers} requests done, ${this.#elections} raft elections, ${this.#freezes} freezes, ` +
      `${this.#lostBytes} bytes of asynchronous writes left behind, ${
        (this.#failsafeMs / 1000).toFixed(0)
      } s in failsafe mode, ${(this.#aloneMs / 1000).toFixed(2)} s written beside a holder that was heard, ` +
      `${(this.#vainMs / 1000).toFixed(1)} s with a lock held in vain, ` +
      `${(this.#sickMs / 1000).toFixed(1)} s with a lock held by a sick member`,
      ...(this.#sync.acknowledged === 0 ? [] : [
        `promised    ${this.#sync.acknowledged} acknowledgements that must survive, ${this.#sync.elected} grants by votes, ` +
        `${this.#sync.ended} promises ended by operators, ` +
        `${this.#sync.overlaps} times two primaries at once (clocks without bounds)`,
      ]),
      `recovery    slowest ${(this.#slowestRecoveryMs / 1000).toFixed(1)} s (seed ${this.#slowestSeed})`,
      `violations  ${this.violations}${
        this.#failedSeeds.length > 0 ? ` (seeds ${this.#failedSeeds.join(" ")})` : ""
      }`,
    ];
    if (this.unnoticed) lines.push(`UNNOTICED   no run shows that ${this.#rules} is missing`);
    if (this.#workerCode !== null) lines.push(`a worker ended with code ${this.#workerCode}`);
    this.#write(`${lines.join("\n")}\n`);
  }

  get #rules(): string {
    return [...this.#options.broken].join(", ");
  }

  #fail(result: RunResult): void {
    const options = this.#options;
    this.violations++;
    this.#failedSeeds.push(result.seed);
    const tail = options.trace || this.violations > TAILS ? [] : result.tail.slice(-TAIL_LINES);
    this.#write(
      `seed ${result.seed}: ${result.violation}\n` +
        `  at step ${result.steps}, version ${VERSION}${
          this.#commit === null ? "" : ` (${this.#commit})`
        }\n` +
        `  replay: ${replayCommand(options, result.seed)}\n` +
        tail.map((line) => `  | ${line}\n`).join(""),
    );
  }
}

const ORIGINS: { readonly [origin in Origin]: string } = {
  empty: "from empty directories",
  running: "from servers that ran",
  standby: "following another one",
};

/** The command line that runs one seed again as it was run, with its event log. */
export function replayCommand({ broken, only, sync, roles, faultSeconds }: Options, seed: number): string {
  const rule = broken.size > 0 ? ` --break ${[...broken].join("")}` : "";
  const kind = only === null ? "" : ` --only ${only}`;
  const phase = faultSeconds === DEFAULT_FAULT_SECONDS ? "" : ` --fault-seconds ${faultSeconds}`;
  return `npm run sim -- --seed ${seed}${rule}${sync ? " --sync" : ""}${
    roles ? " --roles" : ""
  }${kind}${phase} --trace`;
}
