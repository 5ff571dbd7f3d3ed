/** `POST /reload`, `POST /reinitialize`, and the failsafe endpoints. */
import { Hono } from "@hono/hono";
import type { JsonObject } from "../model/json.ts";
import type { ApiEnv } from "./env.ts";
import { readBody, textResponse, truthy } from "./body.ts";
import { jsonText } from "./json_text.ts";
import type { ApiPort, FailsafeRequest } from "./port.ts";
import { FAILSAFE, REINITIALIZE } from "./requests.ts";
import { JSON_HEADERS, shownLeader } from "./status.ts";

export function controlRoutes(port: ApiPort): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();

  routes.post("/reload", async () => {
    await port.reload();
    return textResponse(202, "reload scheduled");
  });

  routes.post("/reinitialize", async (context) => {
    const body = await readBody(context.req, REINITIALIZE);
    return body.ok ? await reinitialize(port, body.value) : body.response;
  });

  routes.get("/failsafe", () => {
    const view = port.view();
    const members = view.dcs?.failsafe?.members;
    if (!view.dynamic.failsafeMode) return textResponse(502, "failsafe_mode is not enabled");
    if (members === undefined) {
      return textResponse(502, "failsafe_mode is enabled, and there is nobody to ask");
    }
    return new Response(jsonText(members), { headers: JSON_HEADERS });
  });

  routes.post("/failsafe", async (context) => {
    if (!port.view().dynamic.failsafeMode) return textResponse(502, "failsafe_mode is not enabled");
    const body = await readBody(context.req, FAILSAFE);
    return body.ok ? await failsafe(port, body.value) : body.response;
  });

  return routes;
}

async function reinitialize(port: ApiPort, body: JsonObject): Promise<Response> {
  const view = port.view();
  const holder = shownLeader(view.dcs);
  if (holder === null) return textResponse(503, "Cluster has no leader, can not reinitialize");
  if (holder === view.config.name) return textResponse(503, "I am the leader, can not reinitialize");
  const outcome = await port.reinitialize(
    truthy(body.force),
    truthy(body.from_leader ?? body["from-leader"]),
  );
  switch (outcome.kind) {
    case "started":
      return textResponse(200, "reinitialize started");
    case "busy":
      return textResponse(503, `${outcome.action} already in progress`);
    case "refused":
      return textResponse(503, outcome.reason);
  }
}

async function failsafe(port: ApiPort, body: JsonObject): Promise<Response> {
  const outcome = await port.acceptFailsafe(failsafeRequest(body));
  switch (outcome.kind) {
    case "accepted":
      return textResponse(200, "Accepted", outcome.lsn === null ? {} : { lsn: String(outcome.lsn) });
    case "running-as-leader":
      return textResponse(500, "Running as a leader");
    case "refused":
      return textResponse(500, outcome.reason);
  }
}

/** The body has its form. */
function failsafeRequest(body: JsonObject): FailsafeRequest {
  return {
    name: body.name as string,
    connUrl: body.conn_url as string,
    apiUrl: body.api_url as string,
    slots: (body.slots ?? {}) as FailsafeRequest["slots"],
    epoch: (body.epoch ?? null) as number | null,
    to: (body.to ?? null) as string | null,
    node: (body.node ?? null) as number | null,
  };
}
