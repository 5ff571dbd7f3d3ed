/**
 * A client in a process of its own, which writes all the time and keeps a log of what it sent and what was
 * confirmed. It has a connection to EVERY node and asks each all the time, so that it finds a new primary at
 * once, and would notice two. It does not rely on reported roles: a node is writable when it confirms a
 * write.
 *
 * Log lines: "S id node t" sent, "A id node sent ack" confirmed, "E id node sent end code" failed or unknown.
 * Times are nowMs().
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import pg from "pg";
import { nowMs } from "./now.ts";
import { sleep } from "./wait_for.ts";

export interface ClientTarget {
  readonly node: string;
  readonly host: string;
  readonly port: number;
}

export interface ClientSettings {
  readonly targets: readonly ClientTarget[];
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly logFile: string;
  /** Ids count up from here: clients of one cluster must have different ids. */
  readonly firstId: number;
  /** The factor of the pauses: 1 is as fast as is sensible. */
  readonly slowness: number;
}

export const CLIENT_TABLE = "agent_client";
const CONNECT_TIMEOUT_MS = 500;
/** An answer that takes longer is still waited for, but beside a new connection. */
const PATIENCE_MS = 1000;
const WRITE_PAUSE_MS = 3;
const STANDBY_PAUSE_MS = 8;
const RETRY_PAUSE_MS = 15;

/**
 * Runs until SIGTERM, SIGINT or the end of standard input (the parent's death). `settingsFile`: JSON, holds a
 * password.
 */
export async function runClient(settingsFile: string): Promise<void> {
  const settings = JSON.parse(readFileSync(settingsFile, "utf8")) as ClientSettings;
  const log = openSync(settings.logFile, "a");
  const state = { nextId: settings.firstId, stopping: false, tableReady: false };
  const stop = () => {
    state.stopping = true;
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.stdin.on("end", stop);
  process.stdin.on("error", stop);
  process.stdin.resume();

  const pause = (ms: number) => sleep(ms * settings.slowness);
  const write = (line: string) => writeSync(log, `${line}\n`);
  await Promise.all(settings.targets.map((target) => serve(target)));
  closeSync(log);
  process.exit(0);

  async function serve(target: ClientTarget): Promise<void> {
    while (!state.stopping) {
      const client = await connect(settings, target);
      if (client === null) {
        await pause(RETRY_PAUSE_MS);
        continue;
      }
      let result: Answer = "good";
      while (!state.stopping && result === "good") result = await once(client, target);
      // A silent server may still confirm earlier writes, which must be seen: its connection is left alone.
      if (result !== "silent") client.end().catch(() => undefined);
    }
  }

  /** Asks a standby once; writes to a primary for as long as that goes well. */
  async function once(client: pg.Client, target: ClientTarget): Promise<Answer> {
    const inRecovery = await inTime(client.query("SELECT pg_is_in_recovery() AS r"));
    if (inRecovery === null || inRecovery instanceof Error) return answerOf(inRecovery);
    if ((inRecovery.rows[0] as { r: boolean }).r) {
      await pause(STANDBY_PAUSE_MS);
      return "good";
    }
    if (!state.tableReady) {
      const made = await inTime(
        client.query(
          `CREATE TABLE IF NOT EXISTS ${CLIENT_TABLE} (id bigint PRIMARY KEY, node text NOT NULL)`,
        ),
      );
      if (made === null || made instanceof Error) return answerOf(made);
      state.tableReady = true;
    }
    while (!state.stopping) {
      const id = state.nextId++;
      const sentMs = nowMs();
      write(`S ${id} ${target.node} ${sentMs.toFixed(3)}`);
      const insert = client.query(`INSERT INTO ${CLIENT_TABLE} VALUES ($1, $2)`, [id, target.node]).then(
        (): true => {
          write(`A ${id} ${target.node} ${sentMs.toFixed(3)} ${nowMs().toFixed(3)}`);
          return true;
        },
        (error: Error & { code?: string }) => {
          write(
            `E ${id} ${target.node} ${sentMs.toFixed(3)} ${nowMs().toFixed(3)} ${error.code ?? "connection"}`,
          );
          return error;
        },
      );
      const result = await inTime(insert);
      if (result !== true) return answerOf(result);
      await pause(WRITE_PAUSE_MS);
    }
    return "good";
  }
}

/** "silent": the patience is over, the answer may still come. */
type Answer = "good" | "silent" | "broken";

function answerOf(result: Error | null): Answer {
  if (result === null) return "silent";
  // Read-only: a standby again, but the connection is good.
  return (result as { code?: string }).code === "25006" ? "good" : "broken";
}

/** null when there is no answer yet; a late answer is noted where it arrives. */
function inTime<T>(answer: Promise<T>): Promise<T | Error | null> {
  const settled = answer.catch((error: unknown) => error instanceof Error ? error : new Error(String(error)));
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), PATIENCE_MS);
    void settled.then((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}

async function connect(settings: ClientSettings, target: ClientTarget): Promise<pg.Client | null> {
  const client = new pg.Client({
    host: target.host,
    port: target.port,
    user: settings.user,
    password: settings.password,
    database: settings.database,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: "agent client",
  });
  // An idle connection that breaks is found at its next use.
  client.on("error", () => undefined);
  const result = await inTime(client.connect());
  if (result !== null && !(result instanceof Error)) return client;
  client.end().catch(() => undefined);
  return null;
}
