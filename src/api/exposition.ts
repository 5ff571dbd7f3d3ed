/**
 * The text format of Prometheus, 0.0.4. A metric is described once; a line costs a concatenation, so that a
 * scrape costs the host next to nothing.
 */
import type { HistogramReading } from "../model/measures.ts";

export type Labels = { readonly [label: string]: string };

/** `# HELP` and `# TYPE`. `comment`: a line of its own behind the help, without the #. */
export function head(name: string, type: string, help: string, comment?: string): string {
  const more = comment === undefined ? "" : `# ${comment}\n`;
  return `# HELP ${name} ${helpText(help)}\n${more}# TYPE ${name} ${type}\n`;
}

/** `scope="demo",name="node1"`. */
export function labelText(labels: Labels): string {
  let text = "";
  for (const label in labels) text += `${text === "" ? "" : ","}${label}="${escaped(labels[label]!)}"`;
  return text;
}

/** `common`, `own`: label texts; `own` may be empty. */
export function line(name: string, common: string, own: string, value: number | string): string {
  return own === "" ? `${name}{${common}} ${value}\n` : `${name}{${common},${own}} ${value}\n`;
}

export function histogramLines(name: string, common: string, reading: HistogramReading): string {
  const { buckets, count, sumS } = reading;
  let text = "";
  for (const { leS, count } of buckets) text += line(`${name}_bucket`, common, `le="${leS}"`, count);
  return text + line(`${name}_bucket`, common, 'le="+Inf"', count) + line(`${name}_sum`, common, "", sumS) +
    line(`${name}_count`, common, "", count);
}

function helpText(text: string): string {
  return text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n");
}

function escaped(value: string): string {
  return /[\\\n"]/.test(value)
    ? value.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/"/g, '\\"')
    : value;
}
