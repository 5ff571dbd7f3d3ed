/**
 * `POST /switchover`, `POST /failover`, `DELETE /switchover`. A request is refused at once, from memory,
 * where that is possible; a logged request is waited for until the lock has changed hands. The coordinator
 * decides, not the API.
 */
import { Hono } from "@hono/hono";
import { judgeCandidates } from "../brain/cluster/request.ts";
import type { FailoverRecord } from "../model/records.ts";
import type { ApiEnv } from "./env.ts";
import { readBody, textResponse } from "./body.ts";
import { livingStatuses } from "./cluster.ts";
import type { ApiPort, ApiView } from "./port.ts";
import { parseSchedule } from "./schedule.ts";
import { shownLeader, synchronousMode } from "./status.ts";
import { waitForOutcome } from "./switchover_wait.ts";

type Kind = FailoverRecord["kind"];

export function switchoverRoutes(port: ApiPort): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.post("/switchover", async (context) => {
    const body = await readBody(context.req, false);
    return body.ok ? await handle(port, "switchover", body.value) : body.response;
  });
  routes.post("/failover", async (context) => {
    const body = await readBody(context.req, false);
    return body.ok ? await handle(port, "failover", body.value) : body.response;
  });
  routes.delete("/switchover", () => cancel(port));
  return routes;
}

async function handle(
  port: ApiPort,
  asked: Kind,
  body: { readonly [key: string]: unknown },
): Promise<Response> {
  const wrong = ["leader", "candidate", "member"].find((field) => !isName(body[field]));
  if (wrong !== undefined) {
    return textResponse(
      400,
      `${wrong} must be the name of a member: a text of at most ${MAX_NAME} characters`,
    );
  }
  const leader = nameOf(body.leader);
  const candidate = nameOf(body.candidate) ?? nameOf(body.member);
  const view = port.view();

  const rule = brokenRule(asked, leader, candidate, Boolean(body.scheduled_at), view.dynamic.pause);
  if (rule !== null) return textResponse(400, rule);
  const schedule = body.scheduled_at ? parseSchedule(body.scheduled_at, asked, Date.now()) : null;
  if (schedule !== null && !schedule.ok) return textResponse(schedule.status, schedule.message);
  // A failover that names the leader is a switchover.
  const kind = asked === "failover" && leader !== null ? "switchover" : asked;
  if (leader === candidate) return textResponse(400, "Switchover target and source are the same");
  if (schedule === null) {
    const obstacle = obstacleTo(kind, view, leader, candidate);
    if (obstacle !== null) return textResponse(412, obstacle);
  }

  const scheduledAt = schedule?.at ?? null;
  const record: FailoverRecord = {
    kind,
    leader,
    candidate,
    scheduledAt,
    id: crypto.randomUUID(),
    accepted: false,
    epoch: 0,
  };
  const before = shownLeader(view.dcs);
  const logged = await port.requestFailover(record);
  if (logged.kind === "invalid") return textResponse(400, logged.reason);
  if (logged.kind !== "ok") return textResponse(503, "failed to write failover key into DCS");
  if (scheduledAt !== null) return textResponse(202, `${title(kind)} scheduled`);
  return await waitForOutcome(port, record, before);
}

/** The rules of the request alone (400), in Patroni's order. */
function brokenRule(
  kind: Kind,
  leader: string | null,
  candidate: string | null,
  scheduled: boolean,
  paused: boolean,
): string | null {
  if (kind === "failover" && candidate === null) {
    return "Failover could be performed only to a specific candidate";
  }
  if (kind === "switchover" && leader === null) {
    return "Switchover could be performed only from a specific leader";
  }
  if (scheduled && kind === "failover") return "Failover can't be scheduled";
  if (scheduled && paused) return "Can't schedule switchover in the paused state";
  if (paused && candidate === null) {
    return "Switchover is possible only to a specific candidate in a paused state";
  }
  return null;
}

/** Why the cluster as this member sees it cannot do that (412); null when someone could take over. */
export function obstacleTo(
  kind: Kind,
  view: ApiView,
  leader: string | null,
  candidate: string | null,
): string | null {
  const holder = shownLeader(view.dcs);
  if (leader !== null && holder !== leader) return "leader name does not match";
  const mustBeSync = synchronousMode(view) === "on";
  const sync = view.dcs?.sync.syncStandby ?? [];
  const members = livingStatuses(view);

  let candidates = members.filter(({ status }) => status.name !== holder);
  if (candidate !== null) {
    if (kind === "switchover" && mustBeSync && !sync.includes(candidate)) {
      return "candidate name does not match with sync_standby";
    }
    candidates = members.filter(({ status }) => status.name === candidate);
    if (candidates.length === 0) return "candidate does not exists";
  } else if (mustBeSync) {
    candidates = members.filter(({ status }) => sync.includes(status.name));
    if (candidates.length === 0) return `${kind} is not possible: can not find sync_standby`;
  } else if (candidates.length === 0) {
    return `${kind} is not possible: cluster does not have members except leader`;
  }
  const { dcs, dynamic, progress } = view;
  if (dcs === null) return null;
  const judged = judgeCandidates({ kind, candidate }, {
    dcs,
    dynamic,
    statuses: candidates,
    removed: [],
    primaryLsn: progress.optime === 0 ? null : progress.optime,
  });
  // What may pass is waited for by the raft leader.
  return judged.kind === "nobody" && judged.patienceMs === 0
    ? `${kind} is not possible: no good candidates have been found`
    : null;
}

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

/** The request is logged with them. Empty stands for none. */
const MAX_NAME = 255;

function isName(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return typeof value === "string" ? value.length <= MAX_NAME : typeof value === "number";
}

function nameOf(value: unknown): string | null {
  return value === undefined || value === null || value === "" ? null : String(value);
}

function title(kind: Kind): string {
  return kind === "switchover" ? "Switchover" : "Failover";
}
