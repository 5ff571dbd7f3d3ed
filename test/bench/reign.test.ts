import { expect, test } from "bun:test";
import { standstillsIn } from "./reign.ts";

test("a standstill lasts from a freeze to the next thaw or kill, the last one perhaps for ever", () => {
  const line = (time: string, text: string) => `2026-11-30 ${time} WARNING: guard: ${text}\n`;
  const frozen = "PostgreSQL is frozen: its lease has run out (stopping 24 processes took 3.1 ms)";
  const thawed = "PostgreSQL runs again: its lease was renewed (continuing 24 processes took 1.0 ms)";
  const killed = "PostgreSQL is killed: it may no longer be the primary";
  const log = line("23:59:59,900", frozen) + line("23:59:59,950", "something else") +
    line("23:59:59,990", thawed) + line("00:10:00,000", killed) + line("00:10:01,000", frozen) +
    line("00:10:03,500", killed) + line("00:11:00,000", frozen);
  expect(standstillsIn(log)).toEqual([90, 2500]);
  expect(standstillsIn("")).toEqual([]);
});
