import { afterEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { directoryIdentity } from "./identity.ts";
import { openWal } from "./open_wal.ts";
import { StorageError } from "./storage_error.ts";
import { markPoisoned } from "./poison.ts";
import { type OnStep, readLog, SurvivingLog } from "./surviving_log.ts";
import { batch, entry, IDENTITY } from "./testing.ts";
import type { LogIdentity } from "./replay.ts";

const OPTIONS = { now: () => 0, segmentBytes: 64 * 1024, inline: true };
const NEW: LogIdentity = { clusterId: 815, nodeId: 9 };
const SNAPSHOT = {
  index: 3,
  term: 8,
  configuration: { voters: [9], learners: [] },
  data: new Uint8Array([1, 2, 3]),
};
const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true, force: true });
});

/** Directory with three entries, two of them known to be committed. */
function survivor(): string {
  const directory = fs.mkdtempSync(join(tmpdir(), "raft-survivor-"));
  directories.push(directory);
  const wal = openWal(directory, IDENTITY, OPTIONS);
  wal.append(batch({ entries: [1, 2, 3].map((i) => entry(7, i)) }), () => {});
  wal.append(batch({ hardState: { term: 7, vote: 2, commit: 2 } }), () => {});
  wal.close();
  return directory;
}

function load(directory: string, identity: LogIdentity) {
  const wal = openWal(directory, identity, OPTIONS);
  const stored = wal.load();
  wal.close();
  return stored;
}

function replace(directory: string, onStep?: OnStep) {
  const log = SurvivingLog.open(directory);
  try {
    return log.replace(NEW, SNAPSHOT, "now", onStep);
  } finally {
    log.close();
  }
}

test("a log that a write has failed to reach is not recovered from before the host was rebooted", () => {
  const directory = survivor();
  const volatile = fs.mkdtempSync(join(tmpdir(), "raft-volatile-"));
  directories.push(volatile);
  const { instance } = directoryIdentity(directory)!;
  markPoisoned(volatile, instance, "EIO");
  expect(() => SurvivingLog.open(directory, volatile)).toThrow("has failed since this host was booted: EIO");
  // The lock was given back, and a reader needs none.
  expect(readLog(directory).lastIndex).toBe(3);
  SurvivingLog.open(directory, fs.mkdtempSync(join(volatile, "other"))).close();
});

test("shows everything that the log holds, committed or not, and changes nothing", () => {
  const directory = survivor();
  const before = fs.readFileSync(join(directory, "wal", "00000001.log"));
  const log = SurvivingLog.open(directory);
  expect(log.identity).toMatchObject(IDENTITY);
  expect(log.lastIndex).toBe(3);
  expect(log.stored.hardState).toEqual({ term: 7, vote: 2, commit: 2 });
  log.close();
  expect(fs.readFileSync(join(directory, "wal", "00000001.log"))).toEqual(before);
});

test("a running member's directory is refused, and one without a log", () => {
  const directory = survivor();
  const running = openWal(directory, IDENTITY, OPTIONS);
  expect(() => SurvivingLog.open(directory)).toThrow(`process ${process.pid}`);
  running.close();
  expect(() => SurvivingLog.open(join(directory, "nowhere"))).toThrow(StorageError);
});

test("the new log begins with the snapshot; the old member can't be opened there any more", () => {
  const directory = survivor();
  const { oldLog, oldIdentity } = replace(directory);
  const stored = load(directory, NEW);
  expect(stored.snapshot).toEqual(SNAPSHOT);
  expect(stored.hardState).toEqual({ term: 8, vote: 0, commit: 3 });
  expect(stored.entries).toEqual([]);
  expect(() => load(directory, IDENTITY)).toThrow("another cluster");
  expect(directoryIdentity(directory)?.founded).toBe(IDENTITY.clusterId);
  expect(fs.readdirSync(oldLog)).toContain("00000001.log");
  expect(JSON.parse(fs.readFileSync(oldIdentity, "utf8"))).toMatchObject(IDENTITY);
});

for (const stop of ["log", "keep identity", "identity"] as const) {
  test(`stopped before "${stop}", the old member is whole, and the next try succeeds`, () => {
    const directory = survivor();
    const crash = (step: string) => {
      if (step === stop) throw new Error("power cut");
    };
    expect(() => replace(directory, crash)).toThrow("power cut");
    expect(load(directory, IDENTITY).entries.length).toBe(3);
    const log = SurvivingLog.open(directory);
    log.replace(NEW, SNAPSHOT, "later");
    log.close();
    expect(load(directory, NEW).snapshot).toEqual(SNAPSHOT);
  });
}

test("recovered twice, the id of the founding stays known", () => {
  const directory = survivor();
  replace(directory);
  const log = SurvivingLog.open(directory);
  log.replace({ clusterId: 816, nodeId: 10 }, SNAPSHOT, "again");
  log.close();
  expect(directoryIdentity(directory)).toMatchObject({ clusterId: 816, founded: IDENTITY.clusterId });
});
