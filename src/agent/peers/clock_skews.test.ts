import { expect, test } from "bun:test";
import { MemoryLog } from "../../lib/log.ts";
import { ClockSkews } from "./clock_skews.ts";

test("of the last words, the one that came fastest tells how far the clocks are apart", () => {
  const skews = new ClockSkews(new MemoryLog());
  for (const delayMs of [40, 3, 500, 12]) skews.heard("b", 10_000 + 250, 10_000 + delayMs);
  skews.heard("c", 10_000, 70_000);
  expect(skews.all).toEqual({ b: 247, c: -60_000 });
});

test("a clock that was set right is so after ten words", () => {
  const skews = new ClockSkews(new MemoryLog());
  skews.heard("b", 60_000, 0);
  for (let word = 0; word < 9; word++) skews.heard("b", 1000, 1001);
  expect(skews.all).toEqual({ b: 60_000 });
  skews.heard("b", 1000, 1001);
  expect(skews.all).toEqual({ b: -1 });
});

test("names without end do not fill the memory", () => {
  const skews = new ClockSkews(new MemoryLog());
  for (let name = 0; name < 1000; name++) skews.heard(`m${name}`, 0, 0);
  expect(Object.keys(skews.all)).toHaveLength(128);
});

test("a clock that is a minute or more away is told of once, and once when it is right again", () => {
  const log = new MemoryLog();
  const skews = new ClockSkews(log);
  let seen = 0;
  const hear = (words: number, aheadMs: number) => {
    for (let word = 0; word < words; word++) skews.heard("b", 100_000_000 + aheadMs, 100_000_000);
    const lines = log.lines.slice(seen);
    seen += lines.length;
    return lines.map((line) => line.split(".")[0]);
  };
  expect(hear(30, 59_000)).toEqual([]);
  // One word that waited for long is no clock.
  expect(hear(9, -90_000)).toEqual([]);
  expect(hear(20, 10)).toEqual([]);
  expect(hear(20, 86_400_000)).toEqual(["WARNING: the wall clock of b is 86400 s ahead of this host's"]);
  expect(hear(10, 0)).toEqual(["INFO: the wall clocks of b and of this host agree again"]);
  expect(hear(20, -60_000)).toEqual(["WARNING: the wall clock of b is 60 s behind this host's"]);
});
