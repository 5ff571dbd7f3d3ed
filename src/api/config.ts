/**
 * The dynamic configuration over REST. A writer that has read revision R (the ETag of GET) may send
 * `If-Match: "R"` and gets 409 when someone else was faster.
 */
import { Hono, type HonoRequest } from "@hono/hono";
import type { JsonObject } from "../model/json.ts";
import type { ApiEnv } from "./env.ts";
import { readBody, textResponse, truthy } from "./body.ts";
import { jsonText } from "./json_text.ts";
import type { ApiPort, ConfigOutcome } from "./port.ts";
import { CONFIG_CHANGE, CONFIG_PROPOSAL } from "./requests.ts";
import { JSON_HEADERS } from "./status.ts";
import { warningHeader } from "./warnings.ts";

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
    const asked = await changeOf(context.req);
    if ("response" in asked) return asked.response;
    return written(await port.patchConfig(asked.value, asked.revision, asked.force), 503);
  });

  routes.put("/config", async (context) => {
    const asked = await changeOf(context.req);
    if ("response" in asked) return asked.response;
    return written(await port.replaceConfig(asked.value, asked.revision, asked.force), 502);
  });

  // Members ask each other before a change is logged.
  routes.post("/agent/config/check", async (context) => {
    const body = await readBody(context.req, CONFIG_PROPOSAL);
    if (!body.ok) return body.response;
    const { config } = body.value as { readonly config: JsonObject };
    return new Response(jsonText(await port.checkConfig(config)), { headers: JSON_HEADERS });
  });

  return routes;
}

interface Change {
  readonly value: JsonObject;
  readonly revision: number | null;
  readonly force: boolean;
}

async function changeOf(request: HonoRequest): Promise<Change | { readonly response: Response }> {
  const body = await readBody(request, CONFIG_CHANGE);
  if (!body.ok) return body;
  const revision = revisionOf(request.header("if-match"));
  if (revision === "bad") return { response: textResponse(400, "If-Match must be the ETag of GET /config") };
  return { value: body.value, revision, force: truthy(request.query("force")) };
}

function revisionOf(header: string | undefined): number | null | "bad" {
  if (header === undefined || header === "*") return null;
  const match = /^"(\d+)"$/.exec(header);
  return match ? Number(match[1]) : "bad";
}

function written(outcome: ConfigOutcome, unavailableStatus: number): Response {
  switch (outcome.kind) {
    case "ok":
      return new Response(jsonText(outcome.config), {
        headers: { ...JSON_HEADERS, ...warningHeader(outcome.warnings ?? []) },
      });
    case "hopeless":
      return textResponse(422, `${outcome.reason}. With ?force=true it is changed all the same`);
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
