/**
 * The status JSON (docs/compatibility.md section 10.3), rendered once per change and kept: health checks come
 * by the thousand and must cost PostgreSQL nothing. Everything is read from memory.
 */
import { Hono } from "@hono/hono";
import type { LeadFailure } from "../model/lead_failure.ts";
import { isInitialized, type ScheduledRestart, scheduledRestartOf } from "../model/records.ts";
import { PATRONI_VERSION, VERSION } from "../model/version.ts";
import { jsonText } from "./json_text.ts";
import { copyJson } from "./copy_json.ts";
import type { ApiPort, ApiView, WatchdogStatus } from "./port.ts";
import type { LeadFailureJson, StatusJson, WatchdogFieldsJson } from "./shapes.ts";

export const JSON_HEADERS = { "Content-Type": "application/json" };

/** A rendering is used again at most this long, so that `dcs_last_seen` and lags stay true to the second. */
const KEEP_MS = 1000;

/** The rendering of one state of the agent. */
export interface RenderedStatus {
  readonly view: ApiView;
  readonly status: StatusJson;
  readonly text: string;
}

export class StatusCache {
  #rendered: RenderedStatus | null = null;
  #version = -1;
  #renderedAtMs = 0;

  readonly #port: ApiPort;

  constructor(port: ApiPort) {
    this.#port = port;
  }

  get(): RenderedStatus {
    const version = this.#port.version();
    const nowMs = performance.now();
    if (this.#rendered !== null && version === this.#version && nowMs - this.#renderedAtMs < KEEP_MS) {
      return this.#rendered;
    }
    const view = this.#port.view();
    const status = statusJson(view);
    this.#rendered = { view, status, text: jsonText(status) };
    this.#version = version;
    this.#renderedAtMs = nowMs;
    return this.#rendered;
  }
}

export function statusRoutes(cache: StatusCache): Hono {
  return new Hono().get("/patroni", () => new Response(cache.get().text, { headers: JSON_HEADERS }));
}

/** True while this member's copy of the cluster's records may be taken for current. */
export function hasClusterView(view: ApiView): boolean {
  return view.dcs !== null && view.dcsAgeMs !== null && view.dcsAgeMs <= view.dynamic.ttlS * 1000;
}

/**
 * The lock's holder as users see it. There is none while a bootstrap is not complete, since it may still be
 * undone.
 */
export function shownLeader(dcs: ApiView["dcs"]): string | null {
  return dcs !== null && isInitialized(dcs) ? dcs.lock.holder : null;
}

export function isStandbyCluster(view: ApiView): boolean {
  return view.dynamic.standbyCluster !== null;
}

/** Synchronous mode has no effect in a standby cluster. */
export function synchronousMode(view: ApiView): "off" | "on" | "quorum" {
  return isStandbyCluster(view) ? "off" : view.dynamic.synchronousMode;
}

/**
 * Maintenance mode as it has reached this member. On the lock's holder only after its guard has lifted the
 * fence. From then on the primary goes on without the network, and `agent ctl pause --wait` waits for that.
 */
function isPaused({ dynamic, dcs, guard, config }: ApiView): boolean {
  const armed = guard?.armed ?? null;
  const fenced = armed !== null && !armed.unfenced;
  return dynamic.pause && !(fenced && dcs?.lock.holder === config.name && dcs.lock.epoch === armed.epoch);
}

/** As Patroni shows it; null: none is scheduled. */
export function shownRestart({ dcs }: ApiView, name: string): ScheduledRestart | null {
  const found = dcs === null ? null : scheduledRestartOf(dcs, name);
  if (found === null) return null;
  const { id: _, ...shown } = found;
  return shown;
}

