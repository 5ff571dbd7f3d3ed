import { expect, test } from "bun:test";
import { parseQuantity } from "./time_units.ts";
import type { MemoryUnit, TimeUnit } from "./time_units.ts";

const CASES: readonly [value: unknown, base: TimeUnit | MemoryUnit | null, result: number | null][] = [
  [30, "s", 30],
  ["30", "s", 30],
  ["30min", "s", 1800],
  ["30 min", "s", 1800],
  ["1500ms", "s", 2],
  ["1.5h", "s", 5400],
  ["1d", "min", 1440],
  ["600ms", "ms", 600],
  ["1s", "ms", 1000],
  ["64MB", "MB", 64],
  ["1GB", "MB", 1024],
  ["1GB", "B", 2 ** 30],
  ["16kB", "B", 16384],
  ["1TB", "kB", 2 ** 30],
  ["-1", "B", -1],
  ["+5", null, 5],
  ["0x10", null, 16],
  ["010", null, 8],
  ["08", null, 8],
  ["1e3", null, 1000],
  [".5GB", "MB", 512],
  [1.6, "s", 2],
  ["64mb", "MB", null],
  ["64MB", "s", null],
  ["30s", "MB", null],
  ["30s", null, null],
  ["", "s", null],
  ["s", "s", null],
  ["abc", "s", null],
  ["1 2", "s", null],
  [true, "s", null],
  [null, "s", null],
  [[1], "s", null],
  [Infinity, "s", null],
  ["9999999999999999999", null, null],
];

for (const [value, base, result] of CASES) {
  test(`${JSON.stringify(value)} in ${base ?? "no unit"} is ${result}`, () => {
    expect(parseQuantity(value, base)).toBe(result);
  });
}
