import { expect, test } from "bun:test";
import { histogramText, outages } from "./outages.ts";

test("times without a confirmation, but for short ones", () => {
  const at = (...times: number[]) => times.map((ackMs) => ({ ackMs }));
  expect(outages([])).toEqual([]);
  expect(outages(at(0, 5, 5000, 5005, 6000, 6100))).toEqual([995, 4995]);
});

test("the histogram counts each of them", () => {
  expect(histogramText([300, 400, 900])).toBe(
    `  up to    0.5 s     2  ${"#".repeat(40)}\n  up to    1.0 s     1  ${"#".repeat(20)}`,
  );
  expect(histogramText([])).toBe("");
});
