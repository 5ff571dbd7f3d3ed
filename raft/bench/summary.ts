/** Summary of latencies. Pure. */
export interface Summary {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Rate over the whole measurement; null where it has no meaning. */
  readonly perSecond: number | null;
}

/** Value that `share` of the sorted values do not exceed. */
export function percentile(sorted: readonly number[], share: number): number {
  if (sorted.length === 0) throw new RangeError("no values");
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

/** Summarizes latencies. `totalMs`: time of all of them together. */
export function summarize(latenciesMs: readonly number[], totalMs: number | null = null): Summary {
  const sorted = [...latenciesMs].sort((a, b) => a - b);
  return {
    count: sorted.length,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    perSecond: totalMs === null ? null : sorted.length / totalMs * 1000,
  };
}
