/** What is said of failed seeds, and of rules whose absence nothing shows. */
import { expect, test } from "bun:test";
import { type Options, parseOptions } from "./options.ts";
import { Report } from "./report.ts";
import type { RunResult } from "./run_seed.ts";

function options(...args: string[]): Options {
  const parsed = parseOptions(args);
  if (parsed.kind !== "options") throw new Error(parsed.kind);
  return parsed.options;
}

function result(violation: string | null): RunResult {
  return {
    origin: "empty",
    seed: 7,
    violation,
    tail: ["the last event"],
    simulatedMs: 1000,
    steps: 4711,
    faults: {},
    failovers: 0,
    switchovers: 0,
    elections: 1,
    freezes: 0,
    lostBytes: 0,
    sync: { acknowledged: 0, elected: 0, ended: 0, overlaps: 0 },
    failsafeMs: 0,
    aloneMs: 0,
    vainMs: 0,
    sickMs: 0,
    recoveryMs: 0,
  };
}

/** What a report prints of one run, and whether that is a failure. */
function reported(violation: string | null, ...args: string[]): { text: string; failed: boolean } {
  const lines: string[] = [];
  const report = new Report(options(...args), "abc1234", (text) => lines.push(text));
  report.add(result(violation));
  report.finish();
  return { text: lines.join(""), failed: report.failed };
}

test("a failed seed is reported with the step, the version and commit, and the command that replays it", () => {
  const { text, failed } = reported(
    "never two writers: both",
    "--break",
    "no-reset",
    "--only",
    "isolate",
    "--fault-seconds",
    "20",
  );
  expect(failed).toBe(true);
  expect(text).toContain("seed 7: never two writers: both\n");
  expect(text).toMatch(/at step 4711, version \d+\.\d+\.\d+ \(abc1234\)/);
  expect(text).toContain(
    "npm run sim -- --seed 7 --break no-reset --only isolate --fault-seconds 20 --trace\n",
  );
  expect(text).toContain("  | the last event\n");
});

test("with all rules a run without a violation is none", () => {
  const { text, failed } = reported(null);
  expect(failed).toBe(false);
  expect(text).toContain("violations  0\n");
});

test("a rule that was switched off and is not missed is a failure of the simulator", () => {
  const { text, failed } = reported(null, "--break", "no-reset");
  expect(failed).toBe(true);
  expect(text).toContain("UNNOTICED   no run shows that no-reset is missing\n");
});
