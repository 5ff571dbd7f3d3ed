/**
 * One connection to a PostgreSQL server with a bound on everything: connecting, each statement here, each
 * statement there. A connection whose answer did not come in time is destroyed, never reused. Values arrive
 * as text.
 */
import pg from "pg";
import type { ClientConfig, QueryConfig } from "pg";
import type { Credentials } from "../model/config.ts";
import { readText } from "./disk.ts";
import { resolveHost } from "../lib/resolve_host.ts";

export interface Endpoint {
  /** Host name, address, or (with a leading slash) directory of the Unix socket. */
  readonly host: string;
  readonly port: number;
}

export interface ConnectOptions {
  readonly endpoint: Endpoint;
  readonly credentials: Credentials;
  readonly database: string;
  readonly applicationName: string;
  /**
   * Speak the replication protocol; "database": and SQL in the database, as a WAL sender. Those have places
   * of their own (max_wal_senders).
   */
  readonly replication?: boolean | "database";
  /** @default 2000 */
  readonly connectTimeoutMs?: number;
  /** Settings of the session besides those of every session of the agent. @default none */
  readonly settings?: readonly string[];
  /** For each statement, on the server and here. 0: none (a checkpoint takes what it takes). @default 2000 */
  readonly statementTimeoutMs?: number;
}

export type Row = { readonly [column: string]: string | null };

export interface Connection {
  query(text: string): Promise<readonly Row[]>;
  /**
   * The server parses and plans the statement the first time, and keeps it while the connection lasts. For
   * one that is asked again and again: of a long one that is most of the cost. A name has one text. A WAL
   * sender cannot keep any, and is asked as by query().
   */
  queryKept(name: string, text: string): Promise<readonly Row[]>;
  /** Polite end, forced after a second. Never waits. */
  close(): void;
  readonly ended: boolean;
  /** The backend process, as the server reported it; null: it did not. */
  readonly backendPid: number | null;
}

/**
 * SQLSTATE of an error from the server, or of the one that caused it; null for failures of the connection.
 */
export function sqlState(error: unknown): string | null {
  if (error instanceof pg.DatabaseError) return error.code ?? null;
  return error instanceof Error && error.cause !== undefined ? sqlState(error.cause) : null;
}

/** sslmode decides, as in libpq: `prefer` tries with encryption first where that can matter, then without. */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const { credentials, endpoint } = options;
  const local = endpoint.host.startsWith("/");
  const mode = local ? "disable" : credentials.options.sslmode ?? "prefer";
  const attempts = attemptsFor(mode, endpoint.host);
  let failure: unknown = null;
  for (const encrypted of attempts) {
    try {
      return await open(options, encrypted ? tlsOptions(mode, options) : false);
    } catch (error) {
      failure = error;
      if (!mayTryOtherwise(error)) break;
    }
  }
  throw failure;
}

function attemptsFor(mode: string, host: string): boolean[] {
  if (mode === "disable") return [false];
  if (mode === "allow") return [false, true];
  // On this host encryption protects nothing and costs a round trip: it is tried when the server insists.
  if (mode === "prefer") return host.startsWith("127.") || host === "::1" ? [false, true] : [true, false];
  return [true];
}

/** The server has no TLS, or its pg_hba.conf wants the other kind. */
function mayTryOtherwise(error: unknown): boolean {
  return sqlState(error) === "28000" ||
    (error instanceof Error && /does not support SSL/.test(error.message));
}

function tlsOptions(mode: string, { credentials, endpoint }: ConnectOptions): ClientConfig["ssl"] {
  const { sslrootcert, sslcert, sslkey, sslpassword } = credentials.options;
  const verify = mode === "verify-ca" || mode === "verify-full";
  return {
    rejectUnauthorized: verify,
    servername: /^[\d.]+$|:/.test(endpoint.host) ? undefined : endpoint.host,
    ...(mode === "verify-ca" ? { checkServerIdentity: () => undefined } : {}),
    ...(sslrootcert && sslrootcert !== "system" ? { ca: requiredFile(sslrootcert) } : {}),
    ...(sslcert && sslkey ? { cert: requiredFile(sslcert), key: requiredFile(sslkey) } : {}),
    ...(sslpassword ? { passphrase: sslpassword } : {}),
  };
}

function requiredFile(path: string): string {
  const text = readText(path);
  if (text === null) throw new Error(`${path} does not exist`);
  return text;
}

/**
 * The settings of every session of the agent: no user's search path, no waiting for synchronous standbys,
 * times in UTC.
 */
const SESSION = [
  "search_path=pg_catalog",
  "synchronous_commit=local",
  "DateStyle=ISO",
  "TimeZone=UTC",
  "lock_timeout=0",
  "idle_in_transaction_session_timeout=0",
];

async function open(options: ConnectOptions, ssl: ClientConfig["ssl"]): Promise<Connection> {
  const { endpoint, credentials } = options;
  const timeoutMs = options.statementTimeoutMs ?? 2_000;
  const session = options.replication === true
    ? []
    : [...SESSION, ...options.settings ?? [], `statement_timeout=${timeoutMs}`];
  const config: ClientConfig & { replication?: string } = {
    host: endpoint.host.startsWith("/") ? endpoint.host : await resolveHost(endpoint.host),
    port: endpoint.port,
    user: credentials.username,
    // A function always: without a password the driver would look into the environment and a password file.
    password: () => credentials.password ?? "",
    database: options.database,
    application_name: options.applicationName,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 2_000,
    query_timeout: timeoutMs === 0 ? undefined : timeoutMs,
    ssl,
    keepAlive: true,
    types: { getTypeParser: () => (value: string) => value },
    ...(session.length > 0 ? { options: session.map((setting) => `-c ${setting}`).join(" ") } : {}),
    ...(options.replication ? { replication: String(options.replication) } : {}),
  };
  const client = new pg.Client(config);
  const connection = new PgConnection(client, Boolean(options.replication));
  await client.connect();
  return connection;
}

class PgConnection implements Connection {
  ended = false;

  readonly #client: pg.Client;
  readonly #isWalSender: boolean;

  constructor(client: pg.Client, isWalSender: boolean) {
    this.#client = client;
    this.#isWalSender = isWalSender;
    // Without a handler, a server that goes away would be an uncaught exception.
    client.on("error", () => {
      this.ended = true;
    });
    client.on("end", () => {
      this.ended = true;
    });
  }

  get backendPid(): number | null {
    return (this.#client as unknown as { processID?: number | null }).processID ?? null;
  }

  query(text: string): Promise<readonly Row[]> {
    return this.#ask({ text });
  }

  queryKept(name: string, text: string): Promise<readonly Row[]> {
    return this.#ask(this.#isWalSender ? { text } : { name, text });
  }

  async #ask(question: QueryConfig): Promise<readonly Row[]> {
    try {
      const result = await this.#client.query<{ [column: string]: string | null }>(question);
      return result.rows;
    } catch (error) {
      // An answer may still be on its way: the next data would belong to the old question.
      if (sqlState(error) === null) this.#destroy();
      throw error;
    }
  }

  close(): void {
    if (this.ended) return;
    this.ended = true;
    const force = setTimeout(() => this.#destroy(), 1_000);
    this.#client.end().then(() => clearTimeout(force), () => this.#destroy());
  }

  #destroy(): void {
    this.ended = true;
    const { connection } = this.#client as unknown as { connection: { stream: { destroy(): void } } };
    connection.stream.destroy();
  }
}
