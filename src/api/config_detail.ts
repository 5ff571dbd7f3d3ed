/** `/agent/config/...`: the configurations of before with the present one, and where a value comes from. */
import { Hono } from "@hono/hono";
import type { ApiEnv } from "./env.ts";
import { textResponse } from "./body.ts";
import { jsonText } from "./json_text.ts";
import type { ApiPort } from "./port.ts";
import type { ConfigRevisionJson, ExplanationJson } from "./shapes.ts";
import { JSON_HEADERS } from "./status.ts";

export function configDetailRoutes(port: ApiPort): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.get(
    "/agent/config/history",
    () => new Response(jsonText(revisions(port)), { headers: JSON_HEADERS }),
  );
  routes.get("/agent/config/explain/:key{.+}", async (context) => {
    const key = context.req.param("key");
    if (key.length > MAX_KEY) return textResponse(404, "this is no key of the configuration");
    const found = await explanation(port, key);
    return found === null
      ? textResponse(404, `${key} is no key of the configuration`)
      : new Response(jsonText(found), { headers: JSON_HEADERS });
  });
  return routes;
}

const MAX_KEY = 256;

async function explanation(port: ApiPort, key: string): Promise<ExplanationJson | null> {
  // All rows of keys with it, which no other request needs: loaded by the first one that does.
  const { explainKey } = await import("../config/explain.ts");
  const { config, dcs, postgres } = port.view();
  const role = postgres?.writable === true && postgres.inRecovery === false ? "primary" : "replica";
  const found = explainKey(key, {
    dcs: dcs?.config?.value ?? null,
    local: config,
    written: port.configuration().written,
    role,
    pendingRestart: postgres?.pendingRestart ?? null,
  });
  if (found === null) return null;
  const { afterRestart, ...rest } = found;
  return { name: config.name, ...rest, after_restart: afterRestart };
}

/** Oldest first; the last one is in force. */
function revisions(port: ApiPort): readonly ConfigRevisionJson[] {
  const present = port.view().dcs?.config ?? null;
  const { history } = port.configuration();
  const { value, revision, at = null, by = null } = present ?? { value: {}, revision: -1 };
  return [
    ...history.map((one) => ({ revision: one.revision, at: one.at, by: one.by, config: one.value })),
    ...(present === null ? [] : [{ revision, at, by, config: value }]),
  ];
}
