import { expect, test } from "bun:test";
import type { JsonObject } from "./json.ts";
import { settlePause, withoutPause } from "./pause_end.ts";

const NOW = Date.parse("2030-01-01T00:00:00Z");
const UNTIL = "2030-01-01T02:00:00+00:00";
const timeIn = (seconds: number) => new Date(NOW + 1000 * seconds).toISOString().replace(".000Z", "+00:00");
const settled = (value: JsonObject, before: JsonObject | null = null) => settlePause(value, before, timeIn);

test("a time is turned into its end by the clock of the member that takes the change", () => {
  for (const time of ["2h", "120min", 7200, "7200"]) {
    expect(settled({ ttl: 5, pause: true, pause_for: time })).toEqual({
      value: { ttl: 5, pause: true, pause_until: UNTIL },
    });
  }
  expect(settled({ pause: "on", pause_for: "2h", pause_until: "2031-01-01T00:00:00Z" })).toMatchObject({
    value: { pause_until: UNTIL },
  });
});

test("what is no time, and an end without a pause, are refused", () => {
  for (const time of [0, -1, "soon", "2 fortnights", {}, true, "400d"]) {
    expect(settled({ pause: true, pause_for: time })).toMatchObject({
      problem: expect.stringContaining("1s to 366d"),
    });
  }
  expect(settled({ pause: true, pause_for: "10m" })).toEqual({
    problem: 'pause_for: expected a time from 1s to 366d (90s, 10min, 2h, 1d), got text "10m"',
  });
  expect(settled({ pause_for: "2h" })).toEqual({ problem: "pause_for: it needs pause: true beside it" });
  expect(settled({ pause: false, pause_until: UNTIL })).toEqual({
    problem: "pause_until: it needs pause: true beside it",
  });
});

test("an end that is over is refused, unless it was there before", () => {
  for (const end of ["2029-12-31T23:59:59Z", "2030-01-01T01:00:00+02:00", "2030-01-01T00:00:00+00:00"]) {
    expect(settled({ pause: true, pause_until: end })).toEqual({
      problem: `pause_until: ${end} is over already`,
    });
    const before = { pause: true, pause_until: end };
    expect(settled({ ...before, ttl: 5 }, before)).toEqual({ value: { ...before, ttl: 5 } });
  }
  expect(settled({ pause: true, pause_until: UNTIL })).toEqual({
    value: { pause: true, pause_until: UNTIL },
  });
});

test("the end goes with its pause, so that it does not end the next one", () => {
  const before = { pause: true, pause_until: UNTIL };
  const resumes: JsonObject[] = [{ pause: false }, { pause: null }, {}];
  for (const resumed of resumes) {
    const { value } = settled({ ...resumed, ttl: 5, pause_until: UNTIL }, before) as { value: JsonObject };
    expect(value["pause_until"]).toBeUndefined();
    expect(value["ttl"]).toBe(5);
  }
  expect(settled({ ...before, ttl: 5 }, before)).toEqual({ value: { ...before, ttl: 5 } });
  expect(settled(before, { pause_until: UNTIL })).toEqual({ value: { pause: true } });
  expect(withoutPause({ ...before, ttl: 5 })).toEqual({ ttl: 5 });
});
