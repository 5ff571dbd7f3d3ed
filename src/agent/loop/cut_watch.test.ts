import { expect, test } from "bun:test";
import {
  cluster,
  FREE,
  lock,
  postgres,
  PRIMARY_DIRECTORY,
  STANDBY_DIRECTORY,
  STOPPED,
} from "../../brain/testing.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import type { DcsState } from "../../model/records.ts";
import { recordOf } from "../../sync/record.ts";
import { CutWatch } from "./cut_watch.ts";

const SYNC = { ...recordOf("a", "data-a", { b: "data-b" }, 0), revision: 1 };
const FREED = cluster({ lock: lock(FREE), sync: SYNC });
const END = { timeline: 2, lsn: 1200 };
const CUT = { process: "running", following: null, cutOff: true, walEnd: END, lastLookMs: 20 } as const;

/** Looks at 10 and again at 30 ms. */
function cutOf(view: Partial<PostgresView>, records: DcsState = FREED, before = view) {
  const watch = new CutWatch();
  let refreshed = 0;
  const look = (one: Partial<PostgresView>, nowMs: number) =>
    watch.look(records, { view: () => postgres(one), refresh: () => refreshed++ }, nowMs);
  look({ ...before, lastLookMs: 5 }, 10);
  expect(watch.cut === null || view.process === "none").toBe(true);
  look(view, 30);
  return watch.cut;
}

test("cut off, and its end of WAL read after that", () => {
  expect(cutOf(CUT)).toEqual({ epoch: 3, ...END });
});

test.each<[string, Partial<PostgresView>]>([
  ["no look since", { ...CUT, lastLookMs: 9 }],
  ["an upstream", { ...CUT, following: "a", cutOff: false }],
  ["an upstream is about to be set, or a WAL receiver lives", { ...CUT, cutOff: false }],
  ["an end of WAL that is not known", { ...CUT, walEnd: null }],
  ["an action under way", { ...CUT, action: { kind: "restart", sinceMs: 0, detail: "" } }],
  ["a server that starts", { ...CUT, process: "starting" }],
  ["a server that others have promoted", { ...CUT, inRecovery: false }],
  ["a server that may write", { ...CUT, writable: true }],
  ["a former primary's directory", { ...STOPPED, walEnd: END, directory: PRIMARY_DIRECTORY }],
  ["WAL that may not be the cluster's", { ...CUT, directory: { ...STANDBY_DIRECTORY, formerPrimary: true } }],
  ["writes without the lock", { ...CUT, directory: { ...STANDBY_DIRECTORY, wroteAlone: true } }],
])("no vote: %s", (_, view) => {
  expect(cutOf(view)).toBe(null);
});

test("a stopped standby is cut off", () => {
  expect(cutOf({ ...STOPPED, walEnd: END })).toEqual({ epoch: 3, ...END });
});

test("no vote while the lock is held, nor where nothing is promised", () => {
  expect(cutOf(CUT, cluster({ sync: SYNC }))).toBe(null);
  expect(cutOf(CUT, cluster({ lock: lock(FREE) }))).toBe(null);
});

test("the cut begins when the server is cut off, not when the lock became free", () => {
  expect(cutOf({ ...CUT, lastLookMs: 25 }, FREED, { ...CUT, cutOff: false })).toBe(null);
});
