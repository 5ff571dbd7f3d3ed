/** `GET /agent/events`: what happened in the cluster, each with the events that led to it. */
import { Hono } from "@hono/hono";
import type { ApiEnv } from "./env.ts";
import { textResponse } from "./body.ts";
import { jsonText } from "./json_text.ts";
import type { ApiPort } from "./port.ts";
import { EVENTS_QUERY, queryFlaw } from "./requests.ts";
import { shownEvents } from "./shown_events.ts";
import { JSON_HEADERS } from "./status.ts";

export function eventRoutes(port: ApiPort): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.get("/agent/events", (context) => {
    const query = context.req.query();
    const flaw = queryFlaw(query, EVENTS_QUERY);
    if (flaw !== null) return textResponse(400, flaw);
    return new Response(jsonText(shownEvents(port.events(), query)), { headers: JSON_HEADERS });
  });
  return routes;
}
