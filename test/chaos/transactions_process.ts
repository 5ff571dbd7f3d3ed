/**
 * A client in a process of its own that checks registers and appends to lists: a few connections, each of
 * which looks for a primary and then runs one transaction after the other there. What it did and saw goes to
 * a log, a line for each transaction, which the oracles judge.
 *
 * usage: bun transactions_process.ts SETTINGS.json   (until SIGTERM or the end of standard input)
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import pg from "pg";
import { Prng } from "../../raft/sim/mod.ts";
import type { ClientTarget } from "../../src/demo/client_process.ts";
import { nowMs } from "../../src/demo/now.ts";
import { sleep } from "../../src/demo/wait_for.ts";
import { type Operation, type Outcome, transactionLine } from "./oracle/history.ts";
import { LIST_TABLE, REGISTER_TABLE, TIMELINE } from "./tables.ts";

export interface TransactionSettings {
  readonly targets: readonly ClientTarget[];
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly logFile: string;
  /** Clients of one cluster must have different numbers: values are counted up from it. */
  readonly client: number;
  readonly workers: number;
  readonly paceMs: number;
  readonly seed: number;
}

const CONNECT_MS = 1000;
/** A transaction that takes longer is given up; what becomes of it is unknown. */
const PATIENCE_MS = 4000;
const RETRY_MS = 60;
const STANDBY_MS = 100;
const STANDBY = "standby";
const REGISTERS = 6;
/** A list is in use for a while, so that it does not grow for ever, and beyond most outages. */
const WINDOW_MS = 10_000;
const LISTS_OF_WINDOW = 3;
const VALUES_OF_CLIENT = 1e9;
/** Answers that say for certain that a statement without a transaction block had no effect. */
const WITHOUT_EFFECT = ["25006", "40001", "40P01", "42P01", "53300", "55000", "57P03"];

interface Step {
  readonly kind: "append" | "list" | "read";
  readonly key: number;
}

/** One statement, or the steps of a transaction block. */
type Draft =
  | { readonly kind: "write" | "read"; readonly key: number }
  | { readonly kind: "block"; readonly steps: readonly Step[] };

class Transactions {
  readonly #settings: TransactionSettings;
  readonly #log: number;
  #value: number;
  #count = 0;
  stopping = false;

  constructor(settings: TransactionSettings) {
    this.#settings = settings;
    this.#log = openSync(settings.logFile, "a");
    this.#value = settings.client * VALUES_OF_CLIENT;
  }

  async run(): Promise<void> {
    const random = new Prng(this.#settings.seed).split(`client ${this.#settings.client}`);
    const { workers } = this.#settings;
    await Promise.all(Array.from({ length: workers }, (_, i) => this.#work(random.split(`worker ${i}`), i)));
    closeSync(this.#log);
  }

  /** One connection after the other, to one node after the other. */
  async #work(random: Prng, first: number): Promise<void> {
    const { targets } = this.#settings;
    for (let at = first; !this.stopping; at++) {
      const target = targets[at % targets.length]!;
      const client = await this.#connect(target);
      if (client !== null) {
        await this.#serve(client, target, random);
        // Nothing that hangs is waited for.
        client.end().catch(() => undefined);
      }
      await sleep(RETRY_MS);
    }
  }

  /** Asks a standby now and then; runs transactions on a primary for as long as that goes well. */
  async #serve(client: pg.Client, target: ClientTarget, random: Prng): Promise<void> {
    const { paceMs, targets } = this.#settings;
    let timeline = await timelineOf(client);
    while (!this.stopping && timeline === STANDBY && targets.length === 1) {
      await sleep(STANDBY_MS);
      timeline = await timelineOf(client);
    }
    while (!this.stopping && typeof timeline === "number") {
      if (!await this.#transact(client, target, timeline, random)) return;
      await sleep(paceMs * 2 * random.unit());
    }
  }

  async #connect({ host, port }: ClientTarget): Promise<pg.Client | null> {
    const { user, password, database } = this.#settings;
    const client = new pg.Client({
      host,
      port,
      user,
      password,
      database,
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: PATIENCE_MS,
      application_name: "chaos",
    });
    // A connection that breaks is found at its next use.
    client.on("error", () => undefined);
    try {
      await client.connect();
      return client;
    } catch {
      client.end().catch(() => undefined);
      return null; // down, or cut off: the next one is tried
    }
  }

  /** False: the connection is of no use any more. */
  async #transact(client: pg.Client, target: ClientTarget, timeline: number, random: Prng): Promise<boolean> {
    const draft = drawDraft(random, nowMs());
    const sentMs = nowMs();
    const id = `${this.#settings.client}.${++this.#count}`;
    const { outcome, operations, isUsable } = draft.kind === "block"
      ? await this.#block(client, draft.steps)
      : draft.kind === "read"
      ? await this.#read(client, draft.key)
      : await this.#write(client, draft.key);
    const endMs = outcome === "unknown" ? Infinity : nowMs();
    const line = transactionLine({ id, node: target.node, timeline, sentMs, endMs, outcome, operations });
    writeSync(this.#log, `${line}\n`);
    return isUsable;
  }

  async #read(client: pg.Client, key: number): Promise<Done> {
    try {
      return { outcome: "ok", operations: [await readRegister(client, key)], isUsable: true };
    } catch {
      return { outcome: "fail", operations: [], isUsable: false }; // nothing was seen
    }
  }

  async #write(client: pg.Client, key: number): Promise<Done> {
    const value = ++this.#value;
    const operations: Operation[] = [{ kind: "write", key, value }];
    try {
      await client.query(
        `INSERT INTO ${REGISTER_TABLE} VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = $2`,
        [key, value],
      );
      return { outcome: "ok", operations, isUsable: true };
    } catch (error) {
      const isCertain = WITHOUT_EFFECT.includes(codeOf(error));
      return { outcome: isCertain ? "fail" : "unknown", operations, isUsable: false };
    }
  }

