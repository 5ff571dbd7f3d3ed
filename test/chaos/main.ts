/**
 * `npm run chaos`: a real cluster in network namespaces under random faults, clients that know what they were
 * told, and a verdict. Exit code 0 only if every invariant holds.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { whyNoFreezer } from "../e2e/freezer.ts";
import { hasNamespaces } from "../e2e/network.ts";
import { ChaosCluster } from "./chaos_cluster.ts";
import { histogramText } from "./outages.ts";
import { ChaosRun, type Outcome, type RunOptions } from "./run.ts";
import { FAULTS, type Mode } from "./schedule.ts";
import { findFaketime } from "./wall_clock.ts";

const MODES: readonly Mode[] = ["off", "on", "quorum"];

const USAGE = `usage: npm run chaos -- [--minutes M] [--seed S] [--nodes 3|5] [--mode off|on|quorum]
                       [--ttl SECONDS] [--only NAME,...] [--logs DIR]

A cluster in network namespaces under random faults, for M minutes (default 5), with a client that writes unique
values and others that check registers and append to lists. As root, with iproute2 and control groups of version 2.

  --seed S      the faults; the same seed draws the same ones (default: at random)
  --mode MODE   synchronous_mode (default quorum)
  --ttl N       lease of the primary (default 2)
  --only NAMES  faults with one of these in their names, of: ${FAULTS.map(({ name }) => name).join(", ")}
  --logs DIR    where logs and histories are left (default: a new directory, and only if an invariant fails)`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      help: { type: "boolean", default: false },
      minutes: { type: "string", default: "5" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
      nodes: { type: "string", default: "3" },
      mode: { type: "string", default: "quorum" },
      ttl: { type: "string", default: "2" },
      only: { type: "string", default: "" },
      logs: { type: "string", default: "" },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const mode = MODES.find((one) => one === values.mode);
  const [minutes, seed, nodes, ttlS] = [values.minutes, values.seed, values.nodes, values.ttl].map(Number);
  if (mode === undefined || ![3, 5].includes(nodes!) || !(minutes! > 0) || !Number.isInteger(seed)) {
    throw new Error(USAGE);
  }
  const why = whyNoFreezer() ?? (hasNamespaces() ? null : "network namespaces need root and iproute2");
  if (why !== null) throw new Error(why);
  const said: string[] = [];
  const options: RunOptions = {
    minutes: minutes!,
    seed: seed!,
    nodes: nodes!,
    ttlS: ttlS!,
    mode,
    faketime: findFaketime(),
    lacks: findFaketime() === null ? ["faketime"] : [],
    only: values.only.split(",").filter((name) => name !== ""),
    say: (text) => {
      said.push(text);
      process.stdout.write(`${text}\n`);
    },
  };
  options.say(`chaos: seed ${seed}, ${nodes} nodes, synchronous_mode ${mode}, ttl ${ttlS} s, ${minutes} min`);
  const chaos = await ChaosCluster.create(options);
  try {
    const outcome = await new ChaosRun(options, chaos).run();
    options.say(report(outcome));
    if (outcome.violations.length > 0 || values.logs !== "") keep(chaos, values.logs, said);
    return outcome.violations.length === 0 ? 0 : 1;
  } catch (error) {
    keep(chaos, values.logs, said);
    throw error;
  } finally {
    await chaos.destroy();
  }
}

function keep(chaos: ChaosCluster, asked: string, said: readonly string[]): void {
  const directory = asked === "" ? mkdtempSync(join(tmpdir(), "agent-chaos-")) : asked;
  mkdirSync(directory, { recursive: true });
  chaos.keepLogs(directory);
  writeFileSync(join(directory, "chaos.log"), said.map((line) => `${line}\n`).join(""));
  process.stdout.write(`logs, histories and decisions: ${directory}\n`);
}

function report(outcome: Outcome): string {
  const { faults, outages, transactions, violations } = outcome;
  const told = [...faults].sort(([a], [b]) => a < b ? -1 : 1).map(([name, { hit, missed }]) =>
    `  ${name.padEnd(16)} ${String(hit).padStart(4)}${
      missed > 0 ? ` (and ${missed} with nothing to hit)` : ""
    }`
  );
  const longest = ((outages.at(-1) ?? 0) / 1000).toFixed(1);
  return [
    `faults in ${outcome.rounds} rounds:`,
    ...told,
    `outages: ${outages.length}, the longest ${longest} s`,
    histogramText(outages),
    `values: ${outcome.acknowledged} acknowledged, ${outcome.lost} lost`,
    `transactions: ${transactions.ok} ok, ${transactions.fail} failed, ${transactions.unknown} unknown`,
    `decisions: ${outcome.decisions} decided anew`,
    violations.length === 0
      ? "every invariant holds"
      : `${violations.length} violations:\n${violations.map((text) => `  ${text}`).join("\n")}`,
  ].filter((line) => line !== "").join("\n");
}

main().then((code) => process.exit(code), (error: unknown) => {
  process.stderr.write(`chaos: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
