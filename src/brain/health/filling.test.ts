import { expect, test } from "bun:test";
import type { PlaceReading } from "../../model/place_reading.ts";
import { type Filling, fullInMs, fullText, noteRoom } from "./filling.ts";

const MINUTE_MS = 60_000;
const GIB = 2 ** 30;

function place(freeBytes: number): PlaceReading {
  return { kind: "data", path: "/", device: 7, totalBytes: 100 * GIB, freeBytes, writeMs: 1, failure: null };
}

/** One look a minute, with that room in each. */
function after(...free: readonly number[]): { filling: Filling; nowMs: number } {
  const filling = free.reduce<Filling>(
    (before, bytes, index) => noteRoom(before, [place(bytes)], index * MINUTE_MS),
    {},
  );
  return { filling, nowMs: (free.length - 1) * MINUTE_MS };
}

test("a disk that fills evenly is full when its room is used up", () => {
  const { filling, nowMs } = after(60, 59, 58, 57, 56, 55);
  expect(fullInMs(filling, place(55), nowMs)).toBe(55 * MINUTE_MS);
});

test("a short time, and a disk that does not fill, say nothing", () => {
  const short = after(60, 59, 58, 57);
  expect(fullInMs(short.filling, place(57), short.nowMs)).toBeNull();
  const even = after(60, 50, 60, 50, 60, 60);
  expect(fullInMs(even.filling, place(60), even.nowMs)).toBeNull();
  const slow = after(10_000, 10_000, 10_000, 10_000, 10_000, 9_999);
  expect(fullInMs(slow.filling, place(9_999), slow.nowMs)).toBeNull();
  expect(fullInMs({}, place(1), 0)).toBeNull();
});

test("what was more than an hour ago does not count, and samples stay few", () => {
  const fast = Array.from({ length: 60 }, (_, i) => 10_000 - i * 100);
  const { filling, nowMs } = after(...fast, ...Array.from({ length: 70 }, () => 4000));
  expect(filling[7]!.length).toBeLessThanOrEqual(61);
  expect(fullInMs(filling, place(4000), nowMs)).toBeNull();
  const often = Array.from({ length: 100 }, (_, i) => i).reduce<Filling>(
    (before, i) => noteRoom(before, [place(9)], i * 1000),
    {},
  );
  expect(often[7]).toHaveLength(2);
  expect(noteRoom(often, [], 0)).toEqual({});
});

test("the time is told as people say it", () => {
  expect(fullText(100)).toBe("full in about 1 min at this rate");
  expect(fullText(119 * MINUTE_MS)).toBe("full in about 119 min at this rate");
  expect(fullText(185 * MINUTE_MS)).toBe("full in about 3 h at this rate");
});
