/** The rate of a copy, by what pg_basebackup reports every second. */
import { expect, test } from "bun:test";
import { CopyRate } from "./copy_rate.ts";

test("the rate is that of the last ten seconds, and not known before there is something to measure", () => {
  const rate = new CopyRate("b", false, 0);
  const at = (second: number, bytes: number) => rate.reported(second * 1000, bytes, 10_000).bytesPerSecond;
  expect(at(0.5, 400)).toBeNull();
  expect(at(1, 1000)).toBe(1000);
  expect(at(2, 2000)).toBe(1000);
  for (let second = 3; second <= 12; second++) at(second, 2000 + (second - 2) * 100);
  expect(at(13, 3100)).toBe(100);
});

test("what the source's checkpoint took says nothing of the rate", () => {
  const rate = new CopyRate("b", true, 0);
  const at = (second: number, bytes: number) => rate.reported(second * 1000, bytes, 10_000);
  expect(at(29, 0)).toEqual({
    from: "b",
    fromStandby: true,
    doneBytes: 0,
    totalBytes: 10_000,
    bytesPerSecond: null,
  });
  expect(at(30, 0).bytesPerSecond).toBeNull();
  expect(at(31, 500).bytesPerSecond).toBe(500);
  expect(at(32, 1000).bytesPerSecond).toBe(500);
});

test("a copy that stands still has the rate 0 in the end", () => {
  const rate = new CopyRate("b", false, 0);
  for (let second = 1; second <= 5; second++) rate.reported(second * 1000, second * 100, 10_000);
  let last: number | null = null;
  for (let second = 6; second <= 16; second++) {
    last = rate.reported(second * 1000, 500, 10_000).bytesPerSecond;
  }
  expect(last).toBe(0);
});
