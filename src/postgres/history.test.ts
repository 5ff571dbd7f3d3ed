import { expect, test } from "bun:test";
import { compareHistories, historyFileName, type LocalPosition, parseHistory } from "./history.ts";

const history = parseHistory("1\t0/3000000\tno recovery target specified\n\n2\t0/5000000\tno recovery\n");
const other = { systemId: "7", timeline: 3, lsn: 0x6000000, history };
const at = (timeline: number, lsn: number): LocalPosition => ({
  systemId: "7",
  timeline,
  lsn,
  wroteAlone: null,
});

test("a history file has its lines in order", () => {
  expect(history).toEqual([[1, 0x3000000, "no recovery target specified"], [2, 0x5000000, "no recovery"]]);
  expect(historyFileName(26)).toBe("0000001A.history");
});

const TABLE: readonly (readonly [string, LocalPosition, string])[] = [
  ["up to the switch of an older timeline", at(1, 0x3000000), "same"],
  ["beyond it", at(1, 0x3000001), "diverged"],
  ["behind it on the timeline in between", at(2, 0x4000000), "same"],
  ["on the same timeline", at(3, 0x1000000), "same"],
  ["on a younger timeline", at(4, 0x1000000), "diverged"],
  ["of another cluster", { ...at(1, 1), systemId: "8" }, "unknown"],
];
for (const [name, local, verdict] of TABLE) {
  test(`a position ${name} is ${verdict}`, () =>
    expect(compareHistories(local, other).verdict).toBe(verdict as never));
}

test("a timeline that the other never had is diverged", () => {
  expect(compareHistories(at(2, 1), { ...other, history: [[1, 5, ""]] }).verdict).toBe("diverged");
});

test("what was written without the lock is no part of a history that has that timeline, and pg_rewind does not see it", () => {
  for (const wroteAlone of [0, 1, 3]) {
    const { verdict, noRewind } = compareHistories({ ...at(1, 1), wroteAlone }, other);
    expect([verdict, noRewind]).toEqual(["diverged", expect.stringContaining(`timeline ${wroteAlone}`)]);
  }
  const { verdict, noRewind } = compareHistories({ ...at(4, 1), wroteAlone: 4 }, other);
  expect([verdict, noRewind]).toEqual(["diverged", undefined]);
});
