/**
 * The decisions of a run, decided anew by `agent replay`: all of them must come out as they were recorded.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../../src/demo/host.ts";
import { run } from "../../src/demo/run.ts";
import { binary } from "../e2e/environment.ts";
import { DECISIONS } from "./chaos_cluster.ts";

export interface Replayed {
  readonly decisions: number;
  readonly violations: readonly string[];
}

const REPLAY_MS = 600_000;

export async function replayAll(hosts: readonly Host[]): Promise<Replayed> {
  const results = await Promise.all(hosts.map(replayed));
  return {
    decisions: results.reduce((sum, { decisions }) => sum + decisions, 0),
    violations: results.flatMap(({ violations }) => violations),
  };
}

async function replayed({ name, directory }: Host): Promise<Replayed> {
  const files = readdirSync(directory).filter((file) => new RegExp(`^${DECISIONS}(\\.\\d+)?$`).test(file));
  if (files.length === 0) return { decisions: 0, violations: [`${name} has recorded no decisions`] };
  const { code, output } = await run(binary, ["replay", ...files.map((file) => join(directory, file))], "/", {
    timeoutMs: REPLAY_MS,
  });
  return judgeReplay(name, code, output);
}

/** Judges the output of `agent replay`. */
export function judgeReplay(name: string, code: number, output: string): Replayed {
  const counts = [...output.matchAll(/: (\d+) decisions?, (\d+) as recorded(.*)$/gm)];
  const decisions = counts.reduce((sum, [, all]) => sum + Number(all), 0);
  const isGood = code === 0 && decisions > 0 &&
    counts.every(([, all, same, rest]) => all === same && rest === "");
  return { decisions, violations: isGood ? [] : [`decisions of ${name} are decided differently: ${output}`] };
}
