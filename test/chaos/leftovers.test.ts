import { expect, test } from "bun:test";
import { type HostSurvey, leftovers, onceEach, type ProcessSurvey } from "./leftovers.ts";

const one = (kind: ProcessSurvey["kind"], pid: number, parent: number): ProcessSurvey => ({
  pid,
  kind,
  parent,
  text: kind,
  memoryBytes: 50e6,
  files: 30,
});
const host = (name: string, isPrimary: boolean): HostSurvey => ({
  name,
  isPrimary,
  postmaster: 12,
  processes: [one("agent", 10, 1), one("guard", 11, 1), one("postgres", 12, 11), one("postgres", 13, 12)],
  slots: [{ name: isPrimary ? "b" : "a", isActive: isPrimary }],
  names: [
    "agent.yml",
    "agent.log",
    "data",
    "data.failed-1",
    "data.lost-wal-1",
    "raft",
    "pgpass",
    "decisions",
    "decisions.1",
  ],
  walBytes: 64e6,
});
const BEFORE = [host("a", true), host("b", false)];
const judged = (change: Partial<HostSurvey>) => leftovers(BEFORE, [{ ...BEFORE[0]!, ...change }, BEFORE[1]!]);
const { processes } = BEFORE[0]!;

test("a cluster that is as it was", () => {
  expect(judged({})).toEqual([]);
});

test("processes of nobody, and missing ones", () => {
  expect(judged({ processes: [...processes, one("other", 20, 1)] })).toEqual([
    "a: process 20 belongs to nobody: other",
  ]);
  expect(judged({ processes: [...processes, one("postgres", 20, 1)] })).toEqual([
    "a: process 20 belongs to nobody: postgres",
  ]);
  expect(judged({ processes: [...processes, one("guard", 20, 1)] })).toEqual([
    "a: it has 2 processes of guard",
  ]);
  expect(judged({ processes: processes.slice(1) })).toEqual(["a: it has 0 processes of agent"]);
});

test("memory and files that grow", () => {
  const grown = (change: Partial<ProcessSurvey>) =>
    judged({ processes: [{ ...processes[0]!, ...change }, ...processes.slice(1)] });
  expect(grown({ memoryBytes: 60e6, files: 50 })).toEqual([]);
  expect(grown({ memoryBytes: 150e6 })[0]).toContain("memory of its agent grew");
  expect(grown({ files: 60 })).toEqual(["a: open files of its agent grew from 30 to 60"]);
});

test("slots of nobody and missing ones, files of nobody, WAL without end", () => {
  expect(judged({ slots: [{ name: "b", isActive: true }, { name: "c", isActive: false }] })).toEqual([
    "a: slot c belongs to nobody",
  ]);
  const slots = [{ name: "b", isActive: true }, { name: "c", isActive: false }];
  expect(leftovers(BEFORE, [{ ...BEFORE[0]!, slots }, BEFORE[1]!], ["c"])).toEqual([]);
  expect(judged({ slots: [{ name: "b", isActive: false }] })).toEqual(["a: no active slot for b"]);
  expect(judged({ names: [...BEFORE[0]!.names, "core"] })).toEqual(["a: core is left in its directory"]);
  expect(judged({ walBytes: 1e9 })).toEqual(["a: 1000000000 bytes of WAL"]);
});

test("segments of WAL count once, whichever timelines have them", () => {
  const segments = ["000000010000000000000007", "000000020000000000000007", "000000020000000000000008"];
  expect(onceEach([...segments, "00000002.history", "archive_status"])).toEqual([
    "000000020000000000000007",
    "000000020000000000000008",
    "00000002.history",
    "archive_status",
  ]);
});
