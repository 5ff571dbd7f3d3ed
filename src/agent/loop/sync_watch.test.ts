/** The beginning and the end of what ails synchronous replication are said once each. */
import { expect, test } from "bun:test";
import type { SyncSign } from "../../brain/sync_trouble.ts";
import { SyncWatch } from "./sync_watch.ts";

const WALL = Date.parse("2026-01-31T12:00:00Z");
const blocked = (key: string, detail = `waits: ${key}`): SyncSign => ({
  kind: "writes-blocked",
  key,
  detail,
});

/** Looks second by second, at 0, 1, 2, ...; what is said, with its second. */
function course(...keys: readonly (string | null)[]): { said: string[]; watch: SyncWatch } {
  const watch = new SyncWatch();
  const said = keys.flatMap((key, second) => {
    const nowMs = 1000 * second;
    const signs = key === null ? [] : [blocked(key)];
    return watch.look({ signs, nowMs, lookMs: nowMs, wallMs: WALL + nowMs })
      .map(({ begins, text }) => `${second} ${begins ? "begins" : "ends"} ${text}`);
  });
  return { said, watch };
}

test("a sign that lasts is a trouble since it was first seen, and is over once it is not seen for a while", () => {
  const { said, watch } = course(null, "b", "b", "b", "b", "b");
  expect(said).toEqual(["5 begins waits: b"]);
  expect(watch.troubles).toEqual([
    { kind: "writes-blocked", since: "2026-01-31T12:00:01.000Z", detail: "waits: b" },
  ]);
  expect(course("b", "b", "b", "b", "b", "b", null, null, null, null, null).said).toEqual([
    "4 begins waits: b",
    "8 ends over; it had lasted since 2026-01-31T12:00:00.000Z",
  ]);
});

test("a sign that comes and goes is none", () => {
  expect(course("b", "b", "b", null, "b", "b", "b", null, "b").said).toEqual([]);
});

test("under load another transaction waits at each look: nothing begins, and what was is over", () => {
  expect(course("1", "2", "3", "4", "5", "6", "7").said).toEqual([]);
  expect(course("1", "1", "1", "1", "1", "2", "3", "4", "5", "6").said).toEqual([
    "4 begins waits: 1",
    "7 ends over; it had lasted since 2026-01-31T12:00:00.000Z",
  ]);
});

test("one cause after another is one trouble", () => {
  const { said, watch } = course("b", "b", "b", "b", "b", "1", "1", "1", "1", null, "1", "1");
  expect(said).toEqual(["4 begins waits: b"]);
  expect(watch.troubles).toMatchObject([{ since: "2026-01-31T12:00:00.000Z", detail: "waits: 1" }]);
});

test("the same look at PostgreSQL once more is no new sign", () => {
  const watch = new SyncWatch();
  const at = (nowMs: number, lookMs: number) =>
    watch.look({ signs: [blocked("b")], nowMs, lookMs, wallMs: WALL });
  expect([at(0, 0), at(2000, 0), at(5000, 0), at(9000, 0)].flat()).toEqual([]);
  expect(at(9000, 9000)).toMatchObject([{ begins: true }]);
});
