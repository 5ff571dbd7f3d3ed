/** `GET /agent/events`: what happened in the cluster, each with the events that led to it. */
import { Hono } from "@hono/hono";
import { type LinkedEvent, linkEvents } from "../brain/cluster/event_causes.ts";
import { withOffset } from "../model/iso_time.ts";
import { formatLsn } from "../model/lsn.ts";
import type { ApiEnv } from "./env.ts";
import { textResponse } from "./body.ts";
import { jsonText } from "./json_text.ts";
import type { ApiPort } from "./port.ts";
import type { EventJson } from "./shapes.ts";
import { JSON_HEADERS } from "./status.ts";

const DEFAULT_LIMIT = 50;
/** More than the records keep. */
const MAX_LIMIT = 1000;

export function eventRoutes(port: ApiPort): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.get("/agent/events", (context) => {
    const { limit = String(DEFAULT_LIMIT), since, member } = context.req.query();
    if (!/^\d{1,4}$/.test(limit) || Number(limit) < 1 || Number(limit) > MAX_LIMIT) {
      return textResponse(400, `limit: a number from 1 to ${MAX_LIMIT} is expected`);
    }
    const sinceMs = since === undefined ? -Infinity : Date.parse(since);
    if (Number.isNaN(sinceMs)) return textResponse(400, "since: an ISO 8601 time is expected");
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
