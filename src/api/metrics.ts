/**
 * `GET /metrics` in the text format of Prometheus. Every value is taken from memory at the time of the
 * request.
 */
import { Hono } from "@hono/hono";
import { MetricsPage } from "./metrics_page.ts";
import type { ApiPort } from "./port.ts";

/** As the reader of heads gives it. */
export const METRICS_PATH = "/metrics";
export const METRICS_HEADERS = { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" };

export function metricsRoutes(port: ApiPort): Hono {
  const page = new MetricsPage();
  return new Hono().get(
    METRICS_PATH,
    () => new Response(page.write(port).text, { headers: METRICS_HEADERS }),
  );
}
