/**
 * Ways from a client to the primary: each writes all the time, one row after the other, and notes which
 * member has confirmed it.
 */
import { basename, dirname } from "node:path";
import pg from "pg";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import type { Acknowledged } from "../../src/demo/outage.ts";
import { run, type RunResult } from "../../src/demo/run.ts";
import { sleep, waitFor } from "../../src/demo/wait_for.ts";
import { WRITES_MS } from "./harness.ts";

/** Name of the role and of its database. The role may see which data directory it has come to. */
export const APP = "app";
const PASSWORD = "app's own";
/** Writes that byAddress sends by one connection. */
export const WRITES_OF_A_CONNECTION = 5;
const PAUSE_MS = 20;
/**
 * Whole connections that come to the same member one after the other: a way that still changes does not.
 * libpq waits 2 s in each while a dead host stands first in its list, so writes would be the wrong measure.
 */
const STEADY_CONNECTIONS = 2;
const CLIENT_MS = 5000;

export const PREPARATION = [
  `CREATE ROLE ${APP} LOGIN PASSWORD '${PASSWORD.replace("'", "''")}' IN ROLE pg_read_all_settings`,
  `CREATE DATABASE ${APP} OWNER ${APP}`,
];
export const TABLE = `CREATE TABLE written (id bigint PRIMARY KEY); ALTER TABLE written OWNER TO ${APP}`;
const WHERE = "current_setting('data_directory') AS directory, pg_is_in_recovery() AS standby";

/** Sends a statement and returns the member that has carried it out. */
export type Ask = (sql: string) => Promise<{ directory: string; standby: boolean }>;

export class Way {
  readonly acks: Acknowledged[] = [];
  readonly failures: { readonly sentMs: number; readonly text: string }[] = [];
  readonly name: string;
  readonly #ask: Ask;
  /** Confirmed writes in a row that are STEADY_CONNECTIONS connections. */
  readonly #steady: number;
  #nextId: number;
  /** Since the last failure, or change of the member. */
  #inARow: Acknowledged[] = [];
  #stopped = false;
  #running: Promise<void> | null = null;

  /** It writes the ids from `firstId` on; `ask` makes a new connection after so many writes. */
  constructor(name: string, ask: Ask, firstId: number, writesOfAConnection: number) {
    this.name = name;
    this.#ask = ask;
    this.#steady = STEADY_CONNECTIONS * writesOfAConnection;
    this.#nextId = firstId;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Waits until writes that are sent from `sinceMs` on are confirmed by that member, and by no other one. */
  async follows(host: Host, sinceMs: number): Promise<void> {
    await waitFor(`${this.name} to lead to ${host.name}`, WRITES_MS, () => {
      const last = this.#inARow.filter(({ sentMs }) => sentMs >= sinceMs);
      if (last.length >= this.#steady && last.at(-1)!.node === host.name) return true;
      throw new Error(`last: ${this.acks.at(-1)?.node}, ${this.failures.at(-1)?.text}`);
    });
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#write(this.#nextId++);
      await sleep(PAUSE_MS);
    }
  }

  async #write(id: number): Promise<void> {
    const sentMs = nowMs();
    try {
      const { directory } = await this.#ask(`INSERT INTO written VALUES (${id}) RETURNING ${WHERE}`);
      const ack = { id, node: basename(dirname(directory)), sentMs, ackMs: nowMs() };
      if (this.#inARow.at(-1)?.node !== ack.node) this.#inARow = [];
      this.#inARow.push(ack);
      this.acks.push(ack);
    } catch (error) {
      this.#inARow = [];
      this.failures.push({ sentMs, text: error instanceof Error ? error.message : String(error) });
    }
  }
}

/**
 * Through one address, with a connection for some writes each: sessions are broken, and begun anew.
 * `patienceMs`: the limit that a client has for an answer.
 */
export function byAddress(host: string, port: number, patienceMs = CLIENT_MS): Ask {
  let client: pg.Client | null = null;
  let used = 0;
  return async (sql) => {
    const own = client ?? await connected(host, port, patienceMs);
    client = null;
    try {
      const { rows } = await own.query<{ directory: string; standby: boolean }>(sql);
      if (++used % WRITES_OF_A_CONNECTION > 0) client = own;
      return rows[0]!;
    } finally {
      if (client === null) own.end().catch(() => undefined);
    }
  };
}

async function connected(host: string, port: number, patienceMs: number): Promise<pg.Client> {
  const client = new pg.Client({
    host,
    port,
    user: APP,
    password: PASSWORD,
    database: APP,
    connectionTimeoutMillis: patienceMs,
    query_timeout: patienceMs,
  });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

/** PostgreSQL's client library: its program, and the file with its services. */
export interface Library {
  readonly psql: string;
  readonly file: string;
}

/** `more`: settings that go over those of the service. */
export function runPsql(library: Library, service: string, sql: string, more = ""): Promise<RunResult> {
  const env = { ...process.env, PGSERVICEFILE: library.file, PGPASSWORD: PASSWORD };
  return run(library.psql, ["-XAtqc", sql, `service=${service} ${more}`], "/", { env });
}

export function byLibrary(library: Library, service: string, more = ""): Ask {
  return async (sql) => {
    const { code, output } = await runPsql(library, service, sql, more);
    if (code !== 0) throw new Error(output.trim());
    const [directory, standby] = output.trim().split("|") as [string, string];
    return { directory, standby: standby === "t" };
  };
}

/** Reads once; the member that has answered. Throws where that was a primary. */
export async function standbyBy(ask: Ask): Promise<string> {
  const { directory, standby } = await ask(`SELECT ${WHERE}`);
  const node = basename(dirname(directory));
  if (!standby) throw new Error(`${node} is no standby`);
  return node;
}
