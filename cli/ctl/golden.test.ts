/**
 * What every command that shows something prints, in each of its formats, for one cluster that is always the
 * same: a difference to golden.txt is seen in review. `UPDATE_GOLDEN=1` writes it anew.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { VERSION } from "../../src/model/version.ts";
import { errorAnswer, type Outcome, postgresServer, StubCluster, tableAnswer, watched } from "./testing.ts";

const FILE = join(import.meta.dir, "golden.txt");

let cluster: StubCluster;
beforeAll(() => {
  cluster = new StubCluster();
  const event = { at: "2026-01-31T11:00:00.000Z", member: "node1", by: "node1" } as const;
  cluster.port.changeDcs({
    events: [
      { ...event, index: 1, id: 1, kind: "config-changed", text: "configuration changed: ttl" },
      { ...event, index: 2, id: 2, kind: "ttl-changed", text: "ttl: grant 5000 ms, wait 6000 ms" },
    ],
  });
  const pendingRestart = {
    max_connections: { old_value: "100", new_value: "120" },
    wal_level: { old_value: "replica", new_value: "logical" },
  };
  cluster.port.changeMember("node3", { tags: { clonefrom: true }, pendingRestart });
  cluster.port.changeMember("node2", { receivedLsn: 83886080 - 4096, replayedLsn: 83886080 - 8192 });
});
afterAll(() => cluster.stop());

const FORMATS = ["pretty", "tsv", "json", "yaml"];
const inFormats = (...words: readonly string[]) => FORMATS.map((format) => [...words, "-f", format]);

const COMMANDS: readonly (readonly string[])[] = [
  ...inFormats("list"),
  ...inFormats("list", "-e"),
  ...inFormats("list", "--columns", "legacy"),
  ["list", "--columns", "Member,State"],
  ["topology"],
  ...inFormats("history"),
  ...inFormats("events"),
  ["why"],
  ["why", "node2"],
  ["why", "-f", "json"],
  ...inFormats("timing"),
  ["switchover", "--dry-run"],
  ["switchover", "--candidate", "node2", "--dry-run"],
  ["failover", "--candidate", "node2", "--dry-run"],
  ["show-config"],
  ["config", "explain", "ttl"],
  ["config", "history"],
  ["dsn"],
  ["dsn", "-r", "replica"],
  ["dcs", "get", "leader"],
  ["dcs", "get", "config"],
  ["dcs", "get", "members/node1"],
  ["raft", "status"],
  ["raft", "status", "--format", "json"],
  ["watchdog", "status"],
  ["watchdog", "status", "--format", "json"],
  ["version", "demo"],
  ["restart", "demo", "nobody", "--force"],
  ["list", "another"],
  ["nothing"],
];

/** What each statement is answered, as a server of a DateStyle and time zone writes it. */
const ANSWERS: { readonly [sql: string]: Buffer } = {
  "select * from t": tableAnswer({
    columns: [["id", 23], ["name", 25], ["since", 1184], ["lasted", 1186], ["share", 1700], ["more", 3802]],
    rows: [
      ["1", "a", "2026-01-31 12:00:00.123456+01", "1 day 02:03:04", "1.50", '{"a": [1]}'],
      ["2", "tab\there, line\nbreak, \\ and 🐘", "infinity", null, "NaN", null],
      ["3", "", null, null, null, "null"],
    ],
  }),
  "select 1 where false": tableAnswer({ columns: [["?column?", 23]], rows: [] }),
  "select * from nothing": errorAnswer("42P01", 'relation "nothing" does not exist'),
};
const QUERIES: readonly (readonly string[])[] = [
  ...FORMATS.map((format) => ["query", "-c", "select * from t", "--format", format]),
  ["query", "-c", "select * from t", "--delimiter", "|"],
  ...FORMATS.map((format) => ["query", "-c", "select 1 where false", "--format", format]),
  ["query", "-c", "select * from nothing"],
];

const TIME = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?= {2}every|\t)/g;

function shown(words: readonly string[], { code, out, err }: Outcome, { address }: StubCluster): string {
  const text = [out, err].filter((one) => one !== "").join("\n").replaceAll(address, "ADDRESS:PORT")
    .replaceAll(`agent ${VERSION}`, "agent VERSION").replace(TIME, "TIME");
  return `$ agent ctl ${words.join(" ")}\n${text}\n(exit code ${code})\n`;
}

/** On a primary whose PostgreSQL has these answers. */
async function queried(): Promise<string[]> {
  const server = await postgresServer((socket, bytes) => {
    if (String(bytes.subarray(0, 1)) === "Q") socket.write(ANSWERS[String(bytes.subarray(5, -1))]!);
  });
  const { port } = server.address() as AddressInfo;
  const here = new StubCluster();
  here.port.changeMember("node1", { connUrl: `postgres://127.0.0.1:${port}/postgres` });
  const parts: string[] = [];
  for (const words of QUERIES) {
    parts.push(shown(words, await here.ctl([...words, "-U", "app"]), here));
  }
  await here.stop();
  server.close();
  return parts;
}

/** One picture of the live view. */
async function pictured(): Promise<string> {
  const { code, written } = await watched(cluster, [["Events:", "q"]], { rows: 40 });
  const out = written[1]!.replaceAll("\x1b[K", "").replaceAll("\x1b", "<ESC>").replace(/ +$/gm, "");
  return shown(["watch"], { code, out, err: "" }, cluster);
}

test("every command prints what it printed before", async () => {
  const parts: string[] = [];
  for (const words of COMMANDS) parts.push(shown(words, await cluster.ctl(words), cluster));
  parts.push(await pictured(), ...await queried());
  const text = parts.join("\n");
  if (process.env.UPDATE_GOLDEN === "1") writeFileSync(FILE, text);
  expect(text.split("\n")).toEqual(readFileSync(FILE, "utf8").split("\n"));
});
