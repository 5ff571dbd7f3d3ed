/** The postgresql section, of the local file alone or merged with the dynamic one (dynamic.ts). */
import type { Credentials, PostgresqlConfig } from "../model/config.ts";
import { check, warnUnknownKeys } from "./check.ts";
import { Issues } from "./issues.ts";
import type { Path } from "./issues.ts";
import { postgresqlSchema } from "./keys/postgresql.ts";
import type { PostgresqlSection } from "./keys/postgresql.ts";
import { warnWithoutEffect } from "./keys/row.ts";
import { checkPassword, checkRole } from "./names.ts";
import { optionList } from "./options.ts";
import { checkValues } from "./postgresql_keys.ts";
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
  if (section === null) return null;
  const named = [section.create_replica_methods, section.create_replica_method].find((list) => list?.length);
  const methods = named ?? ["basebackup"];
  warnUnknownKeys(postgresqlSchema, raw, PATH, issues, methods);
  warnWithoutEffect(postgresqlSchema, raw, PATH, issues);
  if (section.use_slots !== undefined) {
    issues.warning(
      [...PATH, "use_slots"],
      "has no effect in the local file: it belongs to the dynamic configuration",
    );
  }
  checkValues(raw, "local", PATH, issues);
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
    createReplicaMethods: methods,
    // Judged by checkValues.
    basebackup: optionList(section.basebackup, [...PATH, "basebackup"], new Issues()),
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

/**
 * Patroni takes 0, and waits for nothing. Here each step of a stop ends by it: with 0 every stop would be an
 * immediate one.
 */
function pgCtlTimeoutS({ pg_ctl_timeout: given }: PostgresqlSection, issues: Issues): number {
  if (given !== 0) return given ?? PG_CTL_TIMEOUT_S;
  issues.warning(
    [...PATH, "pg_ctl_timeout"],
    `0 would leave PostgreSQL no time for an orderly stop: ${PG_CTL_TIMEOUT_S} s are used`,
  );
  return PG_CTL_TIMEOUT_S;
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

function texts(section: { [key: string]: unknown } | undefined): { [key: string]: string } {
  return Object.fromEntries(
    Object.entries(section ?? {}).flatMap(([key, value]) =>
      typeof value === "string" && value !== "" ? [[key, value]] : []
    ),
  );
}
