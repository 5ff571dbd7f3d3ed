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

/** CPU of all agents for a scrape of each in a second: at ten times that rate, less what they use at rest. */
export async function measureScrapes(cluster: Cluster): Promise<Measurement> {
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
  const scrapeAll = async () => {
    rounds++;
    await Promise.all(cluster.hosts.map(scrape));
  };
  let rounds = 0;
  await costOf(scrapeAll);
  const atRest = await costOf(() => Promise.resolve());
  rounds = 0;
  const scraped = await costOf(scrapeAll);
  const cpuMsOfOne = (scraped - atRest) * SCRAPES_MS / rounds;
  return measurement("scrapes of all members, one a second each", "%", atMost(0.3, "%"), [cpuMsOfOne / 10]);
}
