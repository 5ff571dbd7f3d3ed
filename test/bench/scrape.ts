/** `GET /metrics` of a host as numbers. */
import type { Host } from "../../src/demo/host.ts";

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
