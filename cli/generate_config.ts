/**
 * `agent generate-config [FILE] [--dsn DSN]` and `agent generate-sample-config [FILE]`: asks a running
 * PostgreSQL and this host, and writes the file of a member. Changes nothing else, and overwrites nothing.
 */
import { chownSync, closeSync, fchmodSync, openSync, statSync, writeSync } from "node:fs";
import { hostname, networkInterfaces, userInfo } from "node:os";
import { dirname } from "node:path";
import type { Environment } from "../src/config/layers.ts";
import { executable } from "../src/lib/process_table.ts";
import { randomHex } from "../src/lib/random.ts";
import { isLoopback, isWildcard } from "../src/model/host_port.ts";
import { connect, type Connection, type Endpoint } from "../src/postgres/connection.ts";
import { exists, readText } from "../src/postgres/disk.ts";
import { errorText } from "../src/postgres/error_text.ts";
import { type Conninfo, parseConninfo } from "../src/postgres/parse_conninfo.ts";
import { findPrograms } from "../src/postgres/programs.ts";
import { shownWord } from "./ctl/arguments.ts";
import { generatedConfig, type Instance, type Setting, type Surroundings } from "./generated_config.ts";

export interface GenerateOptions {
  readonly environment: Environment;
  /** A sample asks no server. */
  readonly sample: boolean;
  readonly dsn: string | null;
  /** The file's text, when no file is named. */
  readonly write: (text: string) => void;
  readonly writeError: (line: string) => void;
}

/** What keeps the file from being made: a sentence for people. */
class GenerateError extends Error {}

/** Returns the exit code. */
export async function generateConfigCommand(file: string | null, options: GenerateOptions): Promise<number> {
  const { writeError } = options;
  try {
    const login = options.sample ? null : loginOf(options);
    const instance = login === null ? null : await askInstance(login);
    const text = generatedConfig(instance, surroundings(options, instance, login, file !== null));
    if (file === null) {
      options.write(text);
      writeError(
        "Secrets are left out, as standard output may be read by others: name a file to have them in it.",
      );
      return 0;
    }
    writeNew(file, text, instance?.settings.get("data_directory")?.shown ?? null);
    writeError(`Written: ${file}, for its owner alone (mode 0600).`);
    return 0;
  } catch (error) {
    if (!(error instanceof GenerateError)) throw error;
    writeError(`Error: ${error.message}`);
    return 1;
  }
}

interface Login {
  readonly endpoint: Endpoint;
  readonly username: string;
  readonly password: string | null;
  readonly database: string;
  readonly options: Conninfo;
}

const SOCKET_DIRECTORIES = ["/var/run/postgresql", "/tmp"];

/** What the agent's own connection goes by; libpq has more. */
const USED_KEYWORDS: ReadonlySet<string> = new Set([
  "host",
  "port",
  "user",
  "password",
  "dbname",
  "sslmode",
  "sslkey",
  "sslpassword",
  "sslcert",
  "sslrootcert",
]);

/** The DSN, then libpq's variables, then the agent's, then what is usual. */
function loginOf({ dsn, environment, writeError }: GenerateOptions): Login {
  const given = parseConninfo(dsn ?? "");
  if (given === null) throw new GenerateError("--dsn is neither key=value pairs nor a URI postgresql://...");
  for (const keyword of Object.keys(given)) {
    if (USED_KEYWORDS.has(keyword)) continue;
    const why = /^(?:krb|gss)/.test(keyword) ? ": the agent's own connections do not use GSSAPI" : "";
    writeError(`Warning: --dsn: ${shownWord(keyword)} has no effect here${why}`);
  }
  const { host, port, user, password, dbname, ...options } = given;
  const { PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE } = environment;
  const at = Number(port ?? PGPORT ?? 5432);
  if (!Number.isInteger(at) || at < 1 || at > 65_535) throw new GenerateError(`${port ?? PGPORT} is no port`);
  const socket = SOCKET_DIRECTORIES.find((one) => exists(`${one}/.s.PGSQL.${at}`));
  return {
    endpoint: { host: host || PGHOST || socket || "127.0.0.1", port: at },
    username: user ?? (PGUSER || environment["PATRONI_SUPERUSER_USERNAME"] || userInfo().username),
    password: password ?? (PGPASSWORD || environment["PATRONI_SUPERUSER_PASSWORD"] || null),
    database: dbname ?? (PGDATABASE || "postgres"),
    options: PGSSLMODE && options["sslmode"] === undefined ? { ...options, sslmode: PGSSLMODE } : options,
  };
}

async function askInstance(login: Login): Promise<Instance> {
  const { endpoint, username, password, database, options } = login;
  let connection: Connection;
  try {
    connection = await connect({
      endpoint,
      credentials: { username, password, options },
      database,
      applicationName: "agent generate-config",
      connectTimeoutMs: 5_000,
    });
  } catch (error) {
    throw new GenerateError(
      `PostgreSQL at ${endpoint.host}:${endpoint.port} cannot be asked as ${username}: ${
        errorText(error)
      }. ` +
        "Name it with --dsn, or PGHOST, PGPORT, PGUSER and PGPASSWORD",
    );
  }
  try {
    return await instanceOf(connection);
  } finally {
    connection.close();
  }
}

