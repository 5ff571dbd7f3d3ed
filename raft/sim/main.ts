/**
 * `npm run sim:raft`: raft alone under faults, once for each seed, on all cores. Its last line sums up the
 * runs. Exits with 1 when a promise was broken, with 2 for wrong arguments.
 */
import { parseArgs } from "node:util";
import type { BrokenRule } from "../core/broken_rules.ts";
import { RaftRun, type RaftRunResult } from "./raft_sim.ts";
import { overWorkers, type Share, shareOf } from "./seed_workers.ts";
import { sourceVersion } from "./source_version.ts";
import { Violation } from "./world.ts";

const TAIL_LINES = 60;
const PROGRESS_MS = 10_000;

const BREAKABLE: { readonly [rule in BrokenRule]: string } = {
  "ack-before-fsync": "entries are acknowledged before they are durable",
  "vote-not-persisted": "term and vote are not written",
  "commit-old-term": "entries of older terms are committed by counting",
  "no-read-quorum": "reads are confirmed without asking anybody",
  "count-hung-disks": "a membership change counts members that only talk, and whose disks hang",
  "recover-committed": "recovery: entries that the survivor does not know to be committed are left out",
  "recover-same-id": "recovery: the new cluster keeps the id of the old one",
};

const USAGE = `Usage: npm run sim:raft -- [options]

Runs raft (production code) with clients, operators and faults in a simulated world, once for each seed.

  --seeds N          number of runs (default 1000; 1 when only --seed is given)
  --seed S           first seed (default 1)
  --fault-seconds S  length of the phase with faults of a run (default 60)
  --break RULE       switch a rule off; ends at the first violation
  --trace            print the event log as it happens (best with one seed)
  --help             this text

Rules for --break:
${Object.entries(BREAKABLE).map(([name, text]) => `  ${name.padEnd(20)}${text}`).join("\n")}

Exit code: 0 no violation, 1 a violation (how to replay it is printed), 2 wrong use, 3 a broken rule that nothing noticed.
`;

interface Options {
  readonly seeds: number;
  readonly seed: number;
  readonly faultSeconds: number;
  readonly rule: BrokenRule | null;
  readonly trace: boolean;
  readonly share: Share | null;
}

function isRule(name: string): name is BrokenRule {
  return Object.hasOwn(BREAKABLE, name);
}

/** Result of a run, as a worker prints it. */
interface Seen extends RaftRunResult {
  readonly seed: number;
  readonly violation: string | null;
  readonly tail: readonly string[];
}

/** Reads the arguments. Null: the usage is asked for. Throws with a sentence about what is wrong. */
function optionsOf(args: readonly string[]): Options | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: "string" },
      seed: { type: "string" },
      "fault-seconds": { type: "string" },
      break: { type: "string" },
      worker: { type: "string" },
      trace: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return null;
  const number = (name: "seeds" | "seed" | "fault-seconds", fallback: number) => {
    const text = values[name];
    if (text === undefined) return fallback;
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || (value === 0 && name !== "seed")) {
      throw new Error(`--${name} ${text}: a whole number above 0 is expected`);
    }
    return value;
  };
  const rule = values.break ?? null;
  if (rule !== null && !isRule(rule)) {
    throw new Error(`--break ${rule}: no such rule; known are ${Object.keys(BREAKABLE).join(", ")}`);
  }
  return {
    seeds: number("seeds", values.seed === undefined ? 1000 : 1),
    seed: number("seed", 1),
    faultSeconds: number("fault-seconds", 60),
    rule,
    trace: values.trace ?? false,
    share: values.worker === undefined ? null : shareOf(values.worker),
  };
}

function runOne({ faultSeconds, rule, trace }: Options, seed: number): Seen {
  const run = new RaftRun({
    seed,
    faultsMs: faultSeconds * 1000,
    broken: new Set(rule === null ? [] : [rule]),
    trace: trace ? (line) => process.stderr.write(`${line}\n`) : undefined,
  });
  let violation: string | null = null;
  try {
    run.run();
  } catch (error) {
    violation = error instanceof Violation ? error.message : `exception: ${(error as Error).stack ?? error}`;
  }
  return { ...run.result(), seed, violation, tail: violation === null ? [] : run.tail(TAIL_LINES) };
}

