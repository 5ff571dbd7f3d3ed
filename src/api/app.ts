/** The REST API: every group of endpoints, access control, and the answer to requests that match none. */
import { Hono } from "@hono/hono";
import { accessControl } from "./auth.ts";
import { textResponse } from "./body.ts";
import { clusterRoutes } from "./cluster.ts";
import { configRoutes } from "./config.ts";
import { configDetailRoutes } from "./config_detail.ts";
import { controlRoutes } from "./control.ts";
import { eventRoutes } from "./events.ts";
import { extraHeaders } from "./extra_headers.ts";
import { healthRoutes } from "./health.ts";
import { metricsRoutes } from "./metrics.ts";
import { ownRoutes } from "./own.ts";
import type { ApiEnv } from "./env.ts";
import { openApiRoutes } from "./openapi/routes.ts";
import type { ApiPort } from "./port.ts";
import { restartRoutes } from "./restart.ts";
import { JSON_HEADERS, StatusCache, statusRoutes } from "./status.ts";
import { switchoverRoutes } from "./switchover.ts";
import { uiRoutes } from "./ui/routes.ts";
import { whyRoutes } from "./why.ts";

export interface AppOptions {
  /** Told of errors that are the server's own fault; the client gets 500. */
  readonly onError: (error: Error, request: string) => void;
}

export function createApp(port: ApiPort, options: AppOptions): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>({ strict: false });
  const cache = new StatusCache(port);

  app.use("*", async (context, next) => {
    // Proxies check with OPTIONS: the status line of the GET is the whole answer.
    if (context.req.method === "OPTIONS") {
      const get = await app.fetch(new Request(context.req.url), context.env);
      return new Response(null, { status: get.status });
    }
    await next();
    for (const [name, value] of extraHeaders(cache.get().view.config.restapi)) {
      context.res.headers.set(name, value);
    }
  });
  app.use("*", accessControl(port));

  app.route("/", healthRoutes(port, cache));
  app.route("/", statusRoutes(cache));
  app.route("/", clusterRoutes(port));
  app.route("/", configRoutes(port));
  app.route("/", configDetailRoutes(port));
  app.route("/", switchoverRoutes(port));
  app.route("/", restartRoutes(port));
  app.route("/", controlRoutes(port));
  app.route("/", metricsRoutes(port));
  app.route("/", eventRoutes(port));
  app.route("/", whyRoutes(port));
  app.route("/", ownRoutes(port));
  app.route("/", openApiRoutes());
  app.route("/", uiRoutes(port));

  app.notFound((context) => {
    const { method } = context.req;
    if (method !== "GET" && method !== "HEAD") return textResponse(501, `Unsupported method ('${method}')`);
    return new Response(cache.get().text, { status: 503, headers: JSON_HEADERS });
  });
  app.onError((error, context) => {
    if (error.name === "BodyMissing") return textResponse(408, error.message);
    options.onError(error, `${context.req.method} ${context.req.path}`);
    return textResponse(500, "Internal error; see the log of the agent");
  });
  return app;
}
