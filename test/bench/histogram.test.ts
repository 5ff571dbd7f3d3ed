import { expect, test } from "bun:test";
import { octaves, octavesText, sortedQuantile } from "./histogram.ts";

test("a quantile is a sample, and the largest for 1", () => {
  const sorted = Float64Array.from([1, 2, 3, 4]);
  expect(sortedQuantile(sorted, 0.5)).toBe(2);
  expect(sortedQuantile(sorted, 0.999)).toBe(4);
  expect(sortedQuantile(sorted, 1)).toBe(4);
  expect(sortedQuantile(new Float64Array(), 1)).toBeNaN();
});

test("every sample is counted in one octave", () => {
  const counts = octaves([1.5, 2, 9, 1000]);
  expect(counts.reduce((sum, { count }) => sum + count, 0)).toBe(4);
  expect(counts[0]).toEqual({ boundMs: 2, count: 2 });
  expect(counts.at(-1)).toEqual({ boundMs: 1024, count: 1 });
  expect(octavesText(octaves([0.1, 3]))).toBe("<= 1 ms: 1, <= 2 ms: 0, <= 4 ms: 1");
  expect(octaves([])).toEqual([]);
});
