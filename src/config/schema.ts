/** The schema of the local configuration file: every known key, its type, nothing of how keys depend on each other. */
import * as z from "zod";
import {
  bool,
  command,
  file,
  fileMode,
  hostPort,
  integer,
  json,
  lines,
  listen,
  nonEmptyFile,
  nonEmptyLine,
  nonEmptyText,
  oneLine,
  oneOf,
  secret,
  section,
  text,
} from "./fields.ts";
import { address, anything, textList, textMap } from "./fields.ts";
import { field } from "./fields.ts";
import { MAX_COUNT, MAX_TIMEOUT_S } from "../model/limits.ts";
import { isJsonObject } from "../model/merge.ts";

const login = section({ username: oneLine.optional(), password: secret.optional() }).optional();

const tlsFiles = {
  certfile: nonEmptyFile.optional(),
  keyfile: nonEmptyFile.optional(),
  keyfile_password: secret.optional(),
};

/** [min, max] or one number, ms. */
const electionTimeout = field(
  "one time in ms or a list of two (min, max)",
  (value): readonly unknown[] | undefined => {
    if (Array.isArray(value)) return value.length === 2 ? value : undefined;
    return typeof value === "number" || typeof value === "string" ? [value] : undefined;
  },
);

export const raftSchema = section({
  self_addr: address.optional(),
  bind_addr: address.optional(),
  partner_addrs: textList.optional(),
  data_dir: nonEmptyText.optional(),
  password: text.optional(),
  tls: section({ certfile: nonEmptyFile, keyfile: nonEmptyFile, cafile: nonEmptyFile }).optional(),
  witness: bool.optional(),
  election_timeout: electionTimeout.optional(),
  heartbeat_interval: integer(10, 10_000, "ms").optional(),
});

export const restapiSchema = section({
  listen: hostPort(8008).optional(),
  connect_address: hostPort(8008).optional(),
  authentication: login,
  auth: secret.optional(),
  allow_unauthenticated: bool.optional(),
  ...tlsFiles,
  cafile: nonEmptyFile.optional(),
  ciphers: text.optional(),
  verify_client: oneOf(["none", "optional", "required"]).optional(),
  allowlist: textList.optional(),
  allowlist_include_members: bool.optional(),
  http_extra_headers: textMap.optional(),
  https_extra_headers: textMap.optional(),
  request_queue_size: integer(0, 4096).optional(),
  server_tokens: oneOf(["original", "minimal", "productonly"]).optional(),
  thread_pool_size: integer(1, MAX_COUNT).optional(),
});

export const ctlSchema = section({
  authentication: login,
  insecure: bool.optional(),
  cacert: nonEmptyFile.optional(),
  ...tlsFiles,
});

