/** Endpoints that Patroni does not have, all below `/agent`: raft, the raw records, and why what was decided. */
import { Hono } from "@hono/hono";
import type { ApiEnv } from "./app.ts";
import { readBody, textResponse } from "./body.ts";
import { dcsKey } from "./dcs_keys.ts";
import { jsonText } from "./json_text.ts";
import type { ApiPort, ApiView } from "./port.ts";
import type { RaftJson, WatchdogJson } from "./shapes.ts";
import { timingJson } from "./timing_json.ts";
import { JSON_HEADERS, raftLeaderName, raftMemberName, watchdogFields } from "./status.ts";

export function ownRoutes(port: ApiPort): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();

  routes.get("/agent/raft", () => {
    const raft = raftJson(port.view());
    return raft === null ? textResponse(503, "raft is not running yet") : json(raft);
  });

  routes.post("/agent/raft/transfer", async (context) => {
    const body = await readBody(context.req, false);
    if (!body.ok) return body.response;
    const name = body.value.name;
    if (typeof name !== "string") return textResponse(400, 'The body must be {"name": "<member>"}');
    const error = await port.transferRaft(name);
    return error === null
      ? textResponse(200, `raft leadership transferred to ${name}`)
      : textResponse(503, error);
  });

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

export function raftJson(view: ApiView): RaftJson | null {
  const raft = view.raft;
  if (raft === null) return null;
  return {
    leader: raftLeaderName(view),
    term: raft.term,
    commit: raft.commit,
    applied: raft.applied,
    can_lose: raft.canLose,
    disk_full: raft.shortOfSpace,
    members: raft.members.map((member) => {
      const name = raftMemberName(view, member.name, member.addr);
      return {
        name,
        addr: member.addr,
        id: member.id,
        voter: member.voter,
        witness: view.witnesses.includes(name),
        match: member.match,
        last_contact_ms: member.lastContactMs === null ? null : Math.round(member.lastContactMs),
        api_url: view.dcs?.members[name]?.apiUrl ?? null,
      };
    }),
  };
}

export function watchdogJson({ watchdog, config, dcs }: ApiView): WatchdogJson | null {
  if (watchdog === null) return null;
  return {
    name: config.name,
    leader: dcs?.lock.holder ?? null,
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
