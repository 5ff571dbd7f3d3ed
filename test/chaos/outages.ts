/** How long clients went without a confirmation. Pure. */
import { octaves } from "../bench/histogram.ts";
import type { Acknowledged } from "../../src/demo/outage.ts";

/** Shorter pauses are those of a loaded machine. */
const LEAST_MS = 256;

/** Times without a confirmation of any node, in ms, ascending; `acks` in the order of confirmation. */
export function outages(acks: readonly Pick<Acknowledged, "ackMs">[]): number[] {
  return acks.slice(1).map(({ ackMs }, i) => ackMs - acks[i]!.ackMs).filter((ms) => ms > LEAST_MS)
    .sort((a, b) => a - b);
}

/** A line for each octave, with a bar. */
export function histogramText(ascending: readonly number[]): string {
  const counts = octaves(ascending);
  const most = Math.max(1, ...counts.map(({ count }) => count));
  return counts.map(({ boundMs, count }) =>
    `  up to ${(boundMs / 1000).toFixed(1).padStart(6)} s ${String(count).padStart(5)}  ${
      "#".repeat(Math.ceil(40 * count / most))
    }`
  ).join("\n");
}
