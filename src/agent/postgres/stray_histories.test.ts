/** History files that lead nowhere: which ones, when they are removed, and when not. */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OtherHistory } from "../../postgres/history.ts";
import { StrayHistories } from "./stray_histories.ts";

const root = mkdtempSync(join(tmpdir(), "agent-strays-"));
afterAll(() => rmSync(root, { recursive: true }));

const FORK = 0x5000000;
const FILE = "00000002.history";
const PRIMARY: OtherHistory = {
  systemId: "1",
  timeline: 1,
  lsn: FORK + 100,
  history: [],
  inRecovery: false,
};
let made = 0;

function place() {
  const dataDir = join(root, String(++made));
  mkdirSync(join(dataDir, "pg_wal"), { recursive: true });
  const warnings: string[] = [];
  const put = () =>
    writeFileSync(join(dataDir, "pg_wal", FILE), "1\t0/5000000\tno recovery target specified\n");
  put();
  const isThere = () => existsSync(join(dataDir, "pg_wal", FILE));
  return {
    put,
    isThere,
    warnings,
    strays: new StrayHistories({ dataDir, warn: (text) => warnings.push(text) }),
  };
}

test("a later timeline than a primary's is given up; its file goes with the next start of a standby", () => {
  const { strays, isThere, warnings } = place();
  expect(strays.note(PRIMARY)).toEqual([FILE]);
  expect(isThere()).toBe(true);
  strays.remove({ timeline: 1, lsn: FORK });
  expect(isThere()).toBe(false);
  expect(warnings).toEqual([expect.stringContaining("was given up")]);
});

test("a standby may come to it yet, unless it has gone past its beginning", () => {
  const { strays } = place();
  expect(strays.note({ ...PRIMARY, inRecovery: true, lsn: FORK })).toEqual([]);
  expect(strays.note({ ...PRIMARY, inRecovery: true })).toEqual([FILE]);
  expect(strays.note({ ...PRIMARY, timeline: 2 })).toEqual([]);
});

test("a timeline that the WAL here is on is kept, to be compared; so is one of a directory that was not read to its end", () => {
  const { strays, isThere } = place();
  strays.note(PRIMARY);
  strays.remove(null);
  strays.remove({ timeline: 1, lsn: FORK, isPart: true });
  expect(isThere()).toBe(true);
  strays.remove({ timeline: 2, lsn: FORK + 50 });
  expect(isThere()).toBe(true);
});

test("what a later comparison does not name is left", () => {
  const { strays, isThere } = place();
  strays.note(PRIMARY);
  strays.note({ ...PRIMARY, timeline: 2 });
  strays.remove({ timeline: 1, lsn: FORK });
  expect(isThere()).toBe(true);
});

test("one that comes back from the archive stops no server again, and is told of once", () => {
  const { strays, put, warnings } = place();
  strays.note(PRIMARY);
  strays.remove({ timeline: 1, lsn: FORK });
  put();
  expect(strays.note(PRIMARY)).toEqual([]);
  expect(strays.note(PRIMARY)).toEqual([]);
  expect(warnings.slice(1)).toEqual([expect.stringContaining("Remove it from the archive")]);
});
