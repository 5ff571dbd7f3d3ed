/** `GET /agent/events`: what happened in the cluster, each with the events that led to it. */
import { Hono } from "@hono/hono";
import { type LinkedEvent, linkEvents } from "../brain/cluster/event_causes.ts";
import { withOffset } from "../model/iso_time.ts";
import { formatLsn } from "../model/lsn.ts";
import type { ApiEnv } from "./env.ts";
import { textResponse } from "./body.ts";
import { jsonText } from "./json_text.ts";
import type { ApiPort } from "./port.ts";
import { EVENTS_QUERY, queryFlaw } from "./requests.ts";
import type { EventJson } from "./shapes.ts";
import { JSON_HEADERS } from "./status.ts";

const DEFAULT_LIMIT = 50;

export function eventRoutes(port: ApiPort): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.get("/agent/events", (context) => {
    const query = context.req.query();
    const flaw = queryFlaw(query, EVENTS_QUERY);
    if (flaw !== null) return textResponse(400, flaw);
    const { limit = String(DEFAULT_LIMIT), since, member } = query;
    const sinceMs = since === undefined ? -Infinity : Date.parse(since);
    const chosen = linkEvents(port.events()).filter((event) =>
      // A time that cannot be read is shown rather than hidden.
      !(Date.parse(event.at) < sinceMs) && (member === undefined || event.member === member)
    );
    return new Response(jsonText(chosen.slice(-Number(limit)).map(eventJson)), { headers: JSON_HEADERS });
  });
  return routes;
}

export function eventJson(event: LinkedEvent): EventJson {
  const { id, at, member, by, kind, text, facts, times, firstAt, because, earlierGone } = event;
  return {
    id,
    at: withOffset(at),
    member,
    ...(by === undefined ? {} : { by }),
    kind,
    text,
    ...(facts === undefined ? {} : { facts: factsJson(facts) }),
    ...(times === undefined ? {} : { times }),
    ...(firstAt === undefined ? {} : { first_at: withOffset(firstAt) }),
    because,
    ...(earlierGone ? { earlier_gone: true as const } : {}),
  };
}

function factsJson({ lsn, end, tookMs, ...facts }: NonNullable<LinkedEvent["facts"]>): EventJson["facts"] {
  return {
    ...facts,
    ...(lsn === undefined ? {} : { lsn: formatLsn(lsn) }),
    ...(end === undefined ? {} : { end: formatLsn(end) }),
    ...(tookMs === undefined ? {} : { took_ms: tookMs }),
  };
}
