/**
 * `GET /metrics` in the text format of Prometheus. Every value is taken from memory at the time of the
 * request.
 */
import { Hono } from "@hono/hono";
import { VERSION } from "../model/version.ts";
import {
  agentMetrics,
  EVENT_METRICS,
  FILE_METRICS,
  LATENESS_METRICS,
  TROUBLE_METRICS,
} from "./agent_metrics.ts";
import { COPY_METRICS } from "./copy_metrics.ts";
import { head, histogramLines, labelText, line } from "./exposition.ts";
import { HEALTH_METRICS } from "./health_metrics.ts";
import { HOOK_METRICS } from "./hook_metrics.ts";
import { LOOP_HISTOGRAM, MEASURE_METRICS, RAFT_SYNC_HISTOGRAM } from "./measure_metrics.ts";
import { LEGACY_METRICS, type Look, type Metric, PATRONI_METRICS } from "./patroni_metrics.ts";
import type { ApiPort } from "./port.ts";
import { SLOT_METRICS } from "./slot_metrics.ts";
import { statusJson } from "./status.ts";

const HEADERS = { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" };
const INFO: Metric = {
  name: "agent_info",
  help: "Value is always 1; the version of the agent is in the label.",
  type: "gauge",
  value: () => [{ labels: { version: VERSION }, value: 1 }],
};

export function metricsRoutes(port: ApiPort): Hono {
  const lease = () => ({ holdsLease: port.holdsLease(), leaseRemainingMs: port.leaseRemainingMs() });
  const own = [
    ...agentMetrics(lease, () => port.timing().measured, () => port.clocks()),
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
  const described = (metrics: readonly Metric[]) =>
    metrics.map((metric) => ({ metric, head: head(metric.name, metric.type, metric.help, metric.comment) }));
  const always = [...described(PATRONI_METRICS), ...described(own)];
  const legacy = described(LEGACY_METRICS);

  return new Hono().get("/metrics", () => {
    const view = port.view();
    const { config } = view;
    const look: Look = { view, status: statusJson(view), measures: port.measures() };
    const common = labelText({ scope: config.scope, name: config.name });
    let text = "";
    for (const { metric, head } of always) text += head + lines(metric, look, common);
    if (config.restapi.legacyMetrics) {
      for (const { metric, head } of legacy) text += head + lines(metric, look, common);
    }
    return new Response(text + histograms(port, look, common), { headers: HEADERS });
  });
}

function lines({ name, value }: Metric, look: Look, common: string): string {
  const present = value(look);
  if (present === null) return "";
  if (!Array.isArray(present)) return line(name, common, "", present as number | string);
  let text = "";
  for (const one of present) text += line(name, common, labelText(one.labels), one.value);
  return text;
}

function histograms(port: ApiPort, { measures: { loop, raftSync } }: Look, common: string): string {
  let text = "";
  for (const { kind, name, help } of LATENESS_METRICS) {
    text += head(name, "histogram", help) + histogramLines(name, common, port.lateness(kind));
  }
  for (
    const [{ name, help }, reading] of [[LOOP_HISTOGRAM, loop], [RAFT_SYNC_HISTOGRAM, raftSync]] as const
  ) {
    if (reading !== null) text += head(name, "histogram", help) + histogramLines(name, common, reading);
  }
  return text;
}
