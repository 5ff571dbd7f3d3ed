/**
 * Clients of all members at once, in a process of its own: sessions that stay connected and try to write
 * again and again, also while the server is a standby, and new ones that write once. Reads
 * FirstCommitsSettings as one line of JSON, and ends with its standard input. Prints "ID MEMBER KIND ACK_MS"
 * for each write that was acknowledged; KIND: parked, new.
 */
import pg from "pg";
import { nowMs } from "../../src/demo/now.ts";
import { sleep } from "../../src/demo/wait_for.ts";

export interface FirstCommitsSettings {
  readonly targets: readonly { readonly name: string; readonly host: string; readonly port: number }[];
  readonly password: string;
  /** Sessions at each member. */
  readonly parked: number;
  readonly coming: number;
}

export const FIRST_COMMITS_TABLE = "first_commits";

const RETRY_MS = 5;
const CONNECT_AGAIN_MS = 25;
const CONNECT_LIMIT_MS = 1000;
/** Where the machine is too busy for all of them to begin within a second, each is given twice as long. */
const MOST_CONNECT_LIMIT_MS = 16_000;
const READ_ONLY = "25006";

type Target = FirstCommitsSettings["targets"][number];

let nextId = 1;

async function main(): Promise<void> {
  const [line = ""] = (await firstLine()).split("\n");
  const settings = JSON.parse(line) as FirstCommitsSettings;
  process.stdin.on("end", () => process.exit(0));
  for (const target of settings.targets) {
    for (let n = 0; n < settings.parked; n++) {
      void again((limitMs) => parked(target, settings.password, limitMs));
    }
    for (let n = 0; n < settings.coming; n++) {
      void again((limitMs) => coming(target, settings.password, limitMs));
    }
  }
}

/** A session that fails is followed by another one. */
async function again(session: (connectLimitMs: number) => Promise<void>): Promise<never> {
  let limitMs = CONNECT_LIMIT_MS;
  for (;;) {
    // A member that is down refuses it, and what was not acknowledged is no loss.
    const failed = await session(limitMs).catch((error: unknown) => error);
    const late = failed instanceof Error && failed.message === "timeout expired";
    limitMs = late ? Math.min(2 * limitMs, MOST_CONNECT_LIMIT_MS) : CONNECT_LIMIT_MS;
    await sleep(CONNECT_AGAIN_MS);
  }
}

async function parked(target: Target, password: string, connectLimitMs: number): Promise<void> {
  const client = await connect(target, password, connectLimitMs);
  try {
    for (;;) if (!await write(client, target, "parked")) await sleep(RETRY_MS);
  } finally {
    client.end().catch(() => undefined);
  }
}

async function coming(target: Target, password: string, connectLimitMs: number): Promise<void> {
  const client = await connect(target, password, connectLimitMs);
  try {
    await write(client, target, "new");
  } finally {
    client.end().catch(() => undefined);
  }
}

/** False: the server is a standby. */
async function write(client: pg.Client, { name }: Target, kind: "parked" | "new"): Promise<boolean> {
  const id = nextId++;
  try {
    await client.query(`INSERT INTO ${FIRST_COMMITS_TABLE} VALUES ($1)`, [id]);
  } catch (error) {
    if ((error as { code?: string }).code === READ_ONLY) return false;
    throw error;
  }
  process.stdout.write(`${id} ${name} ${kind} ${nowMs().toFixed(3)}\n`);
  return true;
}

async function connect(
  { host, port }: Target,
  password: string,
  connectionTimeoutMillis: number,
): Promise<pg.Client> {
  const client = new pg.Client({
    host,
    port,
    password,
    user: "postgres",
    database: "postgres",
    connectionTimeoutMillis,
    application_name: "first commits",
    // What a standby refuses would be most of its log.
    options: "-c log_min_messages=fatal",
  });
  // An idle connection that breaks is found at its next use.
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

async function firstLine(): Promise<string> {
  let text = "";
  return await new Promise((resolve) =>
    process.stdin.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes("\n")) resolve(text);
    })
  );
}

if (import.meta.main) void main();
