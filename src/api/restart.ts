/** `POST /restart`, now or scheduled, under conditions; `DELETE /restart`. */
import { Hono } from "@hono/hono";
import type { JsonObject } from "../model/json.ts";
import { parseQuantity } from "../model/time_units.ts";
import type { ApiEnv } from "./env.ts";
import { readBody, textResponse, truthy } from "./body.ts";
import type { ApiPort, ApiView, RestartOutcome } from "./port.ts";
import { RESTART, RESTART_FIELDS } from "./requests.ts";
import { parseSchedule } from "./schedule.ts";
import { restartConditionsMet, type RestartSubject } from "../model/restart_conditions.ts";
import type { RestartConditions, ScheduledRestart } from "../model/records.ts";
import { statusJson } from "./status.ts";
import { textOf } from "../model/text_of.ts";
import { textWithReason } from "./switchover_wait.ts";

export function restartRoutes(port: ApiPort): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();

  routes.post("/restart", async (context) => {
    const body = await readBody(context.req, RESTART);
    if (!body.ok) return body.response;
    const view = port.view();
    if (view.postgres === null) return textResponse(503, "this is a witness: it has no PostgreSQL");
    if (view.dynamic.pause && "schedule" in body.value) {
      return textResponse(500, "Can't schedule restart in the paused state");
    }
    const request = parseRestart(body.value, Date.now());
    if ("error" in request) return textResponse(request.status, request.error);
    if ("schedule" in request) {
      const logged = await port.scheduleRestart(request);
      if (logged.kind === "ok") return textResponse(202, "Restart scheduled");
      if (logged.kind === "conflict") return textResponse(409, "Another restart is already scheduled");
      return textResponse(logged.kind === "invalid" ? 400 : 503, logged.reason);
    }
    if (!restartConditionsMet(request, subjectOf(view))) {
      return textResponse(503, "restart conditions are not satisfied");
    }
    return restarted(await port.restart(request.timeout ?? null));
  });

  routes.delete("/restart", async () => {
    const outcome = await port.cancelScheduledRestart();
    if (outcome.kind === "ok") return textResponse(200, "scheduled restart deleted");
    if (outcome.kind === "missing") return textResponse(404, "no restarts are scheduled");
    if (outcome.kind === "conflict") {
      return textResponse(409, "The request was changed by someone else at the same time");
    }
    return textResponse(503, outcome.reason);
  });

  return routes;
}

/** Fields whose message is a sentence of Patroni's. */
const PATRONI_SAYS: ReadonlySet<string> = new Set(["role", "postgres_version", "timeout"]);

type Parsed = RestartConditions | ScheduledRestart | { readonly status: number; readonly error: string };

/** The first field that is wrong decides, in the order in which they were sent. */
function parseRestart(body: JsonObject, nowMs: number): Parsed {
  const request: { -readonly [field in keyof ScheduledRestart]?: ScheduledRestart[field] } = {};
  for (const [key, value] of Object.entries(body)) {
    const check = Object.hasOwn(RESTART_FIELDS, key) ? RESTART_FIELDS[key] : undefined;
    if (check === undefined) {
      return { status: 400, error: `Unknown filter for the scheduled restart: ${key}` };
    }
    const flaw = check(value, true);
    if (flaw !== null) return { status: 400, error: PATRONI_SAYS.has(key) ? flaw : `${key}: ${flaw}` };
    if (key === "schedule") {
      const schedule = parseSchedule(value, "restart", nowMs);
      if (!schedule.ok) return { status: schedule.status, error: schedule.message };
      request.schedule = schedule.at;
    } else if (key === "role") request.role = value as NonNullable<RestartConditions["role"]>;
    else if (key === "postgres_version") request.postgres_version = textOf(value);
    else if (key === "timeout") request.timeout = parseQuantity(value, "s")!;
    else request.restart_pending = truthy(value);
  }
  return request;
}

function subjectOf(view: ApiView): RestartSubject {
  const { role, pending_restart } = statusJson(view);
  const serverVersion = view.postgres?.serverVersion ?? null;
  return { role, serverVersion, pendingRestart: pending_restart === true };
}

function restarted(outcome: RestartOutcome): Response {
  switch (outcome.kind) {
    case "ok":
      return textResponse(200, "restarted successfully");
    case "busy":
      return textResponse(503, `${outcome.action} already in progress`);
    case "still-starting":
      return textResponse(503, "postgres is still starting");
    case "failed":
      return textWithReason(503, "restart failed", outcome.why ?? "");
  }
}