export function statusJson(view: ApiView): StatusJson {
  const { config, status } = view;
  const answers = view.postgres !== null && view.sqlAnswers;
  const scheduled = shownRestart(view, config.name);
  return {
    state: shownState(view),
    ...(answers ? databaseFields(view, view.postgres!) : { role: shownRole(view) }),
    ...(isPaused(view) ? { pause: true } : {}),
    ...(hasClusterView(view) && shownLeader(view.dcs) !== null ? {} : { cluster_unlocked: true }),
    ...(view.failsafeActive ? { failsafe_mode_is_active: true } : {}),
    dcs_last_seen: view.dcsLastSeenS,
    ...(status && Object.keys(status.tags).length > 0 ? { tags: status.tags } : {}),
    ...(view.postgres?.systemId ? { database_system_identifier: view.postgres.systemId } : {}),
    ...(view.postgres?.pendingRestart
      ? { pending_restart: true, pending_restart_reason: view.postgres.pendingRestart }
      : {}),
    patroni: { version: PATRONI_VERSION, scope: config.scope, name: config.name },
    ...(scheduled === null ? {} : { scheduled_restart: { ...scheduled } }),
    ...(status?.watchdogFailed ? { watchdog_failed: true } : {}),
    ...loggerFields(view),
    agent: {
      version: VERSION,
      epoch: view.dcs?.lock.holder === config.name ? view.dcs.lock.epoch : null,
      guard: view.guard?.state ?? null,
      raft_leader: raftLeaderName(view),
      ...(view.watchdog === null ? {} : { watchdog: watchdogFields(view.watchdog) }),
      ...(view.postgres === null ? { witness: true } : {}),
      ...(view.reinitialize ? { reinitialize: view.reinitialize } : {}),
      ...(view.postgres?.action?.copy ? { copy: copyJson(view.postgres.action.copy) } : {}),
      ...(status?.copyFailed ? { copy_failed: status.copyFailed } : {}),
      ...(status?.needsReinit ? { needs_reinit: status.needsReinit } : {}),
      ...(status?.lastStop ? { last_stop: status.lastStop } : {}),
      ...(status?.leadFailure ? { lead_failure: leadFailureJson(status.leadFailure) } : {}),
      ...(status?.reloadRefused ? { reload_refused: status.reloadRefused } : {}),
      ...(view.certificates?.length ? { certificates: view.certificates } : {}),
      ...(status?.ailments?.length ? { ailments: status.ailments } : {}),
      ...(status?.syncTroubles ? { sync_troubles: status.syncTroubles } : {}),
    },
  } as StatusJson;
}

/** One line that waits is the one being written. */
function loggerFields({ log }: ApiView): Pick<StatusJson, "logger_queue_size" | "logger_records_lost"> {
  return {
    ...(log !== undefined && log.queued > 1 ? { logger_queue_size: log.queued } : {}),
    ...(log !== undefined && log.lost > 0 ? { logger_records_lost: log.lost } : {}),
  };
}

export function leadFailureJson({ at, why, times, sitsOut }: LeadFailure): LeadFailureJson {
  return { at, why, times, sits_out: sitsOut };
}

export function watchdogFields(watchdog: WatchdogStatus): WatchdogFieldsJson {
  const { mode, active, device, identity, timeoutS, bootCause } = watchdog;
  return { mode, active, device, identity, timeout: timeoutS, boot_cause: bootCause };
}

function databaseFields(view: ApiView, postgres: NonNullable<ApiView["postgres"]>): Partial<StatusJson> {
  const role = shownRole(view);
  const primary = role === "primary";
  const inSync = role === "replica" && (view.dcs?.sync.syncStandby.includes(view.config.name) ?? false);
  const mode = synchronousMode(view);
  const replication = postgres.replication;
  return {
    postmaster_start_time: postgres.postmasterStartTime ?? undefined,
    role,
    server_version: postgres.serverVersion ?? undefined,
    xlog: primary ? { location: postgres.walLsn ?? 0 } : {
      received_location: postgres.receivedLsn ?? postgres.replayedLsn ?? 0,
      replayed_location: postgres.replayedLsn ?? 0,
      replayed_timestamp: postgres.replayedAt,
      paused: postgres.replayPaused,
    },
    ...(inSync && mode === "on" ? { sync_standby: true } : {}),
    ...(inSync && mode === "quorum" ? { quorum_standby: true } : {}),
    timeline: postgres.timeline ?? undefined,
    replication_state: primary ? undefined : postgres.replicationState ?? undefined,
    replication: replication.length > 0 ? replication : undefined,
  };
}

/** A server that is up but does not answer SQL is "unknown": hung, or frozen by the guard. */
function shownState(view: ApiView): string {
  if (view.postgres === null) return "stopped";
  return view.postgres.state === "running" && !view.sqlAnswers ? "unknown" : view.postgres.state;
}

/** While PostgreSQL answers, its own role counts; else the role that the agent gave it. */
function shownRole(view: ApiView): string {
  const given = view.status?.role ?? "uninitialized";
  if (view.dcs !== null && !isInitialized(view.dcs)) return given;
  if (view.postgres === null || !view.sqlAnswers || view.postgres.inRecovery === null) return given;
  if (!view.postgres.inRecovery) return "primary";
  return isStandbyCluster(view) && given === "standby_leader" ? given : "replica";
}

/** Name of the raft leader, its address if the name is not known yet, null when there is none. */
export function raftLeaderName(view: ApiView): string | null {
  const leader = view.raft?.members.find((member) => member.id === view.raft?.leader);
  return leader ? raftMemberName(view, leader.name, leader.addr) : null;
}

export function raftMemberName(view: ApiView, name: string | null, addr: string): string {
  if (name !== null) return name;
  const known = [...view.witnesses, ...Object.values(view.dcs?.members ?? {})];
  return known.find((member) => member.raftAddr === addr)?.name ?? addr;
}
