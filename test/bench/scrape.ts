/** `GET /metrics` of a host as numbers. */
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { cpuMs } from "../../src/demo/processes.ts";
import { sleep } from "../../src/demo/wait_for.ts";
import { atMost, type Measurement, measurement } from "./measurement.ts";

export interface Series {
  readonly name: string;
  readonly labels: { readonly [label: string]: string };
  readonly value: number;
}

export async function scrape(host: Host): Promise<Series[]> {
  const { status, text } = await host.rest("/metrics", { timeoutMs: 5000 });
  if (status !== 200) throw new Error(`GET /metrics of ${host.name} answered ${status}`);
  return text.split("\n").flatMap((line) => {
    const match = /^([a-z_]+)\{(.*)\} (\S+)$/.exec(line);
    if (match === null) return [];
    const labels = [...match[2]!.matchAll(/([a-z]+)="([^"]*)"/g)].map(([, name, value]) => [name!, value!]);
    return [{ name: match[1]!, labels: Object.fromEntries(labels), value: Number(match[3]) }];
  });
}

/** Value of a metric with one line. */
export function only(series: readonly Series[], name: string): number {
  const found = series.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found.value;
}

const SCRAPES_A_SECOND = 10;
const SCRAPES_MS = 20_000;

/**
 * What one GET of a member costs: CPU of its agent at ten a second to each member, less what it uses at rest,
 * and the length of the body.
 */
export async function costOfScrape(
  cluster: Cluster,
  path: string,
): Promise<{ readonly cpuMs: number; readonly bytes: number }> {
  await cluster.waitHealthy();
  const used = () => cluster.hosts.reduce((sum, host) => sum + cpuMs(host.agentPid()!), 0);
  const costOf = async (work: () => Promise<void>) => {
    const [begin, beginCpuMs] = [nowMs(), used()];
    while (nowMs() - begin < SCRAPES_MS) {
      await work();
      await sleep(1000 / SCRAPES_A_SECOND);
    }
    return (used() - beginCpuMs) / (nowMs() - begin);
  };
  let answers = 0;
  let bytes = 0;
  const ask = async (host: Host) => {
    const { status, text } = await host.rest(path, { timeoutMs: 5000 });
    if (status !== 200) throw new Error(`GET ${path} of ${host.name} answered ${status}`);
    answers++;
    bytes = text.length;
  };
  const askAll = async () => {
    await Promise.all(cluster.hosts.map(ask));
  };
  await costOf(askAll);
  const atRest = await costOf(() => Promise.resolve());
  answers = 0;
  const asked = await costOf(askAll);
  return { cpuMs: (asked - atRest) * SCRAPES_MS / answers, bytes };
}

/** CPU of all agents for a scrape of each in a second. */
export async function measureScrapes(cluster: Cluster): Promise<Measurement> {
  const { cpuMs: cpuMsOfOne } = await costOfScrape(cluster, "/metrics");
  const perCent = cpuMsOfOne * cluster.hosts.length / 10;
  return measurement("scrapes of all members, one a second each", "%", atMost(0.3, "%"), [perCent]);
}
