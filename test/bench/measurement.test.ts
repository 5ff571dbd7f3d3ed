import { expect, test } from "bun:test";
import { atMost, eachAtMost, measurement, NO_GOAL, quantile, table } from "./measurement.ts";

test("quantiles of an even number of samples lie between the two in the middle", () => {
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(quantile([5], 0.5)).toBe(5);
  expect(quantile([3, 1], 1)).toBe(3);
  expect(quantile([], 0.5)).toBeNaN();
});

test("the median is held against the goal, and a failed repetition is never a goal reached", () => {
  expect(measurement("a", "s", atMost(2, "s"), [1, 2, 9]).reached).toBe(true);
  expect(measurement("a", "s", atMost(2, "s"), [1, 3, 9]).reached).toBe(false);
  expect(measurement("a", "s", atMost(2, "s"), []).reached).toBe(false);
  expect(measurement("a", "s", eachAtMost(2, "s"), [1, 2]).reached).toBe(true);
  expect(measurement("a", "s", eachAtMost(2, "s"), [1, 1, 3]).reached).toBe(false);
  expect(measurement("a", "s", NO_GOAL, [1]).reached).toBeNull();
  const text = table([measurement("a", "s", atMost(2, "s"), [1], ["it did not come back"])]);
  expect(text).toContain("MISSED");
  expect(text).toContain("failed: a: it did not come back");
});
