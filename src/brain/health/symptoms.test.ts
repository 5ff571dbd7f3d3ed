import { expect, test } from "bun:test";
import type { PlaceReading } from "../../model/place_reading.ts";
import { diskSymptoms, type HealthLimits, hungSymptom, serverSymptoms } from "./symptoms.ts";

const GIB = 2 ** 30;
const TIB = 2 ** 40;
const LIMITS: HealthLimits = { diskWarningPercent: 10, diskCriticalPercent: 3, diskCapBytes: 200 * GIB };

function place(over: Partial<PlaceReading> = {}): PlaceReading {
  return {
    kind: "data",
    path: "/data",
    device: 1,
    totalBytes: 100 * GIB,
    freeBytes: 50 * GIB,
    writeMs: 2,
    failure: null,
    ...over,
  };
}

function found(...places: Partial<PlaceReading>[]) {
  return diskSymptoms(places.map(place), LIMITS, []).map(({ cause, severity }) => `${cause} ${severity}`);
}

test("room for PostgreSQL is judged by a share of the file system", () => {
  expect(found({ freeBytes: 10 * GIB })).toEqual([]);
  expect(found({ freeBytes: 10 * GIB - 1 })).toEqual(["data-space warning"]);
  expect(found({ freeBytes: 3 * GIB - 1 })).toEqual(["data-space critical"]);
  // A small disk of a device at the edge.
  expect(found({ totalBytes: 8 * GIB, freeBytes: 0.7 * GIB })).toEqual(["data-space warning"]);
});

test("a huge file system counts as one of the largest size that matters", () => {
  expect(found({ totalBytes: 20 * TIB, freeBytes: 20 * GIB })).toEqual([]);
  expect(found({ totalBytes: 20 * TIB, freeBytes: 20 * GIB - 1 })).toEqual(["data-space warning"]);
  expect(found({ totalBytes: 20 * TIB, freeBytes: 6 * GIB - 1 })).toEqual(["data-space critical"]);
});

test("a limit of 0 percent is none", () => {
  const limits = { ...LIMITS, diskWarningPercent: 0, diskCriticalPercent: 0 };
  expect(diskSymptoms([place({ freeBytes: 0 })], limits, [])).toEqual([]);
});

test("pg_wal and tablespaces have room of their own only on a device of their own", () => {
  const full = { freeBytes: GIB };
  expect(found(full, { kind: "wal", ...full }, { kind: "tablespace", ...full })).toEqual([
    "data-space critical",
  ]);
  expect(found({}, { kind: "wal", device: 2, ...full }, { kind: "tablespace", device: 2, ...full })).toEqual([
    "wal-space critical",
  ]);
  expect(found({}, { kind: "tablespace", device: 3, ...full })).toEqual(["tablespace-space critical"]);
});

test("of several places the worst one is told", () => {
  const spaces = [{ device: 2, freeBytes: 5 * GIB }, { device: 3, freeBytes: GIB }];
  expect(found(...spaces.map((each) => ({ kind: "tablespace" as const, ...each })))).toEqual([
    "tablespace-space critical",
  ]);
});

test("a shortage that is shown ends only with some more room", () => {
  const shown = [{ cause: "data-space", severity: "warning" }] as const;
  const at = (freeBytes: number) => diskSymptoms([place({ freeBytes })], LIMITS, shown).length;
  expect(at(12 * GIB)).toBe(1);
  expect(at(12.5 * GIB)).toBe(0);
  const critical = [{ cause: "data-space", severity: "critical" }] as const;
  expect(diskSymptoms([place({ freeBytes: 3.5 * GIB })], LIMITS, critical)[0]?.severity).toBe("critical");
  expect(diskSymptoms([place({ freeBytes: 4 * GIB })], LIMITS, critical)[0]?.severity).toBe("warning");
});

