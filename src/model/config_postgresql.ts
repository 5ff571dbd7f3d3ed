/** The postgresql section, of the local file alone or merged with the dynamic one (config_dynamic.ts). */
import type { Credentials, PostgresqlConfig } from "./config.ts";
import { check, warnUnknownKeys } from "./config_check.ts";
import type { Issues, Path } from "./config_issues.ts";
import { postgresqlSchema } from "./config_schema.ts";
import type { PostgresqlSection } from "./config_schema.ts";
import { readText } from "./config_fields.ts";
import { checkPassword, checkPath, checkRole } from "./config_names.ts";
import { formatHostPort, isWildcard } from "./host_port.ts";
import type { JsonObject } from "./json.ts";
import { isJsonObject } from "./merge.ts";
import { absolutePath, parentDirectory } from "./posix_path.ts";
import type { PathContext } from "./posix_path.ts";

const PATH: Path = ["postgresql"];

/** null after an error was reported. */
export function buildPostgresql(
  raw: JsonObject,
  paths: PathContext,
  issues: Issues,
): PostgresqlConfig | null {
  const section = check(postgresqlSchema, raw, PATH, issues);
  if (section === null) return null;
  const methods = section.create_replica_methods ?? section.create_replica_method ?? ["basebackup"];
  warnUnknownKeys(postgresqlSchema, raw, PATH, issues, methods);
  warnWithoutEffect(section, methods, raw, issues);
  const connectAddress = published(section, issues);
  if (connectAddress === null) return null;
  const dataDir = absolutePath(section.data_dir, paths);
  for (const key of ["data_dir", "config_dir", "bin_dir", "pgpass", "custom_conf"] as const) {
    checkPath(section[key] ?? null, [...PATH, key], issues);
  }
  const superuser = credentials(section.authentication?.superuser, "superuser", "postgres", issues);
  const rewind = section.authentication?.rewind;
  return {
    listenAddresses: section.listen.hosts,
    port: section.listen.port,
    connectAddress,
    proxyAddress: section.proxy_address ? formatHostPort(section.proxy_address) : null,
    dataDir,
    configDir: section.config_dir ? absolutePath(section.config_dir, paths) : dataDir,
    binDir: section.bin_dir ? absolutePath(section.bin_dir, paths) : null,
    binName: texts(section.bin_name),
    pgpass: absolutePath(
      section.pgpass ?? (paths.home === null ? `${parentDirectory(dataDir)}/pgpass` : "~/pgpass"),
      paths,
    ),
    useUnixSocket: section.use_unix_socket ?? false,
    useUnixSocketRepl: section.use_unix_socket_repl ?? false,
    superuser,
    replication: credentials(section.authentication?.replication, "replication", "replicator", issues),
    rewind: rewind ? credentials(rewind, "rewind", superuser.username, issues) : superuser,
    createReplicaMethods: methods,
    basebackup: optionList(section.basebackup, [...PATH, "basebackup"], issues),
    customConf: section.custom_conf ?? null,
    callbacks: texts(section.callbacks),
    prePromote: section.pre_promote || null,
    beforeStop: section.before_stop || null,
    pgCtlTimeoutS: pgCtlTimeoutS(section, issues),
    removeDataDirectoryOnRewindFailure: section.remove_data_directory_on_rewind_failure ?? false,
    removeDataDirectoryOnDivergedTimelines: section.remove_data_directory_on_diverged_timelines ?? false,
    raw,
  };
}

const PG_CTL_TIMEOUT_S = 60;

/** Patroni takes 0, and waits for nothing. Here each step of a stop ends by it: with 0 every stop would be an immediate one. */
function pgCtlTimeoutS({ pg_ctl_timeout: given }: PostgresqlSection, issues: Issues): number {
  if (given !== 0) return given ?? PG_CTL_TIMEOUT_S;
  issues.warning(
    [...PATH, "pg_ctl_timeout"],
    `0 would leave PostgreSQL no time for an orderly stop: ${PG_CTL_TIMEOUT_S} s are used`,
  );
  return PG_CTL_TIMEOUT_S;
}

/** Strings, and maps with one or more options, of a list or one map: as pg_basebackup's and initdb's are written. */
export function optionList(
  value: readonly unknown[] | JsonObject | undefined,
  path: Path,
  issues: Issues,
): (string | { [option: string]: string })[] {
  if (value === undefined) return [];
  const items = Array.isArray(value) ? value : Object.entries(value).map(([key, item]) => ({ [key]: item }));
  const result: (string | { [option: string]: string })[] = [];
  items.forEach((item: unknown, i) => {
    const simple = readText(item);
    if (simple !== undefined) result.push(simple);
    else if (isJsonObject(item)) result.push(...optionPairs(item, path, issues));
    else issues.error([...path, i], "expected an option as text, or as option: value");
  });
  return result;
}

