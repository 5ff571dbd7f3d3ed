/** A standby that stands still, told from one that is slow; and when it counts again. */
import { expect, test } from "bun:test";
import { afterLook, type Courses, nextLookInMs, STANDSTILL_MS } from "./standstill.ts";

/** Looks a second apart: [what b has flushed, how far the primary is]; what is held against b after each. */
function stood(...looks: readonly (readonly [lsn: number | null, walLsn: number])[]): readonly number[] {
  let courses: Courses = {};
  return looks.map(([lsn, walLsn], second) => {
    const flushed: { [name: string]: number } = lsn === null ? {} : { b: lsn };
    courses = afterLook(courses, { flushed, walLsn, atMs: 1000 * second });
    return courses["b"]?.stoodMs ?? -1;
  });
}
const times = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one);

test("it stands still only while there is more to flush", () => {
  expect(stood(...times(5, [10, 10] as const))).toEqual([0, 0, 0, 0, 0]);
  expect(stood([10, 10], [10, 11], [10, 11], [10, 12], [10, 12])).toEqual([0, 0, 1000, 2000, 3000]);
});

test("one that moves is slow at worst, however far behind it is and however little it moves", () => {
  expect(stood([1, 1000], [2, 5000], [3, 9000], [4, 1e9])).toEqual([0, 0, 0, 0]);
  // A short standstill is forgotten with the next move.
  expect(stood([1, 9], [1, 9], [2, 9], [2, 9], [3, 9])).toEqual([0, 1000, 0, 1000, 0]);
});

test("a long one is held against it until it has flushed what there was, and has moved for a while", () => {
  const still = times(4, [1, 9] as const);
  const before = [0, 1000, 2000, 3000];
  // It has everything at once, and counts after 5 s.
  expect(stood(...still, ...times(7, [9, 9] as const))).toEqual([...before, ...times(5, 3000), 0, 0]);
  // It takes 7 s to flush what there was when it moved again; what came since does not count.
  const slow = [2, 3, 4, 5, 6, 7, 8, 9, 10].map((lsn) => [lsn, 7 + lsn] as const);
  expect(stood(...still, ...slow)).toEqual([...before, ...times(7, 3000), 0, 0]);
});

test("the time begins anew with a second long standstill, not with a short one", () => {
  const course = (seconds: number) =>
    stood(
      ...times(4, [1, 9] as const),
      ...times(1 + seconds, [2, 9] as const),
      ...times(8, [9, 9] as const),
    ).slice(5 + seconds);
  expect(course(1)).toEqual([...times(3, 3000), ...times(5, 0)]);
  expect(course(2)).toEqual([...times(5, 3000), ...times(3, 0)]);
});

test("a primary that was held up itself holds little of that against its standbys", () => {
  const look = (courses: Courses, atMs: number) => afterLook(courses, { flushed: { b: 1 }, walLsn: 9, atMs });
  expect(look(look({}, 0), 60_000)["b"]!.stoodMs).toBe(1500);
});

test("a standby that was gone begins anew", () => {
  expect(stood(...times(4, [1, 9] as const), [null, 9], [1, 9], [1, 9], [1, 9]).slice(3))
    .toEqual([3000, -1, 0, 1000, 2000]);
});

test("a stream that goes back, as that of a standby made anew, is no move", () => {
  expect(stood([5, 9], [4, 9], [3, 9], [2, 9])).toEqual([0, 1000, 2000, 3000]);
});

/** When a standby that hangs at `hangsMs` is found to stand still, by the looks that are asked for. */
function foundMs(hangsMs: number, looks: number): number {
  let courses: Courses = {};
  let atMs = 0;
  for (let look = 0; look < looks; look++) {
    // Writes go on until the standby hangs, 1 an ms, and the last one waits.
    const [walLsn, lsn] = [Math.min(atMs, hangsMs + 1), Math.min(atMs, hangsMs)];
    courses = afterLook(courses, { flushed: { b: lsn }, walLsn, atMs });
    if (courses["b"]!.standsMs >= STANDSTILL_MS) return atMs;
    atMs += nextLookInMs(courses, ["b"], atMs <= hangsMs + 500);
  }
  return Infinity;
}

test("a standstill is found half a second after its time at the latest, whenever it begins", () => {
  for (let hangsMs = 0; hangsMs < 2000; hangsMs += 7) {
    expect(foundMs(hangsMs, 30) - hangsMs).toBeLessThanOrEqual(STANDSTILL_MS + 500);
  }
});

test("nothing is looked at more often for a standby that commits do not wait for, or that has gone for good", () => {
  const stands = (ms: number): Courses => ({
    b: { atMs: 0, lsn: 1, isBehind: true, standsMs: ms, stoodMs: ms, back: null },
  });
  expect([0, 1000, 1900, 1999, 2000, 4900, 5000].map((ms) => nextLookInMs(stands(ms), ["b"], true))).toEqual(
    [500, 250, 100, 20, 250, 100, 500],
  );
  expect(nextLookInMs(stands(5000), ["b"], false)).toBe(Infinity);
  expect(nextLookInMs(stands(1000), ["c"], false)).toBe(Infinity);
  expect(nextLookInMs(stands(1000), [], true)).toBe(Infinity);
});
