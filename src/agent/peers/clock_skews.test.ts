import { expect, test } from "bun:test";
import { ClockSkews } from "./clock_skews.ts";

test("of the last words, the one that came fastest tells how far the clocks are apart", () => {
  const skews = new ClockSkews();
  for (const delayMs of [40, 3, 500, 12]) skews.heard("b", 10_000 + 250, 10_000 + delayMs);
  skews.heard("c", 10_000, 70_000);
  expect(skews.all).toEqual({ b: 247, c: -60_000 });
});

test("a clock that was set right is so after ten words", () => {
  const skews = new ClockSkews();
  skews.heard("b", 60_000, 0);
  for (let word = 0; word < 9; word++) skews.heard("b", 1000, 1001);
  expect(skews.all).toEqual({ b: 60_000 });
  skews.heard("b", 1000, 1001);
  expect(skews.all).toEqual({ b: -1 });
});

test("names without end do not fill the memory", () => {
  const skews = new ClockSkews();
  for (let name = 0; name < 1000; name++) skews.heard(`m${name}`, 0, 0);
  expect(Object.keys(skews.all)).toHaveLength(128);
});
