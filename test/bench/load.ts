/**
 * A cluster on an overloaded host: is a primary that lives ever taken for dead? Counts freezes and failovers,
 * and reads how late event loop, guard and renewals came from the members themselves.
 */
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { sleep } from "../../src/demo/wait_for.ts";
import { BadCable } from "../chaos/cable.ts";
import type { Network } from "../e2e/network.ts";
import { octavesText } from "./histogram.ts";
import { latencyMeasurement } from "./latency.ts";
import { atMost, eachAtMost, type Measurement, measurement, NO_GOAL } from "./measurement.ts";
import { Pgbench } from "./pgbench.ts";
import { standstillsIn } from "./reign.ts";
import { scrape, type Series } from "./scrape.ts";
import { Stress } from "./stress.ts";

const CLIENTS = 20;
const LOOK_MS = 1000;
/** Within the 5 minutes that the members' quantiles look back. */
const READ_MS = 240_000;
const HEALTHY_MS = 120_000;

const KINDS = [
  { what: "event_loop", text: "event loop late", histogram: "agent_event_loop_late_seconds_bucket" },
  { what: "guard", text: "guard's timer late", histogram: "agent_guard_late_seconds_bucket" },
  { what: "renewal", text: "renewal, round trip", histogram: "agent_renewal_seconds_bucket" },
] as const;

export interface LoadOptions {
  readonly title: string;
  readonly minutes: number;
  /** They end by themselves, and are the price of a ttl that is too short for such a host. */
  readonly freezesAllowed: boolean;
  /** The nodes' own; null: they share this host's. */
  readonly network: Network | null;
  /** Part of the packets from one node to another that is lost. Needs a network. */
  readonly lossPart: number;
  readonly say: (text: string) => void;
}

export async function measureLoad(cluster: Cluster, options: LoadOptions): Promise<Measurement[]> {
  const { title, minutes, freezesAllowed, network, say } = options;
  let primary = await cluster.waitHealthy();
  await Pgbench.prepare(cluster, primary);
  // Copying that took them a while; the load is to meet a healthy cluster.
  primary = await cluster.waitHealthy(HEALTHY_MS);
  const before = await readings(cluster);
  const frozenBefore = cluster.hosts.map((host) => standstillsIn(host.log()).length);
  const frozenMs = () => standstills(cluster, frozenBefore);
  const runs: Float64Array[] = [];
  const failures: string[] = [];
  const polls: Series[][] = [];
  let epoch = epochOf(before);
  let failovers = 0;
  let clientErrors = 0;
  let said = "";
  // Beside the primary: over a bad cable it would be slow, and no load.
  const startPgbench = (host: Host) =>
    Pgbench.start(cluster, host, {
      clients: CLIENTS,
      rate: 0,
      inside: network?.inside(cluster.hosts.indexOf(host) + 1) ?? [],
    });
  let pgbench = startPgbench(primary);
  const endPgbench = async () => {
    const result = await pgbench.stop();
    runs.push(result.latenciesMs);
    clientErrors += result.errors.length;
  };
  const stress = new Stress(cluster.directory);
  const cables = network === null ? [] : badCables(cluster, network, options.lossPart);
  const conditions = () => [stress.text(), ...cables.map(lossText)].join("; ");
  try {
    const endMs = nowMs() + minutes * 60_000;
    let readMs = nowMs() + READ_MS;
    let saidMs = nowMs();
    while (nowMs() < endMs) {
      await sleep(LOOK_MS);
      const now = await readings(cluster);
      const newest = epochOf(now);
      if (newest > epoch) {
        failovers += newest - epoch;
        failures.push(`the lock changed hands: epoch ${epoch} to ${newest}`);
        say(`${title}: FAILOVER\n${cluster.logs(80)}`);
        epoch = newest;
        primary = await cluster.waitForPrimary(HEALTHY_MS);
        await endPgbench();
        pgbench = startPgbench(primary);
      }
      if (nowMs() > readMs) {
        readMs += READ_MS;
        polls.push(now);
      }
      if (nowMs() > saidMs + 60_000) {
        saidMs += 60_000;
        say(
          `${title}: ${failovers} failovers, ${frozenMs().length} freezes; ${conditions()}`,
        );
      }
    }
    polls.push(await readings(cluster));
    said = conditions();
  } finally {
    for (const cable of cables) await cable.remove();
    stress.stop();
    await endPgbench();
  }
  const last = polls.at(-1)!;
  const freezeGoal = freezesAllowed ? NO_GOAL : eachAtMost(0, "");
  return [
    measurement(
      `${title}, ${minutes} min: failovers`,
      "",
      eachAtMost(0, ""),
      [failovers],
      failures,
      said,
    ),
    measurement(`${title}: freezes`, "", freezeGoal, [frozenMs().length]),
    measurement(`${title}: how long each`, "ms", NO_GOAL, frozenMs()),
    measurement(`${title}: client errors`, "", eachAtMost(0, ""), [clientErrors]),
    ...KINDS.flatMap((kind) => late(title, kind, polls, before, last)),
    latencyMeasurement(`${title}: transactions of ${CLIENTS} clients`, runs),
  ];
}

