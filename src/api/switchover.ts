/**
 * `POST /switchover`, `POST /failover`, `DELETE /switchover`, and what the first two would be answered. A
 * request is refused at once, from memory, where that is possible; a logged request is waited for until the
 * lock has changed hands. The coordinator decides, not the API.
 */
import { Hono } from "@hono/hono";
import { type Asked, faultOf, judgeRequest } from "../brain/cluster/judge.ts";
import type { FailoverRecord } from "../model/records.ts";
import type { ApiEnv } from "./env.ts";
import { readBody, textResponse } from "./body.ts";
import type { ApiPort, ApiView } from "./port.ts";
import { SWITCHOVER } from "./requests.ts";
import { parseSchedule } from "./schedule.ts";
import { shownLeader } from "./status.ts";
import { FAULTS, obstacleText } from "./switchover_text.ts";
import { textWithReason, waitForOutcome } from "./switchover_wait.ts";

type Kind = FailoverRecord["kind"];

export function switchoverRoutes(port: ApiPort): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.post("/switchover", async (context) => {
    const body = await readBody(context.req, SWITCHOVER);
    return body.ok ? await handle(port, "switchover", body.value) : body.response;
  });
  routes.post("/failover", async (context) => {
    const body = await readBody(context.req, SWITCHOVER);
    return body.ok ? await handle(port, "failover", body.value) : body.response;
  });
  for (const kind of ["switchover", "failover"] as const) {
    routes.post(`/agent/${kind}/check`, async (context) => {
      const body = await readBody(context.req, SWITCHOVER);
      return body.ok ? check(port, kind, body.value) : body.response;
    });
  }
  routes.delete("/switchover", () => cancel(port));
  return routes;
}

type Body = { readonly [key: string]: unknown };

/** The request as it would be recorded, or the answer that refuses it. */
function requestOf(view: ApiView, asked: Kind, body: Body): FailoverRecord | Response {
  const leader = nameOf(body.leader);
  const candidate = nameOf(body.candidate) ?? nameOf(body.member);

  // A failover that names the leader is a switchover; the rules of the form are those of what was asked for.
  const fault = faultOf({ kind: asked, leader, candidate }, Boolean(body.scheduled_at), view.dynamic.pause);
  if (fault !== null && fault !== "same-member") return textResponse(400, FAULTS[fault]);
  const schedule = body.scheduled_at ? parseSchedule(body.scheduled_at, asked, Date.now()) : null;
  if (schedule !== null && !schedule.ok) return textResponse(schedule.status, schedule.message);
  if (fault !== null) return textResponse(400, FAULTS[fault]);
  const kind = asked === "failover" && leader !== null ? "switchover" : asked;
  if (schedule === null) {
    const obstacle = obstacleTo({ kind, leader, candidate, scheduledAt: null }, view);
    if (obstacle !== null) return textResponse(412, obstacle);
  }
  const scheduledAt = schedule?.at ?? null;
  return { kind, leader, candidate, scheduledAt, id: crypto.randomUUID(), accepted: false, epoch: 0 };
}

async function handle(port: ApiPort, asked: Kind, body: Body): Promise<Response> {
  const view = port.view();
  const record = requestOf(view, asked, body);
  if (record instanceof Response) return record;
  const { kind, scheduledAt } = record;
  const before = shownLeader(view.dcs);
  const logged = await port.requestFailover(record);
  if (logged.kind === "invalid") return textResponse(400, logged.reason);
  if (logged.kind !== "ok") {
    const why = logged.kind === "conflict" ? "another request came in between" : logged.reason;
    return textWithReason(503, "failed to write failover key into DCS", withoutMajority(port.view()) ?? why);
  }
  if (scheduledAt !== null) return textResponse(202, `${title(kind)} scheduled`);
  return await waitForOutcome(port, record, before);
}

/**
 * What the request would be answered, as far as that is known without making it: with the same status and
 * text where it would be refused. The path is its own: a member that does not know it must not carry the
 * request out.
 */
function check(port: ApiPort, asked: Kind, body: Body): Response {
  const view = port.view();
  const record = requestOf(view, asked, body);
  if (record instanceof Response) return record;
  const obstacle = withoutMajority(view);
  if (obstacle !== null) return textWithReason(503, "failed to write failover key into DCS", obstacle);
  const { kind, scheduledAt } = record;
  return scheduledAt === null
    ? textResponse(200, `${title(kind)} is possible`)
    : textResponse(202, `${title(kind)} can be scheduled`);
}

/** Nothing that a request may say, `--force` of `agent ctl` included, takes the place of a majority. */
function withoutMajority({ raft }: ApiView): string | null {
  if (raft === null || raft.leader !== null) return null;
  return "no majority of the voters is in contact, and nothing can be changed without one. " +
    "If the other hosts are lost for good: agent recover --force-new-cluster";
}

/** Why the cluster as this member sees it cannot do that (412); null when someone could take over. */
export function obstacleTo(asked: Asked, view: ApiView): string | null {
  const { dcs, dynamic, statuses, removed, progress } = view;
  if (dcs === null) return obstacleText(asked, UNKNOWN);
  const primaryLsn = progress.optime === 0 ? null : progress.optime;
  return obstacleText(
    asked,
    judgeRequest(asked, { dcs, dynamic, statuses, removed, primaryLsn, wallMs: Date.now() }),
  );
}

/** Nothing is known of the cluster yet. */
const UNKNOWN = { kind: "impossible", obstacle: { code: "not-initialized" }, patienceMs: 0 } as const;

async function cancel(port: ApiPort): Promise<Response> {
  const failover = port.view().dcs?.failover ?? null;
  if (failover === null || failover.scheduledAt === null) {
    return textResponse(404, "no switchover is scheduled");
  }
  const outcome = await port.deleteFailover(failover.revision);
  return outcome.kind === "ok"
    ? textResponse(200, "scheduled switchover deleted")
    : textResponse(409, "The request was changed by someone else at the same time");
}

/** Empty stands for none. */
function nameOf(value: unknown): string | null {
  return value === undefined || value === null || value === "" ? null : String(value);
}

function title(kind: Kind): string {
  return kind === "switchover" ? "Switchover" : "Failover";
}
