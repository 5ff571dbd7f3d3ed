/**
 * `npm run sim`: runs the simulated cluster over many seeds, on all cores, and says what it saw. Exits with 1 when a
 * run broke an invariant, with 2 when it was called in a way that makes no sense.
 */
import { type Options, parseOptions, USAGE } from "./options.ts";
import { Report } from "./report.ts";
import { type RunResult, runSeed } from "./run_seed.ts";

const WORKERS = 2;

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
    trace: options.trace ? (line) => process.stderr.write(`${line}\n`) : null,
  });
}

async function dispatch(options: Options, args: readonly string[]): Promise<number> {
  const report = new Report(options);
  const children = Array.from(
    { length: Math.min(WORKERS, options.seeds) },
    (_, k) =>
      Bun.spawn([process.execPath, import.meta.path, ...args, "--worker", `${k}/${WORKERS}`], {
        stdout: "pipe",
        stderr: "inherit",
      }),
  );
  const decided = () => {
    if (report.violations > 0 && options.broken.size > 0) { for (const child of children) child.kill(); }
  };
  await Promise.all(children.map(async (child) => {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) report.add(JSON.parse(line) as RunResult);
      decided();
    }
    const code = await child.exited;
    if (code !== 0 && !(options.broken.size > 0 && report.violations > 0)) report.workerFailed(code);
  }));
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
    const report = new Report(options);
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