const SETTINGS = `SELECT name, current_setting(name, true) AS shown, setting = boot_val AS standard,
    source IN ('configuration file', 'command line', 'environment variable') AS given
  FROM pg_settings WHERE name NOT LIKE '%.%'`;
const PARTNERS = `SELECT DISTINCT host(client_addr) AS address, NULL AS role FROM pg_stat_replication
    WHERE client_addr IS NOT NULL AND state = 'streaming' AND application_name <> 'pg_receivewal'
  UNION SELECT sender_host, NULL FROM pg_stat_wal_receiver WHERE sender_host NOT LIKE '/%'
  UNION SELECT NULL, usename FROM pg_stat_replication WHERE state = 'streaming'`;
const SLOTS = `SELECT slot_name AS name, plugin, database FROM pg_replication_slots
  WHERE slot_type = 'logical' AND NOT temporary ORDER BY slot_name`;
const ABOUT = `SELECT pg_is_in_recovery() AS in_recovery, current_setting('is_superuser') AS superuser,
  session_user AS role`;

async function instanceOf(connection: Connection): Promise<Instance> {
  const [about] = await connection.query(ABOUT);
  if (about?.["superuser"] !== "on") {
    throw new GenerateError(
      `${
        about?.["role"]
      } is no superuser, and may not read all settings. Name one with --dsn (user=...) or PGUSER`,
    );
  }
  const rows = await connection.query(SETTINGS);
  const settings = new Map(rows.map((row): [string, Setting] => {
    const { name, shown, standard, given } = row;
    return [name!, { name: name!, shown: shown ?? "", standard: standard === "t", given: given === "t" }];
  }));
  const partners = await connection.query(PARTNERS);
  const dataDir = settings.get("data_directory")?.shown ?? "";
  return {
    versionText: settings.get("server_version")?.shown.split(" ")[0] ?? "",
    settings,
    inRecovery: about["in_recovery"] === "t",
    binDir: unusualPrograms(dataDir),
    partners: partners.flatMap(({ address }) => address ? [address] : []).sort(),
    replicationRole: partners.find(({ role }) => role)?.["role"] ?? null,
    logicalSlots: (await connection.query(SLOTS)).map(({ name, plugin, database }) => {
      return { name: name!, plugin: plugin!, database: database! };
    }),
  };
}

/** The directory of the running server's program, where the agent would find another one; else null. */
function unusualPrograms(dataDir: string): string | null {
  const pid = readPid(dataDir);
  const running = pid === null ? null : executable(Number(pid));
  if (running === null) return null;
  const found = tryPrograms(dataDir);
  return found === dirname(running) ? null : dirname(running);
}

function readPid(dataDir: string): string | null {
  try {
    return /^\d+/.exec(readText(`${dataDir}/postmaster.pid`) ?? "")?.[0] ?? null;
  } catch {
    return null; // only its owner may read it
  }
}

function tryPrograms(dataDir: string): string | null {
  try {
    return findPrograms({ binDir: null, binName: {}, dataDir }).directory;
  } catch {
    return null; // then bin_dir must be said
  }
}

function surroundings(
  { environment }: GenerateOptions,
  instance: Instance | null,
  login: Login | null,
  secrets: boolean,
): Surroundings {
  const listens = (instance?.settings.get("listen_addresses")?.shown ?? "").split(",").map((one) =>
    one.trim()
  );
  const own = listens.find((one) => one !== "" && !isWildcard(one) && !isLoopback(one)) ??
    listens.find((one) => /^127\.0\.0\.([2-9]|\d\d)/.test(one));
  const superuser = login ?? {
    username: environment["PATRONI_SUPERUSER_USERNAME"] || "postgres",
    password: environment["PATRONI_SUPERUSER_PASSWORD"] || null,
  };
  return {
    host: hostname(),
    address: own ?? ownAddress(),
    superuser: { username: superuser.username, password: superuser.password },
    replicationPassword: environment["PATRONI_REPLICATION_PASSWORD"] || null,
    raftPassword: environment["PATRONI_RAFT_PASSWORD"] || randomHex(16),
    restPassword: environment["PATRONI_RESTAPI_PASSWORD"] || randomHex(16),
    secrets,
    dataDir: "/var/lib/postgresql/data",
  };
}

/** The first address by which others can reach this host. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const outside = all.filter(({ internal, address }) => !internal && !/^(fe80:|169\.254\.)/i.test(address));
  return (outside.find(({ family }) => family === "IPv4") ?? outside[0])?.address ?? "127.0.0.1";
}

/** Made by root, it belongs to the owner of the data, who runs the agent. */
function writeNew(file: string, text: string, dataDir: string | null): void {
  let fd: number;
  try {
    fd = openSync(file, "wx", 0o600);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined) throw error;
    throw new GenerateError(
      code === "EEXIST" ? `${file} exists, and is not overwritten` : `${file} cannot be written: ${code}`,
    );
  }
  try {
    fchmodSync(fd, 0o600);
    writeSync(fd, text);
  } finally {
    closeSync(fd);
  }
  if (process.getuid?.() !== 0 || dataDir === null) return;
  const { uid, gid } = statSync(dataDir);
  chownSync(file, uid, gid);
}