/** Adds up runs, and prints the first violations as they come. */
class Summary {
  violations: number[] = [];
  #sums = { runs: 0, simulatedMs: 0, steps: 0, elections: 0, changes: 0, operations: 0 };
  #faults = new Map<string, number>();
  #startedMs = performance.now();
  #saidMs = performance.now();

  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  add(seen: Seen): void {
    const { seeds, rule, faultSeconds, trace } = this.#options;
    const sums = this.#sums;
    sums.runs++;
    for (const key of ["simulatedMs", "steps", "elections", "changes", "operations"] as const) {
      sums[key] += seen[key];
    }
    for (const [kind, count] of Object.entries(seen.faults)) {
      this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + count);
    }
    if (performance.now() - this.#saidMs > PROGRESS_MS) {
      this.#saidMs = performance.now();
      process.stderr.write(`sim:raft: ${sums.runs} of ${seeds} seeds\n`);
    }
    if (seen.violation === null) return;
    this.violations.push(seen.seed);
    const replay = `npm run sim:raft -- --seed ${seen.seed}${rule === null ? "" : ` --break ${rule}`}` +
      `${faultSeconds === 60 ? "" : ` --fault-seconds ${faultSeconds}`} --trace`;
    const tail = trace || this.violations.length > 1 ? [] : seen.tail;
    const at = `step ${seen.steps}, ${(seen.simulatedMs / 1000).toFixed(4)} s`;
    const commit = sourceVersion();
    process.stdout.write(
      `seed ${seen.seed}, ${at}${
        commit === null ? "" : `, commit ${commit}`
      }: ${seen.violation}\n  replay: ${replay}\n${tail.map((line) => `  | ${line}\n`).join("")}`,
    );
  }

  get line(): string {
    const { runs, simulatedMs, steps, elections, changes, operations } = this.#sums;
    const faults = [...this.#faults].sort(([a], [b]) => a < b ? -1 : 1);
    const total = faults.reduce((sum, [, count]) => sum + count, 0);
    const seconds = (performance.now() - this.#startedMs) / 1000;
    return `sim:raft: ${runs} seeds from ${this.#options.seed}, ${
      (simulatedMs / 3_600_000).toFixed(2)
    } simulated ` +
      `hours in ${
        seconds.toFixed(0)
      } s, ${steps} steps, ${elections} elections, ${changes} membership changes, ` +
      `${total} faults (${faults.map(([kind, count]) => `${kind} ${count}`).join(", ")}), ` +
      `${operations} operations checked, ${this.violations.length} violations`;
  }
}

async function main(args: readonly string[]): Promise<number> {
  let options: Options | null;
  try {
    options = optionsOf(args);
  } catch (error) {
    process.stderr.write(`sim:raft: ${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (options === null) {
    process.stdout.write(USAGE);
    return 0;
  }
  const { seeds, seed, rule, share } = options;
  if (share !== null) {
    for (let i = share.offset; i < seeds; i += share.stride) {
      process.stdout.write(`${JSON.stringify(runOne(options, seed + i))}\n`);
    }
    return 0;
  }
  const summary = new Summary(options);
  let failed: number | null = null;
  if (seeds === 1) summary.add(runOne(options, seed));
  else {
    failed = await overWorkers(import.meta.path, args, seeds, (seen) => {
      summary.add(seen as Seen);
      return rule !== null && summary.violations.length > 0;
    });
  }
  if (failed !== null) process.stdout.write(`a worker ended with code ${failed}\n`);
  process.stdout.write(`${summary.line}\n`);
  if (rule !== null && summary.violations.length === 0 && failed === null) {
    process.stdout.write(
      `sim:raft: nothing has shown that the rule ${rule} is off: more seeds are needed, or a check\n`,
    );
    return 3;
  }
  return summary.violations.length > 0 || failed !== null ? 1 : 0;
}

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
}, (error) => {
  process.stderr.write(`sim:raft: ${error instanceof Error ? error.stack : error}\n`);
  process.exitCode = 1;
});
