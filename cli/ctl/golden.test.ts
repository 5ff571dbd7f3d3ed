/**
 * What every command that shows something prints, in each of its formats, for one cluster that is always the
 * same: a difference to golden.txt is seen in review. `UPDATE_GOLDEN=1` writes it anew.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VERSION } from "../../src/model/version.ts";
import { StubCluster } from "./testing.ts";

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

test("every command prints what it printed before", async () => {
  const parts: string[] = [];
  for (const words of COMMANDS) {
    const { code, out, err } = await cluster.ctl(words);
    const shown = [out, err].filter((text) => text !== "").join("\n").replaceAll(
      cluster.address,
      "ADDRESS:PORT",
    ).replaceAll(`agent ${VERSION}`, "agent VERSION");
    parts.push(`$ agent ctl ${words.join(" ")}\n${shown}\n(exit code ${code})\n`);
  }
  const text = parts.join("\n");
  if (process.env.UPDATE_GOLDEN === "1") writeFileSync(FILE, text);
  expect(text.split("\n")).toEqual(readFileSync(FILE, "utf8").split("\n"));
});
