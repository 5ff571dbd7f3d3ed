import { expect, test } from "bun:test";
import { LatenessHistogram } from "./lateness.ts";

test("quantiles are right to within a bucket, and never beyond the largest value", () => {
  const histogram = new LatenessHistogram();
  for (let ms = 1; ms <= 1000; ms++) histogram.record(ms, 0);
  const { samples, p50Ms, p99Ms, p999Ms, maxMs } = histogram.quantiles(0);
  expect([samples, maxMs]).toEqual([1000, 1000]);
  for (const [found, right] of [[p50Ms!, 500], [p99Ms!, 990], [p999Ms!, 999]] as const) {
    expect(found).toBeGreaterThanOrEqual(right);
    expect(found).toBeLessThanOrEqual(Math.min(1000, right * 2 ** 0.25));
  }
});

test("one in a thousand is not the slowest of a thousand, two are", () => {
  const histogram = new LatenessHistogram();
  for (let i = 0; i < 998; i++) histogram.record(1, 0);
  histogram.record(100, 0);
  histogram.record(1, 0);
  expect(histogram.quantiles(0)).toMatchObject({ samples: 1000, p999Ms: 1, maxMs: 100 });
  histogram.record(100, 0);
  expect(histogram.quantiles(0).p999Ms).toBe(100);
});

test("a value lies in the bucket whose bound it does not exceed", () => {
  for (const [ms, boundMs] of [[0, 0.25], [-5, 0.25], [0.25, 0.25], [1, 1], [4, 4], [4.01, 4.757]] as const) {
    const histogram = new LatenessHistogram();
    histogram.record(ms, 0);
    histogram.record(20_000, 0);
    expect(histogram.quantiles(0).p50Ms).toBeCloseTo(boundMs, 3);
  }
});

test("nothing measured, and what was measured long ago, are the same", () => {
  const histogram = new LatenessHistogram();
  const nothing = { samples: 0, p50Ms: null, p99Ms: null, p999Ms: null, maxMs: null };
  expect(histogram.quantiles(0)).toEqual(nothing);
  histogram.record(30, 10_000);
  histogram.record(1, 200_000);
  expect(histogram.quantiles(290_000)).toMatchObject({ samples: 2, maxMs: 30 });
  expect(histogram.quantiles(310_000)).toMatchObject({ samples: 1, maxMs: 1 });
  expect(histogram.quantiles(10_000_000)).toEqual(nothing);
  histogram.record(2, 10_000_000);
  expect(histogram.quantiles(10_000_000)).toMatchObject({ samples: 1, maxMs: 2 });
});

test("for Prometheus everything counts, in buckets that include the ones before", () => {
  const histogram = new LatenessHistogram();
  for (const [ms, atMs] of [[0.1, 0], [1, 0], [1.5, 400_000], [3000, 900_000], [60_000, 900_000]] as const) {
    histogram.record(ms, atMs);
  }
  const { buckets, count, sumS } = histogram.reading();
  expect(count).toBe(5);
  expect(sumS).toBeCloseTo(63.0026);
  expect(buckets.map(({ leS }) => leS)).toEqual(
    Array.from({ length: 15 }, (_, octave) => 2 ** octave / 1000),
  );
  const upTo = (leS: number) => buckets.find((bucket) => bucket.leS === leS)!.count;
  expect([0.001, 0.002, 2.048, 4.096, 16.384].map(upTo)).toEqual([2, 3, 3, 4, 4]);
});
