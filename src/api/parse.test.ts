/** Times and versions as requests spell them. */
import { expect, test } from "bun:test";
import { parsePostgresVersion } from "../model/postgres_version.ts";
import { parseSchedule } from "./schedule.ts";

const NOW = Date.parse("2026-01-31T12:00:00Z");

const SCHEDULES: readonly [unknown, string | number][] = [
  ["2026-01-31T13:00:00+00:00", "2026-01-31T13:00:00+00:00"],
  ["2026-01-31T13:00Z", "2026-01-31T13:00:00+00:00"],
  ["2026-01-31 15:00:30.5 +02", "2026-01-31T15:00:30.5+02:00"],
  ["2026-01-31T13:00:00.123456+0100", "2026-01-31T13:00:00.123456+01:00"],
  ["2026-02-01T00:00:00 UTC", "2026-02-01T00:00:00+00:00"],
  ["20260131T130000Z", "2026-01-31T13:00:00+00:00"],
  ["2026-01-31T13:00:00-3", "2026-01-31T13:00:00-03:00"],
  ["2026-0131T130000Z", 422],
  ["2026-01-31T13:00", 400],
  ["2026-02-01", 400],
  ["2026-01-31T11:59:59Z", 422],
  ["2026-02-31T11:59:59Z", 422],
  ["2026-01-31T25:00:00Z", 422],
  ["tomorrow", 422],
  ["", 422],
  [17, 422],
];

for (const [text, expected] of SCHEDULES) {
  test(`schedule ${JSON.stringify(text)} is ${expected}`, () => {
    const schedule = parseSchedule(text, "restart", NOW);
    expect(schedule.ok ? schedule.at : schedule.status).toBe(expected);
  });
}

test("versions are compared as PostgreSQL numbers them", () => {
  expect(["15.2", "16", "9.6.24", "9.6"].map(parsePostgresVersion)).toEqual([150002, 160000, 90624, 90600]);
  expect(["", "fifteen", "15.2.1", "9"].map(parsePostgresVersion)).toEqual([null, null, null, null]);
});
