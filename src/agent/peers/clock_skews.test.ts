import { expect, test } from "bun:test";
import { MemoryLog } from "../../lib/log.ts";
import { ClockSkews } from "./clock_skews.ts";

/** `wall`: of this host, at the moment 0 of the clock of leases. */
function skewsAt(wall: number, log = new MemoryLog()) {
  const at = { nowMs: 0, wall };
  const skews = new ClockSkews({
    clock: { now: () => at.nowMs },
    wallMs: () => at.wall + at.nowMs,
    log,
  });
  return { at, skews };
}

test("of the last words, the one that came fastest tells how far the clocks are apart", () => {
  const { at, skews } = skewsAt(10_000);
  for (const delayMs of [40, 3, 500, 12]) {
    at.nowMs = delayMs;
    skews.heard("b", 10_000 + 250);
  }
  at.nowMs = 60_000;
  skews.heard("c", 10_000);
  expect(skews.all).toEqual({ b: 247, c: -60_000 });
});

test("a clock that was set right is so after ten words, this host's at once", () => {
  const { at, skews } = skewsAt(1001);
  skews.heard("b", 61_001);
  for (let word = 0; word < 9; word++) skews.heard("b", 1000);
  expect(skews.all).toEqual({ b: 60_000 });
  skews.heard("b", 1000);
  expect(skews.all).toEqual({ b: -1 });
  at.wall += 5000;
  expect(skews.all).toEqual({ b: -5001 });
});

test("names without end do not fill the memory", () => {
  const { skews } = skewsAt(0);
  for (let name = 0; name < 1000; name++) skews.heard(`m${name}`, 0);
  expect(Object.keys(skews.all)).toHaveLength(128);
});

test("with three clocks, what is scheduled goes by the two that agree, whichever host's is wrong", () => {
  const RIGHT = 1_700_000_000_000;
  const YEAR = 365 * 86_400_000;
  for (const wrong of [YEAR, -YEAR, 600_000, -600_000]) {
    const { at, skews } = skewsAt(RIGHT + wrong);
    skews.heard("b", RIGHT);
    // Alone with another one, it cannot know.
    expect(skews.agreedMs(["b"])).toBe(RIGHT + wrong);
    skews.heard("c", RIGHT - 20);
    expect(Math.abs(skews.agreedMs(["b", "c"]) - RIGHT)).toBeLessThanOrEqual(20);
    // A member of before does not count, nor one that was never heard.
    expect(skews.agreedMs(["b", "d"])).toBe(RIGHT + wrong);
    at.wall = RIGHT;
    expect(skews.agreedMs(["b", "c"])).toBe(RIGHT);
    skews.heard("c", RIGHT + wrong);
    expect(skews.agreedMs(["b", "c"])).toBe(RIGHT);
  }
});

test("the clock that differs from most is named, this host's too, once enough was heard", () => {
  const RIGHT = 1_700_000_000_000;
  const { at, skews } = skewsAt(RIGHT);
  const hear = (words: number, bMs: number, cMs: number) => {
    for (let word = 0; word < words; word++) {
      skews.heard("b", bMs);
      skews.heard("c", cMs);
    }
  };
  const members = ["a", "b", "c", "never-heard"];
  hear(9, RIGHT + 7_200_000, RIGHT + 59_000);
  expect(skews.offMs(members, "a")).toEqual({});
  hear(1, RIGHT + 7_200_000, RIGHT + 59_000);
  expect(skews.offMs(members, "a")).toEqual({ b: 7_200_000 });
  // Two that differ: each takes the other for wrong.
  expect(skews.offMs(["a", "b"], "a")).toEqual({ b: 7_200_000 });
  hear(10, RIGHT, RIGHT);
  at.wall = RIGHT - 90_000;
  expect(skews.offMs(members, "a")).toEqual({ a: -90_000 });
  at.wall = RIGHT;
  expect(skews.offMs(members, "a")).toEqual({});
});

test("a clock that is a minute or more away is told of once, and once when it is right again", () => {
  const log = new MemoryLog();
  const { skews } = skewsAt(100_000_000, log);
  let seen = 0;
  const hear = (words: number, aheadMs: number) => {
    for (let word = 0; word < words; word++) skews.heard("b", 100_000_000 + aheadMs);
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
