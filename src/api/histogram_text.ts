/**
 * A histogram that was counted elsewhere, in the text format of Prometheus. prom-client's own counts for
 * itself and cannot be given counts, so its lines are written here.
 */
import type { HistogramReading } from "./port.ts";

export function histogramText(
  name: string,
  help: string,
  labels: { readonly [label: string]: string },
  { buckets, count, sumS }: HistogramReading,
): string {
  const own = Object.entries(labels).map(([label, value]) => `${label}="${escaped(value)}"`).join(",");
  const bucket = (le: string | number, value: number) => `${name}_bucket{${own},le="${le}"} ${value}\n`;
  return `# HELP ${name} ${help}\n# TYPE ${name} histogram\n` +
    buckets.map(({ leS, count }) => bucket(leS, count)).join("") + bucket("+Inf", count) +
    `${name}_sum{${own}} ${sumS}\n${name}_count{${own}} ${count}\n`;
}

function escaped(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/"/g, '\\"');
}
