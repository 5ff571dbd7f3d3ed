/** History files that lead nowhere: which ones, when they are removed, and when not. */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ControlFile } from "../../postgres/control_file.ts";
import type { OtherHistory } from "../../postgres/history.ts";
import type { WalEnd } from "../../postgres/wal_end.ts";
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
const OWN = { timeline: 1, lsn: FORK };
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
  expect(strays.note(PRIMARY, OWN)).toEqual([FILE]);
  expect(isThere()).toBe(true);
  strays.remove({ timeline: 1, lsn: FORK }, null);
  expect(isThere()).toBe(false);
  expect(warnings).toEqual([expect.stringContaining("was given up")]);
});

test("a standby may come to it yet, unless it has gone past its beginning", () => {
  const { strays } = place();
  expect(strays.note({ ...PRIMARY, inRecovery: true, lsn: FORK }, OWN)).toEqual([]);
  expect(strays.note({ ...PRIMARY, inRecovery: true }, OWN)).toEqual([FILE]);
  expect(strays.note({ ...PRIMARY, timeline: 2 }, OWN)).toEqual([]);
});

test("a timeline that the WAL here is on is kept, to be compared; so is one of a directory that was not read to its end", () => {
  const { strays, isThere } = place();
  strays.note(PRIMARY, OWN);
  strays.remove(null, null);
  strays.note(PRIMARY, OWN);
  strays.remove({ timeline: 1, lsn: FORK, isPart: true }, null);
  expect(isThere()).toBe(true);
  strays.note(PRIMARY, OWN);
  strays.remove({ timeline: 2, lsn: FORK + 50 }, null);
  expect(isThere()).toBe(true);
});

const at = (checkpointLsn: number, timeline = 1) =>
  ({ timeline, checkpointLsn, minRecoveryLsn: 0 }) as ControlFile;

test("where the end of WAL is not known the server is not stopped again for a file that stays, and it is told of once", () => {
  const { strays, isThere, warnings } = place();
  strays.note(PRIMARY, OWN);
  expect(strays.areFound).toBe(true);
  strays.remove(null, at(FORK));
  expect(strays.note(PRIMARY, OWN)).toEqual([]);
  strays.remove(null, null);
  expect(warnings).toEqual([expect.stringContaining("agent ctl reinit")]);
  // A later start that knows it removes the file all the same.
  strays.note(PRIMARY, OWN);
  strays.remove({ timeline: 1, lsn: FORK }, null);
  expect(isThere()).toBe(false);
});

test("a timeline that PostgreSQL cannot go to is removed without the end of WAL", () => {
  const replayed = { timeline: 1, lsn: FORK + 8 };
  const isRemoved = (own: WalEnd, control: ControlFile) => {
    const { strays, isThere } = place();
    strays.note(PRIMARY, own);
    strays.remove(null, control);
    return !isThere();
  };
  expect(isRemoved(OWN, at(FORK + 8))).toBe(true);
  expect(isRemoved(replayed, at(FORK - 8))).toBe(true);
  expect(isRemoved(OWN, at(FORK - 8))).toBe(false);
  // Rewound or copied since.
  expect(isRemoved(replayed, at(FORK + 8, 2))).toBe(false);
});

test("a server is stopped for a file that had to stay once it has gone past that timeline's beginning", () => {
  const { strays } = place();
  strays.note(PRIMARY, OWN);
  strays.remove(null, at(FORK));
  expect(strays.note(PRIMARY, { timeline: 1, lsn: FORK + 8 })).toEqual([FILE]);
});

test("what a later comparison does not name is left", () => {
  const { strays, isThere } = place();
  strays.note(PRIMARY, OWN);
  strays.note({ ...PRIMARY, timeline: 2 }, OWN);
  strays.remove({ timeline: 1, lsn: FORK }, null);
  expect(isThere()).toBe(true);
});

test("one that comes back from the archive stops no server again, and is told of once", () => {
  const { strays, put, warnings } = place();
  strays.note(PRIMARY, OWN);
  strays.remove({ timeline: 1, lsn: FORK }, null);
  put();
  expect(strays.note(PRIMARY, OWN)).toEqual([]);
  expect(strays.note(PRIMARY, OWN)).toEqual([]);
  expect(warnings.slice(1)).toEqual([expect.stringContaining("Remove it from the archive")]);
});