/** `verbose: true` is the option alone, `verbose: false` none. */
function optionPairs(
  item: JsonObject,
  path: Path,
  issues: Issues,
): (string | { [option: string]: string })[] {
  return Object.entries(item).flatMap(([option, value]): (string | { [option: string]: string })[] => {
    if (value === true || value === null) return [option];
    if (value === false) return [];
    const written = readText(value);
    if (written !== undefined) return [{ [option]: written }];
    issues.error([...path, option], "expected text, a number or a boolean");
    return [];
  });
}

function published(section: PostgresqlSection, issues: Issues): string | null {
  const path = [...PATH, "connect_address"];
  if (section.connect_address) {
    if (!isWildcard(section.connect_address.host)) return formatHostPort(section.connect_address);
    issues.error(path, "stands for all interfaces, and nobody can connect to it: name this host's address");
    return null;
  }
  const host = section.listen.hosts.find((each) => !isWildcard(each));
  if (host !== undefined) return formatHostPort({ host, port: section.listen.port });
  issues.error(
    path,
    "required: the host:port at which others reach this PostgreSQL (listen stands for all interfaces)",
  );
  return null;
}

function credentials(
  section: NonNullable<PostgresqlSection["authentication"]>["superuser"],
  role: string,
  defaultName: string,
  issues: Issues,
): Credentials {
  if (section?.username === undefined) {
    issues.warning([...PATH, "authentication", role, "username"], `not set: "${defaultName}" is used`);
  }
  const { username, password, ...rest } = section ?? {};
  const path = [...PATH, "authentication", role];
  if (username !== undefined) checkRole(username, [...path, "username"], issues);
  // The owner of the extensions that initdb makes.
  if (role === "superuser" && /["$'\\]/.test(username ?? "")) {
    issues.error(
      [...path, "username"],
      `holds one of "$'\\, with which PostgreSQL makes no owner of an extension: choose another`,
    );
  }
  if (password !== undefined) checkPassword(password, [...path, "password"], issues);
  const options = Object.fromEntries(CONNECTION_OPTIONS.flatMap((key) => {
    const value = rest[key];
    return typeof value === "string" && value !== "" ? [[key, value]] : [];
  }));
  return { username: username ?? defaultName, password: password ? password : null, options };
}

const CONNECTION_OPTIONS = [
  "sslmode",
  "sslkey",
  "sslpassword",
  "sslcert",
  "sslrootcert",
  "sslcrl",
  "sslcrldir",
  "sslnegotiation",
  "gssencmode",
  "channel_binding",
] as const;

function warnWithoutEffect(
  section: PostgresqlSection,
  methods: readonly string[],
  raw: JsonObject,
  issues: Issues,
): void {
  if (section.use_slots !== undefined) {
    issues.warning(
      [...PATH, "use_slots"],
      "has no effect in the local file: it belongs to the dynamic configuration",
    );
  }
  for (const key of ["parameters_primary", "parameters_replica", "parameters_standby_leader"] as const) {
    if (section[key] !== undefined) issues.warning([...PATH, key], "is not supported and has no effect");
  }
  for (const method of methods) {
    if (method !== "basebackup" && !isJsonObject(raw[method])) {
      issues.warning(
        [...PATH, "create_replica_methods"],
        `names ${method}, but there is no section postgresql.${method} with its command`,
      );
    }
  }
  if (section.rewind !== undefined) checkRewindOptions(section.rewind, issues);
}

const FORBIDDEN_REWIND_OPTIONS = [
  "target-pgdata",
  "source-pgdata",
  "source-server",
  "write-recovery-conf",
  "dry-run",
  "restore-target-wal",
  "config-file",
  "no-ensure-shutdown",
  "version",
  "help",
];

function checkRewindOptions(value: unknown, issues: Issues): void {
  const path = [...PATH, "rewind"];
  if (!Array.isArray(value) && !isJsonObject(value)) {
    issues.warning(path, "expected a list of options for pg_rewind: it is ignored");
    return;
  }
  for (const option of optionList(value, path, issues)) {
    const name = typeof option === "string" ? option : Object.keys(option)[0]!;
    if (FORBIDDEN_REWIND_OPTIONS.includes(name)) {
      issues.warning(path, `the option ${name} is set by the agent itself: it is ignored`);
    }
  }
}

function texts(section: { [key: string]: unknown } | undefined): { [key: string]: string } {
  return Object.fromEntries(
    Object.entries(section ?? {}).flatMap(([key, value]) =>
      typeof value === "string" && value !== "" ? [[key, value]] : []
    ),
  );
}
