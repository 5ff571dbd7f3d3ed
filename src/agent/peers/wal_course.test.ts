import { expect, test } from "bun:test";
import { WalCourse } from "./wal_course.ts";

test("a standby lags since the primary was first known to have what it lacks", () => {
  const course = new WalCourse();
  expect(course.lagMs(5, 0)).toBeNull();
  course.note(100, 1000);
  course.note(200, 2000);
  course.note(200, 3000);
  course.note(300, 4000);
  const lags = [0, 99, 100, 200, 250, 300, 400].map((lsn) => course.lagMs(lsn, 5000));
  expect(lags).toEqual([4000, 4000, 3000, 1000, 1000, 0, 0]);
});

test("a new primary that begins before the end of the old one's WAL", () => {
  const course = new WalCourse();
  course.note(100, 1000);
  course.note(300, 2000);
  course.note(200, 3000);
  expect([course.lagMs(250, 5000), course.lagMs(150, 5000), course.lagMs(50, 5000)]).toEqual([0, 2000, 4000]);
});

test("a day of points stays small, and a long lag is hardly shortened", () => {
  const course = new WalCourse();
  for (let second = 0; second < 86_400; second++) course.note(second * 100, second * 1000);
  expect(course.lagMs(86_398 * 100, 86_400_000)).toBe(1000);
  const lag = course.lagMs(86_300 * 100, 86_400_000)!;
  expect(lag).toBeLessThanOrEqual(99_000);
  expect(lag).toBeGreaterThan(90_000);
  expect(course.lagMs(0, 86_400_000)).toBeGreaterThan(200_000);
});