test("a failed write is told by its cause", () => {
  const failed = (code: string) => ({ writeMs: null, failure: { call: "write", code } });
  expect(found(failed("ENOSPC"))).toEqual(["data-space critical"]);
  expect(found(failed("EDQUOT"))).toEqual(["data-space critical"]);
  expect(found({ kind: "wal", device: 2, ...failed("ENOSPC") })).toEqual(["wal-space critical"]);
  expect(found(failed("EROFS"))).toEqual(["read-only critical"]);
  expect(found(failed("EIO"))).toEqual(["write-error critical"]);
  expect(found(failed("EACCES"))).toEqual(["write-error critical"]);
  expect(found(failed("ENOENT"))).toEqual([]);
  expect(found({ writeMs: 1500 })).toEqual(["slow-disk warning"]);
  expect(found({ writeMs: 999 })).toEqual([]);
});

test("details have numbers", () => {
  const [short] = diskSymptoms([place({ freeBytes: 0.5 * GIB, totalBytes: 8 * GIB })], LIMITS, []);
  expect(short?.detail).toBe("512 MiB of 8.0 GiB free (6 %) in the file system of /data");
  const [filling] = diskSymptoms([place({ freeBytes: GIB })], LIMITS, [], () => 3 * 3_600_000);
  expect(filling?.detail).toBe(
    "1.0 GiB of 100 GiB free (1 %) in the file system of /data, full in about 3 h at this rate",
  );
});

test("a disk on which a small file is not finished hangs, unless it is the one that WAL is written to", () => {
  const one = [place(), place({ kind: "wal", path: "/data/pg_wal" })];
  const two = [place(), place({ kind: "wal", path: "/wal", device: 77 })];
  const hung = (kind: PlaceReading["kind"], last: readonly PlaceReading[], walMoves: boolean) =>
    hungSymptom({ kind, path: "/data", forMs: 31_400 }, last, walMoves).cause;
  expect(hung("data", one, false)).toBe("hung-disk");
  expect(hung("data", one, true)).toBe("slow-disk");
  expect(hung("data", two, true)).toBe("hung-disk");
  expect(hung("wal", two, true)).toBe("slow-disk");
  expect(hung("tablespace", one, true)).toBe("hung-disk");
  expect(hung("data", [], true)).toBe("hung-disk");
  expect(hungSymptom({ kind: "data", path: "/data", forMs: 31_400 }, one, false)).toEqual({
    cause: "hung-disk",
    severity: "critical",
    detail: "a small file in /data has not been written and read for 31 s",
  });
  expect(hungSymptom({ kind: "data", path: "/data", forMs: 31_400 }, one, true)).toEqual({
    cause: "slow-disk",
    severity: "warning",
    detail: "a small file in /data has not been written and read for 31 s, but WAL has",
  });
});

test("connections are exhausted when ordinary users find none", () => {
  const reading = {
    answers: true,
    used: 96,
    most: 100,
    reserved: 3,
    checksumFailures: 0,
    databases: "",
  } as const;
  expect(serverSymptoms(reading)).toEqual([]);
  expect(serverSymptoms({ ...reading, used: 97 })).toEqual([{
    cause: "connections-exhausted",
    severity: "critical",
    detail: "97 of 100 connections are taken, and 3 are reserved: others cannot connect",
  }]);
  expect(serverSymptoms({ answers: false, why: "full" })[0]?.cause).toBe("connections-exhausted");
});

test("wrong checksums and a silent postmaster are told with their numbers", () => {
  const reading = {
    answers: true,
    used: 1,
    most: 100,
    reserved: 3,
    checksumFailures: 7,
    databases: "a, b",
  } as const;
  expect(serverSymptoms(reading)).toEqual([
    { cause: "checksum-failures", severity: "critical", detail: "7 pages with a wrong checksum in a, b" },
  ]);
  expect(serverSymptoms({ answers: false, why: "silent", limitMs: 5000 })[0]).toEqual({
    cause: "postmaster-hung",
    severity: "critical",
    detail: "its process lives, and a new connection got no answer for 5 s",
  });
});
