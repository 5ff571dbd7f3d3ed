/** How long the transactions of pgbench took, as a line of the report with its histogram. */
import { octaves, octavesText, sortedQuantile } from "./histogram.ts";
import { type Measurement, measurement, NO_GOAL } from "./measurement.ts";

/**
 * Measurement of several runs, each sorted. The samples are the quantiles: a report cannot list millions of
 * transactions.
 */
export function latencyMeasurement(name: string, runs: readonly Float64Array[]): Measurement {
  const all = new Float64Array(runs.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const run of runs) {
    all.set(run, offset);
    offset += run.length;
  }
  all.sort();
  const quantiles = [0.5, 0.99, 0.999, 1].map((q) => sortedQuantile(all, q));
  const [p50, p99, p999, max] = quantiles.map((ms) => ms.toFixed(1));
  return measurement(
    `${name} (p50, p99, p99.9, max)`,
    "ms",
    NO_GOAL,
    all.length === 0 ? [] : quantiles,
    [],
    `${all.length} in all, p50 ${p50} ms, p99 ${p99} ms, p99.9 ${p999} ms, max ${max} ms; ${
      octavesText(octaves(all))
    }`,
  );
}