/** Readings of all members that answer; one that cannot be asked now is asked again. */
async function readings(cluster: Cluster): Promise<Series[]> {
  const ask = async (host: Host) => {
    try {
      return await scrape(host);
    } catch {
      return []; // too busy to answer: the bench makes it so on purpose
    }
  };
  return (await Promise.all(cluster.hosts.map(ask))).flat();
}

function epochOf(series: readonly Series[]): number {
  return Math.max(0, ...series.filter(({ name }) => name === "agent_lease_epoch").map(({ value }) => value));
}

/** How long each freeze lasted; the first `before` of each host do not count. */
function standstills(cluster: Cluster, before: readonly number[]): number[] {
  return cluster.hosts.flatMap((host, i) => standstillsIn(host.log()).slice(before[i]));
}

/** Between two nodes lie two cables, and a packet must survive both. */
function badCables(cluster: Cluster, network: Network, lossPart: number): BadCable[] {
  const settings = { delayMs: 0, jitterMs: 0, lossPart: 1 - Math.sqrt(1 - lossPart) };
  // A cable waits for no processor: the load is to slow the nodes, not what stands for the network.
  return cluster.hosts.map((_, i) => new BadCable(network, i + 1, settings, ["chrt", "--rr", "10"]));
}

function lossText({ report: { passed, lost } }: BadCable, index: number): string {
  return `cable ${index + 1} lost ${lost} of ${passed + lost} packets`;
}

function late(
  title: string,
  { what, text, histogram }: (typeof KINDS)[number],
  polls: readonly Series[][],
  before: readonly Series[],
  last: readonly Series[],
): Measurement[] {
  const budgetMs = 1000 *
    (last.find((one) => one.name === "agent_late_budget_seconds" && one.labels["what"] === what)?.value ?? 0);
  const of = (quantile: string) =>
    polls.flat().filter(({ name, labels }) =>
      name === "agent_late_seconds" && labels["what"] === what && labels["q"] === quantile
    ).map(({ value }) => 1000 * value);
  const worst = (quantile: string) => Math.max(...of(quantile)).toFixed(1);
  const note = `in the worst 5 minutes of a member p50 ${worst("0.5")} ms, p99 ${worst("0.99")} ms, p99.9 ${
    worst("0.999")
  } ms, max ${worst("1")} ms; ${octavesText(counted(histogram, before, last))}`;
  return [
    measurement(`${title}: ${text}, p99.9`, "ms", atMost(budgetMs, "ms"), of("0.999"), [], note),
    measurement(`${title}: ${text}, max`, "ms", NO_GOAL, of("1")),
  ];
}

/** What the members' histograms have counted in between, each octave by itself. */
function counted(name: string, before: readonly Series[], last: readonly Series[]) {
  const upTo = (series: readonly Series[]) => {
    const sums = new Map<number, number>();
    for (const one of series) {
      if (one.name !== name) continue;
      const boundMs = 1000 * Number(one.labels["le"]?.replace("+Inf", "Infinity"));
      sums.set(boundMs, (sums.get(boundMs) ?? 0) + one.value);
    }
    return sums;
  };
  const [old, now] = [upTo(before), upTo(last)];
  let below = 0;
  return [...now.keys()].sort((a, b) => a - b).map((boundMs) => {
    const all = now.get(boundMs)! - (old.get(boundMs) ?? 0);
    const count = all - below;
    below = all;
    return { boundMs, count };
  }).filter(({ count }) => count > 0);
}
