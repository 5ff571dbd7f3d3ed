/**
 * Answers that clients here read only in part, or not at all, with all of their fields: for the document and
 * its tests.
 */
import {
  ailments,
  anyText,
  certificates,
  copy,
  lastStop,
  leadFailure,
  MANY,
  MAX_MEMBERS,
  number,
  pendingRestart,
  reinitialize,
  reloadRefused,
  syncTroubles,
  tags,
  textOrNull,
  watchdogFields,
} from "../answer_parts.ts";
import { CLUSTER, RAFT, xlog } from "../answers.ts";
import { described, flag, json, list, map, openFields, orNull } from "../../model/shape.ts";
import { JSON_BOUNDS } from "../../model/bounded_json.ts";

const replication = list(
  openFields({
    usename: textOrNull,
    application_name: textOrNull,
    client_addr: textOrNull,
    state: textOrNull,
    sync_state: textOrNull,
    sync_priority: orNull(number),
  }),
  MANY,
);

const ownFields = openFields({
  version: anyText,
  epoch: orNull(number),
  guard: textOrNull,
  raft_leader: textOrNull,
}, {
  watchdog: openFields(watchdogFields),
  witness: flag,
  reinitialize,
  follows: anyText,
  copy,
  copy_failed: anyText,
  needs_reinit: anyText,
  last_stop: lastStop,
  lead_failure: leadFailure,
  reload_refused: reloadRefused,
  certificates,
  ailments,
  sync_troubles: syncTroubles,
});

/** `GET /patroni`, and every health check. */
export const STATUS_SHOWN = openFields({
  state: anyText,
  role: anyText,
  dcs_last_seen: number,
  patroni: openFields({ version: anyText, scope: anyText, name: anyText }),
  agent: ownFields,
}, {
  postmaster_start_time: anyText,
  server_version: number,
  xlog,
  timeline: number,
  replication,
  replication_state: anyText,
  sync_standby: flag,
  quorum_standby: flag,
  pause: flag,
  cluster_unlocked: flag,
  failsafe_mode_is_active: flag,
  tags,
  database_system_identifier: anyText,
  pending_restart: flag,
  pending_restart_reason: pendingRestart,
  scheduled_restart: json(JSON_BOUNDS, JSON_BOUNDS),
  watchdog_failed: flag,
  logger_queue_size: number,
  logger_records_lost: number,
});

/** `GET /failsafe`: addresses by member. */
export const FAILSAFE_MEMBERS = map(anyText, anyText, MAX_MEMBERS);

export const DECISIONS = list(
  openFields({ at: anyText, rule: anyText, reason: anyText, actions: list(described(() => null, {}), 1000) }),
  200,
);

/** `GET /ui/data`. */
export const UI_DATA = openFields({
  name: anyText,
  scope: anyText,
  version: anyText,
  at: anyText,
  revision: orNull(number),
  witness: flag,
  loop_age_ms: number,
  reinitialize: orNull(reinitialize),
  lease: openFields({
    holder: textOrNull,
    epoch: number,
    ttl_s: number,
    held_here: flag,
    remaining_ms: number,
  }),
  cluster: CLUSTER.check,
  raft: orNull(RAFT.check),
});

/** The document itself. */
export const DOCUMENT = openFields({ openapi: anyText }, {
  info: json(JSON_BOUNDS, JSON_BOUNDS),
  tags: list(json(JSON_BOUNDS, JSON_BOUNDS), 100),
  paths: described(() => null, { type: "object" }),
  components: described(() => null, { type: "object" }),
});
