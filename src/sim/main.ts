/**
 * `npm run sim`: runs the simulated cluster over many seeds, on all cores, and prints the result. Exits with
 * 1 when a run broke an invariant, or a rule was switched off, with 2 on wrong use.
 */
import { overWorkers, sourceVersion } from "../../raft/sim/mod.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { Report } from "./report.ts";
import { type RunResult, runSeed } from "./run_seed.ts";

/** Runs every `stride`-th seed and prints each result as a line of JSON. */
function work(options: Options, offset: number, stride: number): void {
  const untilMs = performance.now() + options.seconds * 1000;
  let simulatedMs = 0;
  for (let i = offset; i < options.seeds; i += stride) {
    if (performance.now() > untilMs || simulatedMs > options.hours * 3_600_000 / stride) break;
    const result = runOne(options, options.seed + i);
    simulatedMs += result.simulatedMs;
    process.stdout.write(`${JSON.stringify(result)}\n`);
    if (result.violation !== null && options.broken.size > 0) break;
  }
}

function runOne(options: Options, seed: number): RunResult {
  return runSeed({
    seed,
    faultsMs: options.faultSeconds * 1000,
    broken: options.broken,
    only: options.only,
    sync: options.sync,
    roles: options.roles,
    trace: options.trace ? (line) => process.stderr.write(`${line}\n`) : null,
  });
}

async function dispatch(options: Options, args: readonly string[]): Promise<number> {
  const report = new Report(options, sourceVersion());
  const code = await overWorkers(import.meta.path, args, options.seeds, (result) => {
    report.add(result as RunResult);
    return report.violations > 0 && options.broken.size > 0;
  });
  if (code !== null) report.workerFailed(code);
  report.finish();
  return report.failed ? 1 : 0;
}

async function main(args: readonly string[]): Promise<number> {
  const parsed = parseOptions(args);
  if (parsed.kind === "help") {
    process.stdout.write(USAGE);
    return 0;
  }
  if (parsed.kind === "error") {
    process.stderr.write(`sim: ${parsed.message}\n\n${USAGE}`);
    return 2;
  }
  const { options } = parsed;
  if (options.worker !== null) {
    work(options, options.worker.offset, options.worker.stride);
    return 0;
  }
  if (options.seeds === 1) {
    const report = new Report(options, sourceVersion());
    report.add(runOne(options, options.seed));
    report.finish();
    return report.failed ? 1 : 0;
  }
  return await dispatch(options, args);
}

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
}, (error) => {
  process.stderr.write(`sim: ${error instanceof Error ? error.stack : error}\n`);
  process.exitCode = 1;
});
