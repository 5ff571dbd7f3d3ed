import { afterEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { runCtl, type TestLog, writeLog } from "./testing.ts";

const logs: TestLog[] = [];

afterEach(() => {
  for (const { stop, directory } of logs.splice(0)) {
    stop();
    fs.rmSync(directory, { recursive: true, force: true });
  }
});

/** The log of a cluster of one whose configuration holds a password. */
async function logDirectory(goesOn = false): Promise<string> {
  const value = { ttl: 5, postgresql: { authentication: { password: "hunter2" } } };
  const log = await writeLog([{ op: "setConfig", value, expectRevision: null }]);
  logs.push(goesOn ? log : { ...log, stop: () => {} });
  if (!goesOn) log.stop();
  return log.directory;
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
  const directory = await logDirectory();
  fs.rmSync(join(directory, "identity.json"));
  expect(await runCtl(["raft", "dump", "--dir", directory])).toMatchObject({ code: 1 });
  expect(await runCtl(["raft", "dump"])).toMatchObject({ code: 2 });
});
