/**
 * Asks `postgres` itself whether it can start with a configuration. One name mistyped in the dynamic
 * configuration would otherwise keep every server of the cluster from starting, days later.
 */
import type { Programs } from "./programs.ts";
import { runProgram, succeeded } from "./run_program.ts";

/** Names of parameters that `postgres` complained about, in its messages under LC_ALL=C. */
export function complainedParameters(output: string): string[] {
  const names = new Set<string>();
  for (const line of output.split("\n")) {
    if (/WARNING:/.test(line)) continue;
    const name = /parameter(?: name)? "([^"]+)"/.exec(line)?.[1];
    if (name !== undefined) names.add(name);
  }
  return [...names];
}

/**
 * Reads the file (and what it includes) without starting anything. Empty complaints with ok false: something
 * else.
 */
export async function checkConf(
  programs: Programs,
  dataDir: string,
  file: string,
): Promise<{ ok: boolean; complaints: string[]; output: string }> {
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
  return { ok: succeeded(result), complaints: complainedParameters(output), output };
}
