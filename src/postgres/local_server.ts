/**
 * Connections to the member's own server as superuser, by whichever way works (local_ways.ts). While none
 * works, attempts are rare and the reasons are kept. Another server that answers in its place is never taken
 * for it.
 */
import { readProcess } from "../lib/process_table.ts";
import type { Credentials } from "../model/config.ts";
import type { ConfigInForce } from "./config_in_force.ts";
import { connect, type Connection, type Endpoint, sqlState } from "./connection.ts";
import { errorCode, join, readText } from "./disk.ts";
import { errorText } from "./error_text.ts";
import { localWays, type WayFailure, WayMemory, wayText } from "./local_ways.ts";
import { parsePostmasterPid, type PostmasterPid } from "./postmaster_pid.ts";

export interface LocalConnectOptions {
  readonly applicationName?: string;
  readonly statementTimeoutMs?: number;
  /** The limit for all ways together. @default 2000 */
  readonly connectTimeoutMs?: number;
  readonly credentials?: Credentials;
  /** One that is there. @default "postgres" */
  readonly database?: string;
}

export interface LocalServerOptions {
  readonly config: ConfigInForce;
  /** Major version of PostgreSQL. */
  readonly major: number;
  /** `unix_socket_directories` as configured; null: not configured. */
  readonly socketDirectories: () => string | null;
  /** ms of a clock that does not go back. */
  readonly now: () => number;
  readonly info: (text: string) => void;
}

interface FailedWay {
  readonly way: string;
  readonly error: unknown;
}

/** No way to the member's own server works. Its cause is the most telling answer. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
  /**
   * The kinds of failure, which stay the same while nothing new happens: each way with the code of its
   * failure.
   */
  readonly kinds: string;
  /** No way has answered anything: neither the server nor the host said no. */
  readonly silent: boolean;

  constructor(failures: readonly FailedWay[], advice: string) {
    const reasons = failures.map(({ way, error }) => `${way}: ${errorText(error)}`);
    const answer = failures.find(({ error }) => sqlState(error) !== null) ?? failures[0];
    super(failures.length === 0 ? `PostgreSQL listens nowhere${advice}` : reasons.join("; ") + advice, {
      cause: answer?.error,
    });
    this.silent = failures.some(({ error }) => howItFailed(error) === "timeout") &&
      failures.every(({ error }) => sqlState(error) === null);
    this.kinds = failures.map(({ way, error }) => `${way} ${kindOf(error)}`).join(", ");
  }
}

/**
 * What a setting or a trigger of the users does at the start of each session fails that session where it
 * fails: a library that is missing (ALTER SYSTEM, ALTER ROLE) would shut out everybody. A superuser may do
 * without, and the agent does: blind, it could not say what is wrong.
 */
const WITHOUT_USERS_CODE = ["session_preload_libraries=", "local_preload_libraries="];
/** Triggers on logins came with this version, and the setting with them. */
const LOGIN_TRIGGERS_MAJOR = 17;
const INSUFFICIENT_PRIVILEGE = "42501";

const CONNECT_TIMEOUT_MS = 2_000;
/** Less is not worth an attempt. */
const SHORTEST_ATTEMPT_MS = 50;
/** "The database system is starting up", "... is shutting down". */
const CANNOT_CONNECT_NOW = "57P03";
export const TOO_MANY_CONNECTIONS = "53300";

export class LocalServer {
  #memory = new WayMemory();
  /** The server and the settings that the memory belongs to. */
  #about = "";
  #unreachable: UnreachableError | null = null;

  readonly #options: LocalServerOptions;

  constructor(options: LocalServerOptions) {
    this.#options = options;
  }

