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
import { key, type KeyRow, NO_EFFECT, requiredKey } from "./row.ts";

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
const CALLBACKS = {
  effect: "reload",
  meaning:
    "commands; action, role and scope are appended. The environment has `AGENT_EVENT`, `AGENT_OLD_ROLE`, " +
    "`AGENT_NEW_ROLE`, `AGENT_TIMELINE` and `AGENT_LEADER`; what is not known is empty",
};
const FILE_LINES = {
  default: "file left alone",
  effect: "reload",
  meaning:
    "list of lines; replaces the whole file. An empty list is none. A line of `pg_hba` that PostgreSQL 13 to 18 " +
    "would refuse (type, fields, address, method, options) is an error, with its line and the reason",
};
const ROLE_PARAMETERS = {
  effect: "reload, and a change of role; some PostgreSQL restart",
  meaning:
    "parameters over `parameters`, while PostgreSQL has this role. One that must be equal on all members is " +
    "refused in the dynamic configuration, and ignored in the file",
};
const ROLE_LINES = {
  default: "`pg_hba`, `pg_ident`",
  effect: "reload, and a change of role",
  meaning: "list of lines, in place of those of `pg_hba` or `pg_ident` while PostgreSQL has this role",
};
const removal = (when: string) =>
  `a directory is moved aside and kept before it is copied anew; where it cannot be moved, it may be removed ${when}`;
const METHODS = {
  default: "`[basebackup]`",
  effect: "once, at a clone",
  meaning: "ways to make a copy, tried in order; each but `basebackup` has a section `postgresql.<method>` " +
    "([backup.md](backup.md))",
};

/** `use_slots` where it is not set. */
export const USE_SLOTS = true;
/** `pg_ctl_timeout` where it is not set, or 0. */
export const PG_CTL_TIMEOUT_S = 60;

/** The section of a method has the method's name. */
export const REPLICA_METHOD_ROWS: readonly KeyRow[] = [
  {
    path: ["postgresql", "<method>", "command"],
    text: {
      default: "the method's name",
      effect: "once, at a clone",
      meaning:
        "its command, without a shell; gets every further key as `--key=value`, and `--scope=`, `--role=replica`, " +
        "`--datadir=`, `--connstring=`",
    },
  },
  {
    path: ["postgresql", "<method>", "no_params"],
    text: {
      default: "`false`",
      effect: "once, at a clone",
      meaning: "call it without those four, `no_leader` and `keep_data`",
    },
  },
  {
    path: ["postgresql", "<method>", "no_leader"],
    text: {
      default: "`false`",
      effect: "once, at a clone",
      meaning:
        "it works without a running member: used too while the cluster has no data to copy. Old name `no_master`",
    },
  },
  {
    path: ["postgresql", "<method>", "keep_data"],
    text: {
      default: "`false`",
      effect: "once, at a clone",
      meaning:
        "it goes on from what a failed run of it has left, and as the first method from the directory of a `reinit`",
    },
  },
  {
    path: ["postgresql", "<method>", "time_limit"],
    text: {
      default: "`86400` s",
      effect: "once, at a clone",
      meaning:
        "the longest time that the command may take; then it is ended. A key that Patroni does not have",
    },
  },
];

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
  parameters_primary: key(json, ROLE_PARAMETERS),
  parameters_replica: key(json, ROLE_PARAMETERS),
  parameters_standby_leader: key(json, ROLE_PARAMETERS),
  pg_hba: key(lines, FILE_LINES),
  pg_ident: key(lines, FILE_LINES),
  pg_hba_primary: key(lines, ROLE_LINES),
  pg_hba_replica: key(lines, ROLE_LINES),
  pg_ident_primary: key(lines, ROLE_LINES),
  pg_ident_replica: key(lines, ROLE_LINES),
  pg_hba_standby_leader: key(lines, ROLE_LINES),
  pg_ident_standby_leader: key(lines, ROLE_LINES),
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
  callback_timeout: key(integer(0, MAX_TIMEOUT_S, "s"), {
    default: "`0` s",
    effect: "reload",
    meaning: "how long a callback may take before it is ended with its children; 0: until the next one comes",
  }),
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
    default: `\`${PG_CTL_TIMEOUT_S}\` s`,
    effect: "reload",
    meaning:
      "longest CHECKPOINT before a stop, longest `before_stop` and `pre_promote`, and longest step of a stop that has no limit of its own; " +
      `0 counts as ${PG_CTL_TIMEOUT_S}`,
  }),
  use_slots: key(bool, {
    default: `\`${USE_SLOTS}\``,
    effect: "at once",
    meaning:
      "members get physical slots, on each member that may be primary. In the dynamic configuration only",
  }),
  use_pg_rewind: key(bool, {
    default: "`false`",
    effect: "reload",
    meaning: "repair a diverged former primary with `pg_rewind`; `rejoin` stands over it",
  }),
  rejoin: key(textList, {
    default: "`[rewind, reclone]` with `use_pg_rewind`, else `[reclone]`",
    effect: "reload",
    meaning:
      "how a server whose history differs from the primary's comes back: `rewind` (pg_rewind), `reclone` (moved aside, " +
      "and copied anew), `hold` (left as it is, with the state `needs reinit`), in this order; where no way of the list " +
      "is left, it is held. A key that Patroni does not have",
  }),
  remove_data_directory_on_rewind_failure: key(bool, {
    default: "`false`",
    effect: "reload",
    meaning: removal("after `pg_rewind` has failed"),
  }),
  remove_data_directory_on_diverged_timelines: key(bool, {
    default: "`false`",
    effect: "reload",
    meaning: removal("where `pg_rewind` is not allowed or not possible"),
  }),
  rewind: key(anything, { ...NO_EFFECT, meaning: "checked, and accepted with a warning, no effect" }),
  krbsrvname: key(nonEmptyLine, NO_EFFECT),
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
