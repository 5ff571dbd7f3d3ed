/**
 * `GET /metrics` in the text format of Prometheus. Every value is taken from memory at the time of the
 * request.
 */
import { Hono } from "@hono/hono";
import { Counter, Gauge, Registry } from "prom-client";
import { VERSION } from "../model/version.ts";
import {
  agentMetrics,
  EVENT_METRICS,
  FILE_METRICS,
  LATENESS_METRICS,
  TROUBLE_METRICS,
} from "./agent_metrics.ts";
import { COPY_METRICS } from "./copy_metrics.ts";
import { HEALTH_METRICS } from "./health_metrics.ts";
import { HOOK_METRICS } from "./hook_metrics.ts";
import { histogramText } from "./histogram_text.ts";
import {
  type LabelledValue,
  type Look,
  type Metric,
  PATRONI_METRICS,
  POSTGRES_STATE_VALUES,
} from "./patroni_metrics.ts";
import type { ApiPort } from "./port.ts";
import { SLOT_METRICS } from "./slot_metrics.ts";
import { statusJson } from "./status.ts";

export function metricsRoutes(port: ApiPort): Hono {
  const registry = new Registry();
  const lease = () => ({ holdsLease: port.holdsLease(), leaseRemainingMs: port.leaseRemainingMs() });
  const ours = [
    ...agentMetrics(lease, () => port.timing().measured, () => port.clocks()),
    ...FILE_METRICS,
    ...TROUBLE_METRICS,
    ...EVENT_METRICS,
    ...COPY_METRICS,
    ...HOOK_METRICS,
    ...HEALTH_METRICS,
    ...SLOT_METRICS,
  ];
  const setters = [...PATRONI_METRICS, ...ours].map((metric) => register(registry, metric));
  const info = new Gauge({
    name: "agent_info",
    help: "Value is always 1; the version of the agent is in the label.",
    labelNames: ["scope", "name", "version"],
    registers: [registry],
  });

  return new Hono().get("/metrics", async () => {
    const view = port.view();
    const look: Look = { view, status: statusJson(view) };
    const labels = { scope: view.config.scope, name: view.config.name };
    for (const set of setters) set(look, labels);
    info.set({ ...labels, version: VERSION }, 1);
    const late = LATENESS_METRICS.map(({ kind, name, help }) =>
      histogramText(name, help, labels, port.lateness(kind))
    );
    const text = asPatroniPrints(await registry.metrics()) + late.join("");
    return new Response(text, { headers: { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" } });
  });
}

type Setter = (look: Look, labels: { scope: string; name: string }) => void;

function register(registry: Registry, { name, help, type, labels: own = [], value }: Metric): Setter {
  const settings = { name, help, labelNames: ["scope", "name", ...own], registers: [registry] };
  const metric = type === "gauge" ? new Gauge(settings) : new Counter(settings);
  return (look, labels) => {
    // The values were counted elsewhere. The line of a member that is gone must disappear.
    metric.reset();
    const present = value(look);
    const lines: readonly LabelledValue[] = typeof present === "number"
      ? [{ labels: {}, value: present }]
      : present ?? [];
    for (const line of lines) metric.inc({ ...labels, ...line.labels }, line.value);
  };
}

/** No blank lines, and the meaning of the states beside their metric. */
function asPatroniPrints(text: string): string {
  return text.replace(/\n\n/g, "\n").replace(
    /^(# HELP patroni_postgres_state .*\n)/m,
    `$1${POSTGRES_STATE_VALUES}\n`,
  );
}