  async #block(client: pg.Client, steps: readonly Step[]): Promise<Done> {
    const operations: Operation[] = [];
    let isCommitting = false;
    try {
      await client.query("BEGIN ISOLATION LEVEL SERIALIZABLE");
      for (const { kind, key } of steps) {
        if (kind === "append") operations.push({ kind, key, value: ++this.#value });
        if (kind === "append") await append(client, key, this.#value);
        else operations.push(await (kind === "list" ? readList(client, key) : readRegister(client, key)));
      }
      isCommitting = true;
      await client.query("COMMIT");
      return { outcome: "ok", operations, isUsable: true };
    } catch (error) {
      const isConflict = ["40001", "40P01"].includes(codeOf(error));
      const isUsable = isConflict && await succeeds(client.query("ROLLBACK"));
      // What was never asked to commit never does.
      const outcome = isCommitting && !isConflict ? "unknown" : "fail";
      return { outcome, operations, isUsable };
    }
  }
}

async function readRegister(client: pg.Client, key: number): Promise<Operation> {
  const { rows } = await client.query<{ value: string }>(
    `SELECT value FROM ${REGISTER_TABLE} WHERE key = $1`,
    [key],
  );
  return { kind: "read", key, value: rows[0] === undefined ? null : Number(rows[0].value) };
}

async function readList(client: pg.Client, key: number): Promise<Operation> {
  const { rows } = await client.query<{ items: string[] }>(
    `SELECT items FROM ${LIST_TABLE} WHERE key = $1`,
    [key],
  );
  return { kind: "list", key, values: (rows[0]?.items ?? []).map(Number) };
}

async function append(client: pg.Client, key: number, value: number): Promise<void> {
  await client.query(
    `INSERT INTO ${LIST_TABLE} VALUES ($1, ARRAY[$2::bigint])
     ON CONFLICT (key) DO UPDATE SET items = ${LIST_TABLE}.items || $2::bigint`,
    [key, value],
  );
}

interface Done {
  readonly outcome: Outcome;
  readonly operations: readonly Operation[];
  readonly isUsable: boolean;
}

function drawDraft(random: Prng, ms: number): Draft {
  const kind = random.weighted({ write: 3, read: 2, "confirmed read": 2, lists: 6 });
  const register = random.below(REGISTERS);
  if (kind === "write" || kind === "read") return { kind, key: register };
  const list = () => {
    const back = Number(random.weighted({ "0": 6, "1": 3, "2": 1, "4": 1 }));
    return (Math.floor(ms / WINDOW_MS) - back) * LISTS_OF_WINDOW + random.below(LISTS_OF_WINDOW);
  };
  // What a transaction that writes has read is on the standbys, too, once it is confirmed.
  if (kind === "confirmed read") {
    return { kind: "block", steps: [{ kind: "read", key: register }, { kind: "append", key: list() }] };
  }
  const steps = Array.from(
    { length: 1 + random.below(4) },
    (): Step => ({ kind: random.chance(0.5) ? "append" : "list", key: list() }),
  );
  return { kind: "block", steps };
}

/** null: the connection is broken. A primary becomes a standby only by a restart, which ends connections. */
async function timelineOf(client: pg.Client): Promise<number | typeof STANDBY | null> {
  try {
    const { rows } = await client.query<{ timeline: number | null }>(`SELECT ${TIMELINE} AS timeline`);
    return rows[0]!.timeline ?? STANDBY;
  } catch {
    return null; // the next one is tried
  }
}

async function succeeds(answer: Promise<unknown>): Promise<boolean> {
  return await answer.then(() => true, () => false);
}

function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? "";
}

async function main(settingsFile: string): Promise<void> {
  const settings = JSON.parse(readFileSync(settingsFile, "utf8")) as TransactionSettings;
  const transactions = new Transactions(settings);
  const stop = () => {
    transactions.stopping = true;
  };
  for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, stop);
  process.stdin.on("end", stop);
  process.stdin.resume();
  await transactions.run();
  process.exit(0);
}

main(process.argv[2]!).catch((error: unknown) => {
  process.stderr.write(`transactions: ${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
});