const credentials = section({
  username: nonEmptyText.optional(),
  password: text.optional(),
  sslmode: oneOf(["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]).optional(),
  sslkey: file.optional(),
  sslpassword: secret.optional(),
  sslcert: file.optional(),
  sslrootcert: file.optional(),
  sslcrl: file.optional(),
  sslcrldir: file.optional(),
  sslnegotiation: oneOf(["postgres", "direct"]).optional(),
  gssencmode: oneOf(["disable", "prefer", "require"]).optional(),
  channel_binding: oneOf(["disable", "prefer", "require"]).optional(),
}).optional();

export const postgresqlSchema = section({
  listen: listen(5432),
  connect_address: hostPort(5432).optional(),
  proxy_address: hostPort(5432).optional(),
  data_dir: nonEmptyText,
  config_dir: nonEmptyText.optional(),
  bin_dir: nonEmptyText.optional(),
  bin_name: section({
    pg_ctl: nonEmptyFile.optional(),
    initdb: nonEmptyFile.optional(),
    pg_controldata: nonEmptyFile.optional(),
    pg_basebackup: nonEmptyFile.optional(),
    postgres: nonEmptyFile.optional(),
    pg_isready: nonEmptyFile.optional(),
    pg_rewind: nonEmptyFile.optional(),
  }).optional(),
  pgpass: nonEmptyText.optional(),
  use_unix_socket: bool.optional(),
  use_unix_socket_repl: bool.optional(),
  authentication: section({ superuser: credentials, replication: credentials, rewind: credentials })
    .optional(),
  callbacks: section({
    on_start: command.optional(),
    on_stop: command.optional(),
    on_restart: command.optional(),
    on_reload: command.optional(),
    on_role_change: command.optional(),
  }).optional(),
  create_replica_methods: textList.optional(),
  create_replica_method: textList.optional(),
  basebackup: field(
    "a list of options or a map of them",
    (value) => Array.isArray(value) || isJsonObject(value) ? value : undefined,
  ).optional(),
  custom_conf: nonEmptyText.optional(),
  parameters: json.optional(),
  pg_hba: lines.optional(),
  pg_ident: lines.optional(),
  recovery_conf: json.optional(),
  pg_ctl_timeout: integer(0, MAX_TIMEOUT_S, "s").optional(),
  use_slots: bool.optional(),
  use_pg_rewind: bool.optional(),
  rewind: anything.optional(),
  remove_data_directory_on_rewind_failure: bool.optional(),
  remove_data_directory_on_diverged_timelines: bool.optional(),
  pre_promote: command.optional(),
  before_stop: command.optional(),
  krbsrvname: nonEmptyLine.optional(),
  // Kept in the raw section, not used for decisions by the configuration itself.
  parameters_primary: anything.optional(),
  parameters_replica: anything.optional(),
  parameters_standby_leader: anything.optional(),
});

export const bootstrapSchema = section({
  dcs: json.optional(),
  method: nonEmptyText.optional(),
  initdb: field(
    "a list of options or a map of them",
    (value) => Array.isArray(value) || isJsonObject(value) ? value : undefined,
  ).optional(),
  pg_hba: lines.optional(),
  post_bootstrap: command.optional(),
  post_init: command.optional(),
  users: json.optional(),
});

export const logSchema = section({
  type: oneOf(["plain", "json"]).optional(),
  level: oneOf(["debug", "info", "warn", "warning", "error", "fatal", "critical"]).optional(),
  traceback_level: oneOf(["debug", "info", "warn", "warning", "error", "fatal", "critical"]).optional(),
  format: anything.optional(),
  dateformat: anything.optional(),
  static_fields: json.optional(),
  loggers: json.optional(),
  max_queue_size: integer(1, MAX_COUNT).optional(),
  dir: nonEmptyFile.optional(),
  mode: fileMode.optional(),
  file_num: integer(0, 1000).optional(),
  file_size: integer(1, 2 ** 40, "B").optional(),
  deduplicate_heartbeat_logs: bool.optional(),
});

const rootKeys = {
  name: nonEmptyText,
  scope: nonEmptyText,
  namespace: text.optional(),
  thread_pool_size: integer(1, MAX_COUNT).optional(),
  thread_stack_size: anything.optional(),
};

/** The keys outside of all sections. */
export const rootSchema = section(rootKeys);

export const tagsSchema = json;
export const watchdogSchema = json;

/** All of the file but postgresql and watchdog, which know their own keys. For names only. */
export const localSchema = section({
  ...rootKeys,
  log: logSchema,
  bootstrap: bootstrapSchema,
  restapi: restapiSchema,
  ctl: ctlSchema,
  raft: raftSchema,
  tags: tagsSchema,
});

export type RaftSection = z.output<typeof raftSchema>;
export type RestApiSection = z.output<typeof restapiSchema>;
export type CtlSection = z.output<typeof ctlSchema>;
export type PostgresqlSection = z.output<typeof postgresqlSchema>;
export type BootstrapSection = z.output<typeof bootstrapSchema>;
export type LogSection = z.output<typeof logSchema>;

/** Sections that name another place for the cluster's state: read by nobody here. */
export const OTHER_STORES = ["etcd", "etcd3", "consul", "zookeeper", "exhibitor", "kubernetes"] as const;

/** Root keys that belong in the dynamic configuration; in the local file they are fallbacks or have no effect. */
export const DYNAMIC_ROOT_KEYS = [
  "ttl",
  "loop_wait",
  "retry_timeout",
  "maximum_lag_on_failover",
  "maximum_lag_on_syncnode",
  "check_timeline",
  "max_timelines_history",
  "primary_start_timeout",
  "primary_stop_timeout",
  "master_start_timeout",
  "master_stop_timeout",
  "primary_race_backoff",
  "synchronous_mode",
  "synchronous_mode_strict",
  "synchronous_node_count",
  "failsafe_mode",
  "pause",
  "member_slots_ttl",
  "slots",
  "permanent_slots",
  "permanent_replication_slots",
  "ignore_slots",
  "standby_cluster",
] as const;
