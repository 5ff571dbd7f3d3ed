/**
 * The file of one member as `agent generate-config` writes it: from what a running PostgreSQL and this host
 * say, and as little as a user would have to write by hand. Pure.
 */
import { Document } from "yaml";
import { CONTROLLED_PARAMETERS, WAL_KEEP_DEFAULT } from "../src/config/guc.ts";
import { PLACEHOLDER } from "../src/config/placeholder.ts";
import type { Json, JsonObject } from "../src/model/json.ts";
import { formatHostPort, isLoopback, isWildcard } from "../src/model/host_port.ts";
import { parseConninfo } from "../src/postgres/parse_conninfo.ts";
import { RECOVERY_PARAMETERS } from "../src/postgres/server_conf.ts";

const RAFT_PORT = 2222;
const REST_PORT = 8008;
const POSTGRES_PORT = 5432;
const FIRST_MEMBERS = 3;

/** A row of pg_settings. */
export interface Setting {
  readonly name: string;
  /** As SHOW prints it, with its unit. */
  readonly shown: string;
  /** Somebody has given it a value, in a file, on the command line or in the environment. */
  readonly given: boolean;
  /** It has its built-in value. */
  readonly standard: boolean;
}

/** What a running server says of itself. */
export interface Instance {
  readonly versionText: string;
  readonly settings: ReadonlyMap<string, Setting>;
  readonly inRecovery: boolean;
  /** Directory of its programs; null: the agent finds them by itself. */
  readonly binDir: string | null;
  /** Addresses of its standbys, or of its primary. */
  readonly partners: readonly string[];
  /** Role that its standbys stream as; null: none does. */
  readonly replicationRole: string | null;
  readonly logicalSlots: readonly {
    readonly name: string;
    readonly plugin: string;
    readonly database: string;
  }[];
}

export interface Surroundings {
  readonly host: string;
  /** Address of this host that others can reach. */
  readonly address: string;
  /** Superuser that the instance was asked as; of a sample: the one to make. */
  readonly superuser: { readonly username: string; readonly password: string | null };
  readonly replicationPassword: string | null;
  readonly raftPassword: string;
  readonly restPassword: string;
  /** Secrets go into the file; false: placeholders stand for them. */
  readonly secrets: boolean;
  /** Where a sample puts its data. */
  readonly dataDir: string;
}

/** `instance`: null makes a sample. */
export function generatedConfig(instance: Instance | null, around: Surroundings): string {
  const parts: readonly (string | JsonObject)[] = [
    ...head(instance, around),
    raft(instance, around),
    { restapi: restapi(around) },
    "# Read once, when the cluster is made; afterwards: agent ctl edit-config",
    { bootstrap: { dcs: dynamic(instance), ...(instance === null ? { initdb: ["data-checksums"] } : {}) } },
    instance === null
      ? "# initdb leaves a pg_hba.conf that lets in this host only."
      : "# pg_hba.conf stays as it is: it must let the roles below in, from every member.",
    { postgresql: postgresql(instance, around) },
  ];
  return parts.map((part) => typeof part === "string" ? `${part}\n` : text(part)).join("");
}

function head(instance: Instance | null, { host }: Surroundings): readonly (string | JsonObject)[] {
  const of = instance === null
    ? "a sample"
    : `from PostgreSQL ${instance.versionText} in ${show(instance, "data_directory")}`;
  return [
    `# The file of one member, ${of}. It holds secrets: chmod 600.\n` +
    `# Replace each ${PLACEHOLDER}. Then: agent validate-config --ignore-listen-port FILE`,
    { scope: scopeOf(instance), name: nameOf(host) },
  ];
}

function raft(
  instance: Instance | null,
  { address, secrets, raftPassword, ...around }: Surroundings,
): string {
  const known = (instance?.partners ?? []).filter((one) => one !== address && !isLoopback(one))
    .map((host) => formatHostPort({ host, port: RAFT_PORT }));
  const missing = known.length < FIRST_MEMBERS - 1
    ? `# ${PLACEHOLDER}: raft.partner_addrs names the other members, HOST:${RAFT_PORT}\n`
    : "";
  return `# The passwords of raft and restapi are the same on all members.\n${missing}` +
    text({
      raft: {
        self_addr: `${address}:${RAFT_PORT}`,
        partner_addrs: known,
        data_dir: `${dataDirOf(instance, around.dataDir)}.raft`,
        password: secrets ? raftPassword : PLACEHOLDER,
      },
    }).trimEnd();
}

function restapi({ address, secrets, restPassword }: Surroundings): JsonObject {
  const listen = `${address}:${REST_PORT}`;
  const password = secrets ? restPassword : PLACEHOLDER;
  return { listen, connect_address: listen, authentication: { username: "agent", password } };
}

function dynamic(instance: Instance | null): JsonObject {
  const parameters = instance === null ? {} : sharedParameters(instance);
  const canRewind = instance === null ||
    ["wal_log_hints", "data_checksums"].some((name) => show(instance, name) === "on");
  const slots = Object.fromEntries(
    (instance?.logicalSlots ?? []).map((
      { name, plugin, database },
    ) => [name, { type: "logical", plugin, database }]),
  );
  return {
    ...(Object.keys(slots).length > 0 ? { slots } : {}),
    postgresql: {
      ...(canRewind ? { use_pg_rewind: true } : {}),
      ...(Object.keys(parameters).length > 0 ? { parameters } : {}),
    },
  };
}