  /** The file of the running server; null when there is none. */
  pidFile(): PostmasterPid | null {
    const text = readText(join(this.#options.config.postgresql.dataDir, "postmaster.pid"));
    return text === null ? null : parsePostmasterPid(text);
  }

  /**
   * Something that may open a way has changed (pg_hba.conf, a password): the next attempt is made at once.
   */
  changed(): void {
    this.#about = "";
  }

  /** The way that is tried first; null: there is none. */
  way(): Endpoint | null {
    return this.#ways(this.pidFile())[0] ?? null;
  }

  async connect(options: LocalConnectOptions = {}): Promise<Connection> {
    const { now } = this.#options;
    const pidFile = this.pidFile();
    const ways = this.#ways(pidFile);
    const memory = this.#memory;
    if (this.#unreachable !== null && memory.waitMs(now()) > 0) throw this.#unreachable;
    const untilMs = now() + (options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
    const failures: FailedWay[] = [];
    let starting = false;
    for (const way of ways) {
      const leftMs = untilMs - now();
      if (leftMs < SHORTEST_ATTEMPT_MS) break;
      try {
        const connection = await this.#attempt(way, pidFile, options, leftMs);
        this.#noteWay(way, failures);
        return connection;
      } catch (error) {
        failures.push({ way: wayText(way), error });
        const how = howItFailed(error);
        memory.failed(way, how);
        starting = sqlState(error) === CANNOT_CONNECT_NOW;
        if (how === "server") break;
      }
    }
    memory.nothingWorked(now(), starting);
    const waitS = memory.waitMs(now()) / 1000;
    const unreachable = new UnreachableError(
      failures,
      waitS < 1 ? "" : ` (next attempt in ${Math.round(waitS)} s)`,
    );
    if (memory === this.#memory) this.#unreachable = starting ? null : unreachable;
    throw unreachable;
  }

  /** Runs `use` with a connection of its own, which is closed afterwards. */
  async with<T>(options: LocalConnectOptions, use: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.connect(options);
    try {
      return await use(connection);
    } finally {
      connection.close();
    }
  }

  #ways(pidFile: PostmasterPid | null): Endpoint[] {
    const { config, socketDirectories } = this.#options;
    const ways = localWays(config.postgresql, pidFile, socketDirectories());
    const about = `${pidFile?.pid} ${config.revision} ${ways.map(wayText).join(" ")}`;
    if (about !== this.#about) {
      // A way that worked with the previous server is a good first guess. A failure there proves nothing.
      const { worked } = this.#memory;
      this.#memory = new WayMemory(worked);
      this.#unreachable = null;
      this.#about = about;
    }
    return this.#memory.order(ways);
  }

  async #attempt(
    way: Endpoint,
    pidFile: PostmasterPid | null,
    options: LocalConnectOptions,
    leftMs: number,
  ): Promise<Connection> {
    const connection = await this.#open(way, options, leftMs);
    // A published address may lead to another member, a port to another server of this host: both may have
    // the same system identifier, or are no concern of this agent. A backend of the member's own server is a
    // child of its postmaster, in this host's process table.
    const { backendPid } = connection;
    const own = pidFile === null || backendPid === null || readProcess(backendPid)?.parentPid === pidFile.pid;
    if (own) return connection;
    connection.close();
    throw new Error(
      `another server answers there (no child of this member's postmaster, pid ${pidFile.pid})`,
    );
  }

  async #open(way: Endpoint, options: LocalConnectOptions, leftMs: number): Promise<Connection> {
    const { config, major } = this.#options;
    const { superuser } = config.postgresql;
    const plain = {
      endpoint: way,
      credentials: options.credentials ?? superuser,
      database: options.database ?? "postgres",
      applicationName: options.applicationName ?? "agent",
      connectTimeoutMs: leftMs,
      statementTimeoutMs: options.statementTimeoutMs,
    };
    if (options.credentials !== undefined) return await connect(plain);
    const settings = [
      ...WITHOUT_USERS_CODE,
      ...(major >= LOGIN_TRIGGERS_MAJOR ? ["event_triggers=off"] : []),
    ];
    try {
      return await connect({ ...plain, settings });
    } catch (error) {
      // The user that is named as the superuser is none.
      if (sqlState(error) === INSUFFICIENT_PRIVILEGE) return await connect(plain);
      // Every connection is taken, by superusers too. The agent would be blind when it is needed most.
      if (sqlState(error) === TOO_MANY_CONNECTIONS) {
        return await connect({ ...plain, settings, replication: "database" });
      }
      throw error;
    }
  }

  #noteWay(way: Endpoint, failures: readonly FailedWay[]): void {
    const memory = this.#memory;
    const before = memory.worked;
    memory.succeeded(way);
    this.#unreachable = null;
    if (failures.length === 0 || before === memory.worked) return;
    const reasons = failures.map((failed) => `${failed.way}: ${errorText(failed.error)}`).join("; ");
    this.#options.info(`PostgreSQL is reached at ${wayText(way)} from now on (${reasons})`);
  }
}

function howItFailed(error: unknown): WayFailure {
  const state = sqlState(error);
  if (state === CANNOT_CONNECT_NOW || state === TOO_MANY_CONNECTIONS) return "server";
  return /timeout|timed out/i.test(errorText(error)) ? "timeout" : "refused";
}

/** The kind of an error, which is the same each time: texts may hold pids and times. */
function kindOf(error: unknown): string {
  return sqlState(error) ?? errorCode(error) ?? errorText(error).slice(0, 60);
}
