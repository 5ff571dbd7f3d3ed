/**
 * Asks `postgres` itself whether it can start with a configuration. One name mistyped in the dynamic
 * configuration would otherwise keep every server of the cluster from starting, days later.
 */
import type { Programs } from "./programs.ts";
import { runProgram, succeeded } from "./run_program.ts";

/** A parameter that `postgres` does not take as it is. */
export interface Complaint {
  readonly name: string;
  /** The end of the valid range that lies next to the value, with its unit; null: there is none. */
  readonly bound: string | null;
}

const OUTSIDE =
  /(-?[\d.e+]+)(?: (\w+))? is outside the valid range for parameter "([^"]+)" \((-?[\d.e+]+)(?: \w+)? \.\. (-?[\d.e+]+)/;

/** The complaints in the messages of `postgres` under LC_ALL=C, each parameter once. */
export function complaintsIn(output: string): Complaint[] {
  const found = new Map<string, Complaint>();
  for (const line of output.split("\n")) {
    if (/WARNING:/.test(line)) continue;
    const name = /parameter(?: name)? "([^"]+)"/.exec(line)?.[1];
    if (name === undefined) continue;
    const outside = OUTSIDE.exec(line);
    found.set(name, { name, bound: outside === null ? null : nearestBound(outside) });
  }
  return [...found.values()];
}

function nearestBound([, value, unit = "", , min, max]: RegExpExecArray): string {
  return `${Number(value) < Number(min) ? min : max}${unit}`;
}

/**
 * Reads the file (and what it includes) without starting anything. Empty complaints with ok false: another
 * problem.
 */
export async function checkConf(
  programs: Programs,
  dataDir: string,
  file: string,
): Promise<{ ok: boolean; complaints: Complaint[]; output: string }> {
  // The file itself must not silence what is to be read, or turn it into something that cannot be.
  const loud = [
    "--log_min_messages=log",
    "--log_destination=stderr",
    "--log_line_prefix=",
    "--logging_collector=off",
  ];
  const args = ["-D", dataDir, "-C", "data_directory", `--config_file=${file}`, ...loud, "--lc_messages=C"];
  const result = await runProgram(programs.path("postgres"), args, { timeoutMs: 10_000 });
  const output = result.stderr.trim();
  return { ok: succeeded(result), complaints: complaintsIn(output), output };
}