function postgresql(instance: Instance | null, around: Surroundings): JsonObject {
  const { address } = around;
  const dataDir = dataDirOf(instance, around.dataDir);
  const port = instance === null ? POSTGRES_PORT : Number(show(instance, "port"));
  const configDir = instance === null ? dataDir : directoryOf(show(instance, "config_file"));
  const local = instance === null ? {} : localParameters(instance, configDir);
  return {
    listen: `${listenOf(instance, address)}:${port}`,
    connect_address: `${address}:${port}`,
    data_dir: dataDir,
    ...(configDir === dataDir ? {} : { config_dir: configDir }),
    ...(instance?.binDir ? { bin_dir: instance.binDir } : {}),
    authentication: authentication(instance, around),
    ...(Object.keys(local).length > 0 ? { parameters: local } : {}),
    ...(instance === null ? { pg_hba: sampleHba(around.superuser.username) } : {}),
  };
}

const REPLICATOR = "replicator";

function authentication(instance: Instance | null, around: Surroundings): JsonObject {
  const { superuser, secrets } = around;
  const upstream = parseConninfo(instance === null ? "" : show(instance, "primary_conninfo")) ?? {};
  const replication = around.replicationPassword ?? upstream["password"] ?? null;
  const secret = (password: string | null) => secrets && password !== null ? password : PLACEHOLDER;
  // Logged in without one: by the socket, which the agent uses too.
  const bySocket = instance !== null && superuser.password === null;
  const own: JsonObject = bySocket ? {} : { password: secret(superuser.password) };
  return {
    superuser: { username: superuser.username, ...own },
    replication: {
      username: instance?.replicationRole ?? upstream["user"] ?? REPLICATOR,
      password: secret(replication),
    },
  };
}

function sampleHba(superuser: string): string[] {
  return [
    `local all ${superuser} peer`,
    "local all all scram-sha-256",
    `host replication ${REPLICATOR} samenet scram-sha-256`,
    "host all all samenet scram-sha-256",
  ];
}

/** Commands, files and directories of one host. */
const OF_HOST =
  /^(unix_socket_.*|archive_command|archive_library|restore_command|archive_cleanup_command|recovery_end_command|ssl_.*(command|file|dir)|krb_server_keyfile|log_directory|stats_temp_directory|external_pid_file|hba_file|ident_file)$/;
/** From listen, scope and data_dir. */
const DECIDED = new Set(["config_file", "data_directory", "listen_addresses", "port", "cluster_name"]);
/** initdb writes these by its own surroundings. They stay in the user's file, which the agent includes. */
const OF_INITDB =
  /^(lc_.*|datestyle|timezone|log_timezone|default_text_search_config|dynamic_shared_memory_type)$/;

/** What all members must have alike and the agent sets otherwise, then what somebody has set. */
function sharedParameters({ settings }: Instance): { [name: string]: string } {
  const controlled = new Map(CONTROLLED_PARAMETERS.map((one) => [one.name, one]));
  return Object.fromEntries(
    [...settings.values()].filter(({ name, shown, given, standard }) => {
      // The agent's "on" is what pg_rewind needs.
      if (name === "wal_log_hints") return false;
      const rule = controlled.get(name);
      if (name === "wal_keep_size") return given && shown !== WAL_KEEP_DEFAULT;
      if (rule !== undefined) return rule.default !== shown && rule.read(shown) !== null;
      const lower = name.toLowerCase();
      return given && !standard && !DECIDED.has(lower) && !OF_HOST.test(lower) && !OF_INITDB.test(lower) &&
        !RECOVERY_PARAMETERS.has(lower);
    }).map(({ name, shown }) => [name, shown]),
  );
}

function localParameters({ settings }: Instance, configDir: string): { [name: string]: string } {
  const usual: { readonly [name: string]: string } = {
    hba_file: `${configDir}/pg_hba.conf`,
    ident_file: `${configDir}/pg_ident.conf`,
  };
  return Object.fromEntries(
    [...settings.values()].filter(({ name, shown, given, standard }) =>
      given && !standard && OF_HOST.test(name.toLowerCase()) && shown !== "" && shown !== "(disabled)" &&
      usual[name] !== shown
    ).map(({ name, shown }) => [name, shown]),
  );
}

/** A server that listens on this host only must listen for the others from its next start on. */
function listenOf(instance: Instance | null, address: string): string {
  const given = (instance === null ? "" : show(instance, "listen_addresses")).split(",")
    .map((one) => one.trim()).filter((one) => one !== "");
  if (given.some((one) => isWildcard(one) || !isLoopback(one))) return given.join(",");
  return isLoopback(address) || instance === null ? address : [...given, address].join(",");
}

function scopeOf(instance: Instance | null): string {
  const name = instance === null ? "" : show(instance, "cluster_name");
  // Debian's own, "15/main", is the name of one server.
  return /^[A-Za-z0-9][\w.-]*$/.test(name) ? name : "main";
}

function nameOf(host: string): string {
  const [first = ""] = host.split(".");
  return /^[A-Za-z0-9][\w-]*$/.test(first) ? first : "node1";
}

const dataDirOf = (instance: Instance | null, otherwise: string) =>
  instance === null ? otherwise : show(instance, "data_directory");
const directoryOf = (file: string) => file.slice(0, Math.max(1, file.lastIndexOf("/")));

function show({ settings }: Instance, name: string): string {
  return settings.get(name)?.shown ?? "";
}

/** YAML 1.1, as it is read: a text like "on" is quoted. */
function text(value: { readonly [key: string]: Json }): string {
  return new Document(value, { version: "1.1" }).toString({ lineWidth: 0, directives: false });
}
