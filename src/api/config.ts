/**
 * The dynamic configuration over REST. A writer that has read revision R (the ETag of GET) may send
 * `If-Match: "R"` and gets 409 when someone else was faster.
 */
import { Hono } from "@hono/hono";
import type { ApiEnv } from "./env.ts";
import { readBody, textResponse } from "./body.ts";
import { jsonText } from "./json_text.ts";
import type { ApiPort, ConfigOutcome } from "./port.ts";
import { JSON_HEADERS } from "./status.ts";

export function configRoutes(port: ApiPort): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();

  routes.get("/config", () => {
    const config = port.view().dcs?.config;
    if (!config) return textResponse(502, "There is no configuration in the cluster yet");
    return new Response(jsonText(config.value), {
      headers: { ...JSON_HEADERS, ETag: `"${config.revision}"` },
    });
  });

  routes.patch("/config", async (context) => {
    const body = await readBody(context.req, false);
    if (!body.ok) return body.response;
    const revision = revisionOf(context.req.header("if-match"));
    if (revision === "bad") return textResponse(400, "If-Match must be the ETag of GET /config");
    return written(await port.patchConfig(body.value, revision), 503);
  });

  routes.put("/config", async (context) => {
    const body = await readBody(context.req, false);
    if (!body.ok) return body.response;
    const revision = revisionOf(context.req.header("if-match"));
    if (revision === "bad") return textResponse(400, "If-Match must be the ETag of GET /config");
    return written(await port.replaceConfig(body.value, revision), 502);
  });

  return routes;
}

function revisionOf(header: string | undefined): number | null | "bad" {
  if (header === undefined || header === "*") return null;
  const match = /^"(\d+)"$/.exec(header);
  return match ? Number(match[1]) : "bad";
}

function written(outcome: ConfigOutcome, unavailableStatus: number): Response {
  switch (outcome.kind) {
    case "ok":
      return new Response(jsonText(outcome.config), { headers: JSON_HEADERS });
    case "conflict":
      return textResponse(409, "The configuration was changed by someone else at the same time");
    case "missing":
      return textResponse(503, "There is no configuration in the cluster yet");
    case "invalid":
      return textResponse(422, outcome.reason);
    case "unavailable":
      return textResponse(unavailableStatus, outcome.reason);
  }
}
