/** What a benchmark yields: samples with a unit, the goal they are held against, and what failed. */

export interface Measurement {
  readonly name: string;
  readonly unit: string;
  /** What is to be reached, as text; the judgement is `reached`. */
  readonly goal: string;
  readonly samples: readonly number[];
  /** One line for each repetition that failed: printed, never dropped. */
  readonly failures: readonly string[];
  readonly reached: boolean | null;
  readonly note: string;
}

export interface Goal {
  readonly text: string;
  /** Judges the median, or every single sample. */
  readonly holds: (sample: number) => boolean;
  readonly of: "median" | "each";
}

export function atMost(limit: number, unit: string): Goal {
  return { text: `<= ${limit} ${unit}`, holds: (median) => median <= limit, of: "median" };
}

/** For what must not happen once. */
export function eachAtMost(limit: number, unit: string): Goal {
  return { text: `each <= ${limit} ${unit}`, holds: (sample) => sample <= limit, of: "each" };
}

export function atLeast(limit: number, unit: string): Goal {
  return { text: `>= ${limit} ${unit}`, holds: (median) => median >= limit, of: "median" };
}

export const NO_GOAL: Goal = { text: "", holds: () => true, of: "median" };

export function measurement(
  name: string,
  unit: string,
  goal: Goal,
  samples: readonly number[],
  failures: readonly string[] = [],
  note = "",
): Measurement {
  const judged = goal.of === "each" ? samples : [quantile(samples, 0.5)];
  const reached = samples.length === 0 ? false : goal === NO_GOAL ? null : judged.every(goal.holds);
  return { name, unit, goal: goal.text, samples, failures, reached, note };
}

/** Nearest rank; `q` 0 is the smallest, 1 the largest. NaN of nothing. */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = (sorted.length - 1) * q;
  const low = sorted[Math.floor(middle)];
  const high = sorted[Math.ceil(middle)];
  return low === undefined || high === undefined ? NaN : (low + high) / 2;
}

export function table(measurements: readonly Measurement[]): string {
  const rows = [
    ["measurement", "n", "failed", "min", "median", "max", "unit", "goal", ""],
    ...measurements.map((one) => [
      one.name,
      String(one.samples.length),
      String(one.failures.length),
      show(quantile(one.samples, 0)),
      show(quantile(one.samples, 0.5)),
      show(quantile(one.samples, 1)),
      one.unit,
      one.goal,
      one.reached === null ? "" : one.reached && one.failures.length === 0 ? "reached" : "MISSED",
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[i]!)).join("  ").trimEnd()
  );
  const failures = measurements.flatMap((one) =>
    one.failures.map((failure) => `failed: ${one.name}: ${failure}`)
  );
  const notes = measurements.filter((one) => one.note !== "").map((one) => `${one.name}: ${one.note}`);
  return [...lines, ...failures, ...notes].join("\n");
}

function show(value: number): string {
  if (Number.isNaN(value)) return "-";
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
}
