/**
 * Endpoints that Patroni does not have, all below `/agent`: raft, the raw records, and the decisions with
 * their reasons.
 */
import { Hono } from "@hono/hono";
import type { ApiEnv } from "./env.ts";
import { textResponse } from "./body.ts";
import { dcsKey } from "./dcs_keys.ts";
import { jsonText } from "./json_text.ts";
import type { ApiPort, ApiView } from "./port.ts";
import type { WatchdogJson } from "./shapes.ts";
import { raftRoutes } from "./raft_routes.ts";
import { timingJson } from "./timing_json.ts";
import { JSON_HEADERS, shownLeader, watchdogFields } from "./status.ts";

export function ownRoutes(port: ApiPort): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();

  routes.route("/", raftRoutes(port));

  routes.get("/agent/watchdog", () => {
    const watchdog = watchdogJson(port.view());
    return watchdog === null ? textResponse(404, "this member has no watchdog") : json(watchdog);
  });

  routes.get("/agent/timing", () => json(timingJson(port.view(), port.timing(), port.clocks())));

  routes.get("/agent/decisions", () => json(port.decisions()));

  routes.get("/agent/dcs/:key{.+}", (context) => {
    const value = dcsKey(port.view(), context.req.param("key"));
    return value === null ? textResponse(404, "") : textResponse(200, value);
  });

  return routes;
}

export function watchdogJson({ watchdog, config, dcs }: ApiView): WatchdogJson | null {
  if (watchdog === null) return null;
  return {
    name: config.name,
    leader: shownLeader(dcs),
    ...watchdogFields(watchdog),
    healthy: watchdog.healthy,
    driver: watchdog.driver,
    nowayout: watchdog.nowayout,
    time_left: seconds(watchdog.timeLeftS),
    last_feed_age: seconds(watchdog.lastFeedAgeS),
    feeds: watchdog.feeds,
    closest: seconds(watchdog.closestS),
    problem: watchdog.problem,
    advice: watchdog.advice,
  };
}

function seconds(value: number | null): number | null {
  return value === null ? null : Math.round(value * 1000) / 1000;
}

function json(value: unknown): Response {
  return new Response(jsonText(value), { headers: JSON_HEADERS });
}
