/** The keys of the section postgresql. */
import type * as z from "zod";
import {
  anything,
  bool,
  command,
  file,
  hostPort,
  integer,
  json,
  lines,
  listen,
  nonEmptyFile,
  nonEmptyLine,
  nonEmptyText,
  oneOf,
  options,
  secret,
  section,
  text,
  textList,
} from "../fields.ts";
import { MAX_TIMEOUT_S } from "../../model/limits.ts";
import { key, NO_EFFECT, requiredKey } from "./row.ts";

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
});

const AUTHENTICATION = {
  default: "`postgres`, `replicator`, the superuser",
  effect: "reload",
  meaning:
    "each with `username`, `password`, `sslmode`, `sslkey`, `sslpassword`, `sslcert`, `sslrootcert`, `sslcrl`, " +
    "`sslcrldir`, `sslnegotiation`, `gssencmode`, `channel_binding`",
};
const CALLBACKS = { effect: "reload", meaning: "commands; action, role and scope are appended" };
const FILE_LINES = {
  default: "file left alone",
  effect: "reload",
  meaning:
    "list of lines; replaces the whole file. An empty list is none. Lines of `pg_hba` begin with `local`, `host...`, " +
    "`include...` or `#`",
};
const REMOVAL =
  "a directory that cannot be rewound is moved aside and copied anew; where it cannot be moved, it may be removed";
const METHODS = {
  default: "`[basebackup]`",
  effect: "once, at a clone",
  meaning:
    "ways to make a copy, in order; each but `basebackup` has a section `postgresql.<method>` with `command`. Only " +
    "`basebackup` is carried out in this version, others bring a warning",
};

export const postgresqlSchema = section({
  listen: requiredKey(listen(5432), {
    default: "required",
    effect: "PostgreSQL restart",
    meaning: "`address[,address...]:port`; without a port 5432; `*` for all",
  }),
  connect_address: key(hostPort(5432), {
    default: "first address of `listen`",
    effect: "reload; together with `listen`: PostgreSQL restart",
    meaning: "published for clients and the other members; required when `listen` stands for all interfaces",
  }),
  proxy_address: key(hostPort(5432), {
    effect: "reload",
    meaning: "address of a pooler in front, published beside it",
  }),
  data_dir: requiredKey(nonEmptyText, { default: "required", effect: "restart", meaning: "data directory" }),
  config_dir: key(nonEmptyText, {
    default: "`data_dir`",
    effect: "restart",
    meaning: "where `postgresql.conf` lies",
  }),
  bin_dir: key(nonEmptyText, {
    default: "from `PATH`, else the version of the data directory, else the newest installed",
    effect: "restart",
    meaning: "directory of PostgreSQL's programs",
  }),
  bin_name: key(
    section({
      pg_ctl: nonEmptyFile.optional(),
      initdb: nonEmptyFile.optional(),
      pg_controldata: nonEmptyFile.optional(),
      pg_basebackup: nonEmptyFile.optional(),
      postgres: nonEmptyFile.optional(),
      pg_isready: nonEmptyFile.optional(),
      pg_rewind: nonEmptyFile.optional(),
    }),
    {
      shown: "bin_name.<program>",
      effect: "restart",
      meaning: "other names of `postgres initdb pg_basebackup pg_rewind pg_controldata pg_ctl pg_isready`",
    },
  ),
  pgpass: key(nonEmptyText, {
    default: "`~/pgpass`",
    effect: "restart",
    meaning: "password file, written by the agent",
  }),
  use_unix_socket: key(bool, {
    default: "`false`",
    effect: "reload",
    meaning:
      "local connections through the socket first. Whatever is set, the other ways are tried when one fails: every " +
      "directory of `unix_socket_directories`, every address of `listen`, `connect_address`",
  }),
  use_unix_socket_repl: key(bool, {
    ...NO_EFFECT,
    effect: "reload",
    meaning: "accepted with a warning, no effect: nothing replicates through a socket",
  }),
  authentication: section({
    superuser: key(credentials, AUTHENTICATION),
    replication: key(credentials, AUTHENTICATION),
    rewind: key(credentials, AUTHENTICATION),
  }).optional(),
  parameters: key(json, {
    effect: "reload, some PostgreSQL restart",
    meaning: "parameters of `postgresql.conf` of this member",
  }),
  pg_hba: key(lines, FILE_LINES),
  pg_ident: key(lines, FILE_LINES),
  custom_conf: key(nonEmptyText, {
    default: "`postgresql.base.conf`",
    effect: "restart",
    meaning: "file that `postgresql.conf` includes",
  }),
  recovery_conf: key(json, {
    effect: "reload",
    meaning:
      "recovery settings such as `restore_command`. `recovery_target*`, `primary_conninfo` and `primary_slot_name` in it " +
      "are ignored",
  }),
  callbacks: section({
    on_start: key(command, CALLBACKS),
    on_stop: key(command, CALLBACKS),
    on_restart: key(command, CALLBACKS),
    on_reload: key(command, CALLBACKS),
    on_role_change: key(command, CALLBACKS),
  }).optional(),
  pre_promote: key(command, {
    effect: "reload",
    meaning: "command before a promotion; a failure, or no end within `pg_ctl_timeout`, prevents it",
  }),
  before_stop: key(command, { effect: "reload", meaning: "command before PostgreSQL is stopped" }),
  create_replica_methods: key(textList, METHODS),
  create_replica_method: key(textList, {
    effect: "once, at a clone",
    meaning: "old name of `create_replica_methods`",
  }),
  basebackup: key(options, {
    effect: "once, at a clone",
    meaning: "options for `pg_basebackup`: list, or map",
  }),
  pg_ctl_timeout: key(integer(0, MAX_TIMEOUT_S, "s"), {
    default: "`60` s",
    effect: "reload",
    meaning:
      "longest CHECKPOINT before a stop, longest `before_stop` and `pre_promote`, and longest step of a stop that has no limit of its own; " +
      "0 counts as 60",
  }),
  use_slots: key(bool, {
    default: "`true`",
    effect: "at once",
    meaning: "members get physical slots on the primary. In the dynamic configuration only",
  }),
  use_pg_rewind: key(bool, {
    default: "`false`",
    effect: "reload",
    meaning: "repair a diverged former primary with `pg_rewind`",
  }),
  remove_data_directory_on_rewind_failure: key(bool, {
    default: "`false`",
    effect: "reload",
    meaning: REMOVAL,
  }),
  remove_data_directory_on_diverged_timelines: key(bool, {
    default: "`false`",
    effect: "reload",
    meaning: REMOVAL,
  }),
  rewind: key(anything, { ...NO_EFFECT, meaning: "checked, and accepted with a warning, no effect" }),
  krbsrvname: key(nonEmptyLine, NO_EFFECT),
  parameters_primary: key(anything, NO_EFFECT),
  parameters_replica: key(anything, NO_EFFECT),
  parameters_standby_leader: key(anything, NO_EFFECT),
});

export type PostgresqlSection = z.output<typeof postgresqlSchema>;

/** Facts of one host: found in the dynamic configuration, they are dropped. */
export const LOCAL_ONLY_POSTGRESQL_KEYS = [
  "listen",
  "connect_address",
  "proxy_address",
  "data_dir",
  "config_dir",
  "pgpass",
  "authentication",
] as const;
