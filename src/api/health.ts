/**
 * The health checks that proxies and orchestrators ask for (docs/compatibility.md section 10.1). The status
 * code is the answer; the body of a GET is the status JSON. Answered from memory, also while PostgreSQL
 * hangs.
 */
import { Hono } from "@hono/hono";
import { isSet } from "../model/parse_bool.ts";
import { parseQuantity } from "../model/time_units.ts";
import type { ApiPort, ApiView } from "./port.ts";
import {
  hasClusterView,
  isStandbyCluster,
  JSON_HEADERS,
  type RenderedStatus,
  type StatusCache,
} from "./status.ts";
import { textOf } from "../model/text_of.ts";

export type HealthCheck =
  | "primary"
  | "standby-leader"
  | "leader"
  | "replica"
  | "read-only"
  | "synchronous"
  | "read-only-sync"
  | "quorum"
  | "read-only-quorum"
  | "asynchronous"
  | "health";

export const CHECKS: { readonly [check in HealthCheck]: readonly string[] } = {
  primary: ["/", "/primary", "/read-write", "/master"],
  "standby-leader": ["/standby-leader", "/standby_leader"],
  leader: ["/leader"],
  replica: ["/replica"],
  "read-only": ["/read-only"],
  synchronous: ["/synchronous", "/sync"],
  "read-only-sync": ["/read-only-sync", "/read-only-synchronous"],
  quorum: ["/quorum"],
  "read-only-quorum": ["/read-only-quorum"],
  asynchronous: ["/asynchronous", "/async"],
  health: ["/health"],
};

const IGNORE_TAGS: ReadonlySet<HealthCheck> = new Set(["primary", "standby-leader", "leader"]);

const PATHS: ReadonlySet<string> = new Set([...Object.values(CHECKS).flat(), "/readiness", "/liveness"]);

/** `path` is one whose answer depends on the query. */
export function isHealthCheck(path: string): boolean {
  return PATHS.has(path);
}

export function healthRoutes(port: ApiPort, cache: StatusCache): Hono {
  const routes = new Hono();
  for (const [check, paths] of Object.entries(CHECKS)) {
    const answer = (url: string): Response => {
      const rendered = cache.get();
      const code = healthCode(check as HealthCheck, rendered, port.holdsLease(), queryOf(url));
      return new Response(rendered.text, { status: code, headers: JSON_HEADERS });
    };
    for (const path of paths) routes.get(path, (context) => answer(context.req.url));
  }
  routes.get("/liveness", () => new Response(null, { status: isLive(port.view()) ? 200 : 503 }));
  routes.get("/readiness", (context) => {
    const reason = readinessProblem(cache.get(), port.holdsLease(), queryOf(context.req.url));
    return new Response(null, { status: reason === null ? 200 : 503 });
  });
  return routes;
}

const NO_QUERY = new URLSearchParams();

/** Most checks come without a query, at a rate that makes parsing an address worth avoiding. */
function queryOf(url: string): URLSearchParams {
  const mark = url.indexOf("?");
  return mark < 0 ? NO_QUERY : new URLSearchParams(url.slice(mark + 1));
}

/** 200 or 503 for a check. `holdsLease` is asked anew for each request: it ends by time alone. */
export function healthCode(
  check: HealthCheck,
  { view, status }: Pick<RenderedStatus, "view" | "status">,
  holdsLease: boolean,
  query: URLSearchParams,
): number {
  const leads = holdsLease && !isSilent(view);
  const known = hasClusterView(view);
  const role = status.role;
  // In pause a primary lives on without a DCS: only its role counts.
  const byRole = !known && view.dynamic.pause && !isSilent(view);
  const isStandby = role === "replica" || role === "standby_leader";
  const primary = byRole ? role === "primary" : leads && !isStandbyCluster(view) && !isStandby;
  const standbyLeader = byRole ? role === "standby_leader" : leads && isStandbyCluster(view) && isStandby;
  const replica = isReplica(view, status, query);
  const leading = primary || standbyLeader;
  const sync = known && status.sync_standby === true;
  const quorum = known && status.quorum_standby === true;

  const good: { readonly [name in HealthCheck]: boolean } = {
    primary,
    "standby-leader": standbyLeader,
    leader: leading,
    replica,
    "read-only": leading || replica,
    synchronous: sync && replica,
    "read-only-sync": known && leading || sync && replica,
    quorum: quorum && replica,
    "read-only-quorum": known && leading || quorum && replica,
    asynchronous: known && !sync && !quorum && replica,
    health: status.state === "running",
  };
  if (!good[check]) return 503;
  return IGNORE_TAGS.has(check) || tagsMatch(view, query) ? 200 : 503;
}

