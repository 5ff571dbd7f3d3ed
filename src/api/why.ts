/** `GET /agent/why`: why a member holds the lock or none does, and why a member is what it is. */
import { Hono } from "@hono/hono";
import { CLUSTER_RULES, HELD } from "../brain/cluster/coordinate.ts";
import { linkEvents } from "../brain/cluster/event_causes.ts";
import { type Why, whyLock, whyMember, type WhyView } from "../brain/cluster/why.ts";
import { knownMember } from "../model/records.ts";
import type { ApiEnv } from "./env.ts";
import { textResponse } from "./body.ts";
import { eventJson } from "./shown_events.ts";
import { jsonText } from "./json_text.ts";
import type { ApiPort, ApiView, DecisionRecord } from "./port.ts";
import type { WhyJson } from "./shapes.ts";
import { hasClusterView, JSON_HEADERS, raftLeaderName } from "./status.ts";

/** The rules of the raft leader; all others decide for the member's own PostgreSQL. */
const OF_CLUSTER: ReadonlySet<string> = new Set([...CLUSTER_RULES.map(({ name }) => name), HELD]);

export function whyRoutes(port: ApiPort): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.get("/agent/why", (context) => {
    const view = whyView(port);
    if (view === null) return textResponse(503, "the cluster's records are not known yet");
    const name = context.req.query("member");
    const why = name === undefined ? whyLock(view) : whyMember(view, name);
    return why === null
      ? textResponse(404, `${name} is not a member of the cluster`)
      : new Response(jsonText(whyJson(why, port.view())), { headers: JSON_HEADERS });
  });
  return routes;
}

function whyView(port: ApiPort): WhyView | null {
  const view = port.view();
  const { dcs, dynamic, statuses, witnesses, progress, operatorNeeded, raft, config } = view;
  if (dcs === null) return null;
  const decisions = port.decisions();
  const last = (isOne: (decision: DecisionRecord) => boolean) => decisions.findLast(isOne) ?? null;
  const own = view.postgres === null ? null : last(({ rule }) => !OF_CLUSTER.has(rule));
  return {
    dcs,
    dynamic,
    statuses,
    witnesses: witnesses.map(({ name }) => name),
    events: linkEvents(port.events()),
    primaryLsn: progress.optime === 0 ? null : progress.optime,
    operatorNeeded,
    raftLeader: raftLeaderName(view),
    waitsFor: raft?.role === "leader" ? last(({ rule }) => OF_CLUSTER.has(rule))?.reason ?? null : null,
    own: own === null ? null : { name: config.name, reason: own.reason, rule: own.rule },
  };
}

function whyJson({ member, answer, unfit, chain }: Why, view: ApiView): WhyJson {
  const { dcs, config, witnesses } = view;
  const leader = raftLeaderName(view);
  const apiUrl = leader === null || dcs === null
    ? null
    : knownMember(dcs, leader)?.apiUrl ?? witnesses.find(({ name }) => name === leader)?.apiUrl ?? null;
  return {
    member,
    holder: dcs?.lock.holder ?? null,
    epoch: dcs?.lock.epoch ?? 0,
    answer,
    unfit,
    chain: chain.map(eventJson),
    answered_by: config.name,
    fresh: hasClusterView(view),
    raft_leader: leader,
    raft_leader_api_url: apiUrl,
  };
}
