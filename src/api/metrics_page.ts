/**
 * The text of `GET /metrics`. A scrape runs code that has grown cold since the last one, and costs by how
 * much of it: lines of an earlier page are used again while their values are the same, and what stands before
 * a value is made once for a name of the node.
 */
import { VERSION } from "../model/version.ts";
import {
  AGENT_METRICS,
  EVENT_METRICS,
  FILE_METRICS,
  LATENESS_METRICS,
  TROUBLE_METRICS,
} from "./agent_metrics.ts";
import { COPY_METRICS } from "./copy_metrics.ts";
import { fixedLabels, head, labelText } from "./exposition.ts";
import { HEALTH_METRICS } from "./health_metrics.ts";
import { HOOK_METRICS } from "./hook_metrics.ts";
import { LOOP_HISTOGRAM, MEASURE_METRICS, RAFT_SYNC_HISTOGRAM } from "./measure_metrics.ts";
import {
  type Histogram,
  LEGACY_METRICS,
  type Look,
  type Metric,
  PATRONI_METRICS,
} from "./patroni_metrics.ts";
import type { ApiPort } from "./port.ts";
import { SLOT_METRICS } from "./slot_metrics.ts";
import { statusJson } from "./status.ts";

/** The part of the agent that metrics are taken from. */
export type MetricsSource = Pick<
  ApiPort,
  "view" | "holdsLease" | "leaseRemainingMs" | "measures" | "measuredLateness" | "clocks" | "lateness"
>;

const OF_VERSION = fixedLabels({ version: VERSION });
const INFO: Metric = {
  name: "agent_info",
  help: "Value is always 1; the version of the agent is in the label.",
  type: "gauge",
  value: () => [{ labels: OF_VERSION, value: 1 }],
};

const ALWAYS: readonly Metric[] = [
  ...PATRONI_METRICS,
  ...AGENT_METRICS,
  ...FILE_METRICS,
  ...TROUBLE_METRICS,
  ...EVENT_METRICS,
  ...COPY_METRICS,
  ...HOOK_METRICS,
  ...HEALTH_METRICS,
  ...SLOT_METRICS,
  ...MEASURE_METRICS,
  INFO,
];
const HISTOGRAMS: readonly Histogram[] = [...LATENESS_METRICS, LOOP_HISTOGRAM, RAFT_SYNC_HISTOGRAM];

export interface WrittenPage {
  readonly text: string;
  /** As the text says. */
  readonly holdsLease: boolean;
  readonly leaseRemainingMs: number;
}

/** One for each source: the lines of its last page are used again. */
export class MetricsPage {
  #scope: string | null = null;
  #name = "";
  #always: readonly Family[] = [];
  #legacy: readonly Family[] = [];
  #histograms: readonly HistogramFamily[] = [];

  write(source: MetricsSource): WrittenPage {
    const view = source.view();
    const { scope, name, restapi } = view.config;
    if (scope !== this.#scope || name !== this.#name) this.#describe(scope, name);
    const look = lookAt(source, view);
    // Joined, and not added one to the other: the runtime would keep what is added as a tree of all its parts,
    // and walk that for the text.
    const parts: string[] = [];
    for (const family of this.#always) family.write(parts, look);
    if (restapi.legacyMetrics) { for (const family of this.#legacy) family.write(parts, look); }
    for (const family of this.#histograms) family.write(parts, look);
    const { holdsLease, leaseRemainingMs } = look;
    return { text: parts.join(""), holdsLease, leaseRemainingMs };
  }

  #describe(scope: string, name: string): void {
    this.#scope = scope;
    this.#name = name;
    const common = labelText({ scope, name });
    this.#always = ALWAYS.map((metric) => new Family(metric, common));
    this.#legacy = LEGACY_METRICS.map((metric) => new Family(metric, common));
    this.#histograms = HISTOGRAMS.map((histogram) => new HistogramFamily(histogram, common));
  }
}

function lookAt(source: MetricsSource, view: Look["view"]): Look {
  // In this order: a lease that ends between the two must not look like one that is held without time.
  const leaseRemainingMs = source.leaseRemainingMs();
  return {
    view,
    status: statusJson(view),
    measures: source.measures(),
    late: source.measuredLateness(),
    clocks: source.clocks(),
    lateness: (kind) => source.lateness(kind),
    holdsLease: source.holdsLease(),
    leaseRemainingMs,
  };
}

/** The lines of one metric. */
class Family {
  readonly #valueOf: Metric["value"];
  readonly #head: string;
  /** A line up to its own labels. */
  readonly #open: string;
  #value: number | string | null = null;
  /** The lines of that value. */
  #text: string;

  constructor({ name, type, help, comment, value }: Metric, common: string) {
    this.#valueOf = value;
    this.#head = head(name, type, help, comment);
    this.#open = `${name}{${common}`;
    this.#text = this.#head;
  }

  write(parts: string[], look: Look): void {
    const value = this.#valueOf(look);
    if (value !== null && typeof value === "object") {
      parts.push(this.#head);
      for (const one of value) parts.push(this.#open, ",", labelText(one.labels), `} ${one.value}\n`);
      return;
    }
    if (value !== this.#value) {
      this.#value = value;
      this.#text = value === null ? this.#head : `${this.#head}${this.#open}} ${value}\n`;
    }
    parts.push(this.#text);
  }
}

class HistogramFamily {
  readonly #readingOf: Histogram["reading"];
  readonly #head: string;
  readonly #name: string;
  readonly #common: string;
  /** The lines of its buckets up to their counts. The bounds of a histogram stay for the life of the agent. */
  #opens: readonly string[] = [];

  constructor({ name, help, reading }: Histogram, common: string) {
    this.#readingOf = reading;
    this.#head = head(name, "histogram", help);
    this.#name = name;
    this.#common = common;
  }

  write(parts: string[], look: Look): void {
    const reading = this.#readingOf(look);
    if (reading === null) return;
    const { buckets, count, sumS } = reading;
    const [name, common] = [this.#name, this.#common];
    if (this.#opens.length !== buckets.length) {
      this.#opens = buckets.map(({ leS }) => `${name}_bucket{${common},le="${leS}"} `);
    }
    parts.push(this.#head);
    for (let at = 0; at < buckets.length; at++) parts.push(this.#opens[at]!, `${buckets[at]!.count}\n`);
    parts.push(
      `${name}_bucket{${common},le="+Inf"} ${count}\n${name}_sum{${common}} ${sumS}\n`,
      `${name}_count{${common}} ${count}\n`,
    );
  }
}