function isReplica(view: ApiView, status: RenderedStatus["status"], query: URLSearchParams): boolean {
  if (status.state !== "running" || status.role !== "replica" || isSet(view.status?.tags.noloadbalance)) {
    return false;
  }
  const state = query.get("replication_state");
  if (state !== null && state !== "" && state !== (status.replication_state ?? "")) return false;
  const limit = parseQuantity(query.get("lag"), "B") ?? Infinity;
  return leaderLsn(view) <= (view.postgres?.replayedLsn ?? 0) + limit;
}

/**
 * The primary has written all that this member has received, so a late status of it cannot hide that this
 * member lags behind.
 */
function leaderLsn(view: ApiView): number {
  return Math.max(view.progress.optime, view.postgres?.receivedLsn ?? 0);
}

/**
 * `tag_x=y` asks for a tag of that value; other values are compared as their lowercase text. Empty values ask
 * for nothing, and of several the first one counts, as Python reads a query.
 */
function tagsMatch(view: ApiView, query: URLSearchParams): boolean {
  const tags = view.status?.tags ?? {};
  for (const key of query.keys()) {
    const wanted = query.getAll(key).find((value) => value !== "");
    if (wanted === undefined || !key.startsWith("tag_")) continue;
    const tag = tags[key.slice("tag_".length)];
    if (tag === undefined || tag === null) return false;
    if ((typeof tag === "string" ? tag : textOf(tag).toLowerCase()) !== wanted) return false;
  }
  return true;
}

/**
 * The agent's loop has not looked for a ttl, and the known state of this member is at least that old. Without
 * it /primary would be answered in maintenance mode, where no lease ends, from a copy of any age.
 */
function isSilent(view: ApiView): boolean {
  return view.loopAgeMs >= view.dynamic.ttlS * 1000;
}

/** The agent's own loop runs; on a standby it may be late for twice as long, since no lease depends on it. */
export function isLive(view: ApiView): boolean {
  const primary = view.status?.role === "primary" && view.postgres?.process === "running";
  return view.dynamic.pause || view.loopAgeMs < view.dynamic.ttlS * 1000 * (primary ? 1 : 2);
}

/** null when clients may be sent here; else the reason. */
export function readinessProblem(
  { view, status }: Pick<RenderedStatus, "view" | "status">,
  holdsLease: boolean,
  query: URLSearchParams,
): string | null {
  if (holdsLease && !isSilent(view)) return null;
  if (status.state !== "running") return "PostgreSQL is not running";
  if (status.replication_state !== "streaming") return "PostgreSQL replication state is not streaming";
  // A stream that still flows tells where the primary is, also without the DCS.
  if (!hasClusterView(view) && !view.postgres?.receivedLsn) {
    return view.failsafeActive ? null : "DCS is not accessible";
  }
  const mode = query.get("mode") === "write" ? "write" : "apply";
  const position = mode === "write" ? view.postgres?.receivedLsn : view.postgres?.replayedLsn;
  const lag = leaderLsn(view) - (position ?? 0);
  const limit = parseQuantity(query.get("lag"), "B") ?? view.dynamic.maximumLagOnFailoverBytes;
  return lag > limit ? `Replication ${mode} lag ${lag} exceeds maximum allowable ${limit}` : null;
}
