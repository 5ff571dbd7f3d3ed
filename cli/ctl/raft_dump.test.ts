import { afterEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryNetwork, monotonicClock, openWal, RaftNode } from "../../raft/mod.ts";
import { encodeCommand } from "../../src/dcs/commands.ts";
import { runCtl } from "./testing.ts";

const IDENTITY = { clusterId: 4711, nodeId: 1 };
const directories: string[] = [];
const running: (() => void)[] = [];

afterEach(() => {
  for (const stop of running.splice(0)) stop();
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true, force: true });
});

/** The log of a cluster of one whose configuration holds a password. */
async function logDirectory(goesOn = false): Promise<string> {
  const directory = fs.mkdtempSync(join(tmpdir(), "raft-dump-"));
  directories.push(directory);
  const clock = monotonicClock;
  const storage = openWal(directory, IDENTITY, { now: clock.now, segmentBytes: 64 * 1024, inline: true });
  const raft = new RaftNode({
    id: 1,
    clusterId: IDENTITY.clusterId,
    members: [{ id: 1, name: "a", addr: "127.0.0.1:1" }],
    storage,
    transport: new MemoryNetwork(clock).transport(1),
    clock,
    random: () => 0.5,
    stateMachine: { apply: () => true, snapshot: () => new Uint8Array(0), restore: () => {} },
    electionMinMs: 100,
    electionMaxMs: 200,
    heartbeatMs: 50,
  });
  const value = { ttl: 5, postgresql: { authentication: { password: "hunter2" } } };
  const command = encodeCommand({ op: "setConfig", value, expectRevision: null, by: "a", at: "" });
  const outcome = new Promise((resolve) => {
    raft.onEvent((event) => {
      if (event.kind === "state" && event.ownTermApplied) raft.propose(command, resolve);
    });
  });
  raft.start();
  await outcome;
  const stop = () => {
    raft.stop();
    storage.close();
  };
  if (goesOn) running.push(stop);
  else stop();
  return directory;
}

test("prints each record with its place, commands without their secrets, and the hard state", async () => {
  const directory = await logDirectory();
  const { code, out } = await runCtl(["raft", "dump", "--dir", directory]);
  expect(code).toBe(0);
  expect(out).toMatch(/^00000001\.log:0 \{"type":"segmentHeader"/);
  expect(out).toMatch(/"type":"entry","term":\d+,"index":\d+,"entry":"command".*"op":"setConfig".*"ttl":5/);
  expect(out).toContain('"hard_state":{"term":1');
  expect(out).toContain("***");
  expect(out).not.toContain("hunter2");
});

test("reads while the member runs, and tells where the log is damaged", async () => {
  const directory = await logDirectory(true);
  const { code, out } = await runCtl(["raft", "dump", "--dir", directory, "--format", "json"]);
  expect(code).toBe(0);
  const records = JSON.parse(out).records as { type: string; offset: number }[];
  const first = records.find(({ type }) => type === "hardState")!;
  const file = join(directory, "wal", "00000001.log");
  const bytes = fs.readFileSync(file);
  bytes[first.offset + 20]! ^= 1;
  fs.writeFileSync(file, bytes);
  const damaged = await runCtl(["raft", "dump", "--dir", directory]);
  expect(damaged.code).toBe(1);
  expect(damaged.out).toContain(`Damaged: ${file}, byte ${first.offset}:`);
});

test("a directory without a log is an error, and so is no directory at all", async () => {
  const directory = fs.mkdtempSync(join(tmpdir(), "raft-dump-"));
  directories.push(directory);
  expect(await runCtl(["raft", "dump", "--dir", directory])).toMatchObject({ code: 1 });
  expect(await runCtl(["raft", "dump"])).toMatchObject({ code: 2 });
});
