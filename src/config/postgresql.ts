/** The postgresql section, of the local file alone or merged with the dynamic one (dynamic.ts). */
import type { Credentials, PostgresqlConfig } from "../model/config.ts";
import { check, warnUnknownKeys } from "./check.ts";
import { Issues } from "./issues.ts";
import type { Path } from "./issues.ts";
import { PG_CTL_TIMEOUT_S, postgresqlSchema } from "./keys/postgresql.ts";
import type { PostgresqlSection } from "./keys/postgresql.ts";
import { warnWithoutEffect } from "./keys/row.ts";
import { checkPassword, checkRole } from "./names.ts";
import { readReplicaMethods, replicaMethodNames } from "./methods.ts";
import { optionList } from "./options.ts";
import { checkValues, usableKeys } from "./postgresql_keys.ts";
import { formatHostPort, unpublishable } from "../model/host_port.ts";
import type { JsonObject } from "../model/json.ts";
import { absolutePath, parentDirectory } from "../model/posix_path.ts";
import type { PathContext } from "../model/posix_path.ts";

const PATH: Path = ["postgresql"];

/** null after an error was reported. */
export function buildPostgresql(
  raw: JsonObject,
  paths: PathContext,
  issues: Issues,
): PostgresqlConfig | null {
  const section = check(postgresqlSchema, raw, PATH, issues);
  const methods = replicaMethodNames(raw);
  warnUnknownKeys(postgresqlSchema, raw, PATH, issues, methods);
  warnWithoutEffect(postgresqlSchema, raw, PATH, issues);
  // Beside a value of the wrong type the others are judged all the same: one look shows all there is to mend.
  checkValues(section === null ? usableKeys(raw, PATH, new Issues()) : raw, "local", PATH, issues);
  if (section === null) return null;
  if (section.use_slots !== undefined) {
    issues.warning(
      [...PATH, "use_slots"],
      "has no effect in the local file: it belongs to the dynamic configuration",
    );
  }
  const connectAddress = published(section, issues);
  const proxyProblem = section.proxy_address ? unpublishable(section.proxy_address.host) : null;
  if (proxyProblem !== null) issues.error([...PATH, "proxy_address"], proxyProblem);
  if (connectAddress === null) return null;
  const dataDir = absolutePath(section.data_dir, paths);
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
    createReplicaMethods: readReplicaMethods(raw),
    // Judged by checkValues.
    basebackup: optionList(section.basebackup, [...PATH, "basebackup"], new Issues()),
    customConf: section.custom_conf ?? null,
    callbacks: texts(section.callbacks),
    callbackTimeoutS: section.callback_timeout ?? 0,
    prePromote: section.pre_promote || null,
    beforeStop: section.before_stop || null,
    pgCtlTimeoutS: pgCtlTimeoutS(section, issues),
    removeDataDirectoryOnRewindFailure: section.remove_data_directory_on_rewind_failure ?? false,
    removeDataDirectoryOnDivergedTimelines: section.remove_data_directory_on_diverged_timelines ?? false,
    raw,
  };
}

/**
 * Patroni takes 0, and waits for nothing. Here each step of a stop ends by it: with 0 every stop would be an
 * immediate one.
 */
function pgCtlTimeoutS({ pg_ctl_timeout: given }: PostgresqlSection, issues: Issues): number {
  if (given === 0) {
    issues.warning(
      [...PATH, "pg_ctl_timeout"],
      `0 would leave PostgreSQL no time for an orderly stop: ${PG_CTL_TIMEOUT_S} s are used`,
    );
  }
  return given || PG_CTL_TIMEOUT_S;
}

/** The same of a section whose values have the right type: the local one merged with the dynamic one. */
export function mergedPgCtlTimeoutS(merged: JsonObject): number {
  const { data } = postgresqlSchema.shape.pg_ctl_timeout.safeParse(merged["pg_ctl_timeout"]);
  return data || PG_CTL_TIMEOUT_S;
}

function published(section: PostgresqlSection, issues: Issues): string | null {
  const path = [...PATH, "connect_address"];
  if (section.connect_address) {
    const problem = unpublishable(section.connect_address.host);
    if (problem === null) return formatHostPort(section.connect_address);
    issues.error(path, problem);
    return null;
  }
  const host = section.listen.hosts.find((each) => unpublishable(each) === null);
  if (host !== undefined) return formatHostPort({ host, port: section.listen.port });
  issues.error(
    path,
    "required: the host:port at which others reach this PostgreSQL (listen names no address for them)",
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
  // PostgreSQL logs each change of primary_conninfo, and everybody on the host sees arguments of programs.
  if (rest.sslpassword) issues.warning([...path, "sslpassword"], OWN_CONNECTIONS_ONLY);
  const options = Object.fromEntries(CONNECTION_OPTIONS.flatMap((key) => {
    const value = rest[key];
    return typeof value === "string" && value !== "" ? [[key, value]] : [];
  }));
  return { username: username ?? defaultName, password: password ? password : null, options };
}

const OWN_CONNECTIONS_ONLY = "opens the key for the agent's own connections only. The WAL receiver, " +
  "pg_basebackup and pg_rewind would show it in logs and arguments, and do not get it: sslkey has to name a key " +
  "without a passphrase for them";

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

function texts(section: { [key: string]: unknown } | undefined): { [key: string]: string } {
  return Object.fromEntries(
    Object.entries(section ?? {}).flatMap(([key, value]) =>
      typeof value === "string" && value !== "" ? [[key, value]] : []
    ),
  );
}
