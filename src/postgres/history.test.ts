import { expect, test } from "bun:test";
import { compareHistories, historyFileName, leftAt, type LocalPosition, parseHistory } from "./history.ts";

const history = parseHistory("1\t0/3000000\tno recovery target specified\n\n2\t0/5000000\tno recovery\n");
const other = { systemId: "7", timeline: 3, lsn: 0x6000000, history, inRecovery: false };
const at = (timeline: number, lsn: number): LocalPosition => ({
  systemId: "7",
  timeline,
  lsn,
  wroteAlone: null,
  history: [],
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
  ["at the primary's end on the same timeline", at(3, 0x6000000), "same"],
  ["beyond that end", at(3, 0x6000001), "diverged"],
  ["on a younger timeline", at(4, 0x1000000), "diverged"],
  ["of another cluster", { ...at(1, 1), systemId: "8" }, "unknown"],
];
for (const [name, local, verdict] of TABLE) {
  test(`a position ${name} is ${verdict}`, () =>
    expect(compareHistories(local, other).verdict).toBe(verdict as never));
}

test("a standby that is on an older timeline is behind, and says nothing of a divergence", () => {
  expect(compareHistories(at(4, 0x1000000), { ...other, inRecovery: true }).verdict).toBe("unknown");
  expect(compareHistories(at(1, 0x3000001), { ...other, inRecovery: true }).verdict).toBe("diverged");
  const later = (switchedAt: number): LocalPosition => ({
    ...at(4, 0x7000000),
    history: [...history, [3, switchedAt, ""]],
  });
  // It may yet come to the switch, has gone past it, or was never to come there.
  expect(compareHistories(later(0x6000000), { ...other, inRecovery: true }).verdict).toBe("unknown");
  expect(compareHistories(later(0x5fffff8), { ...other, inRecovery: true }).verdict).toBe("diverged");
  const elsewhere = { ...at(4, 0x7000000), history };
  expect(compareHistories(elsewhere, { ...other, inRecovery: true }).verdict).toBe("diverged");
});

test("a standby may be behind, and its end shows nothing", () => {
  expect(compareHistories(at(3, 0x6000001), { ...other, inRecovery: true }).verdict).toBe("same");
});

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

test("timelines of one number that two clusters have begun at different positions are two timelines", () => {
  const own = (switchedAt: number, timeline = 3): LocalPosition => {
    const lines: LocalPosition["history"] = [[1, switchedAt, ""], [2, 0x5000000, ""]];
    return { ...at(timeline, 0x4000000), history: lines.slice(0, timeline - 1) };
  };
  expect(compareHistories(own(0x3000000), other).verdict).toBe("same");
  expect(compareHistories(own(0x2000000), other)).toMatchObject({
    verdict: "diverged",
    noRewind: "pg_rewind does not tell two timelines of one number apart",
  });
  // On different timelines pg_rewind finds where they part.
  expect(compareHistories(own(0x3000000, 2), other).verdict).toBe("same");
  expect(compareHistories(own(0x2000000, 2), other)).toMatchObject({ verdict: "diverged" });
  expect(compareHistories(own(0x2000000, 2), other).noRewind).toBeUndefined();
});

test("a server that was promoted short of a timeline that it had heard of has nothing beyond that position", () => {
  const short = parseHistory("1\t0/5000000\tno recovery\n2\t0/3000000\tno recovery\n");
  expect([leftAt(short, 1), leftAt(short, 2), leftAt(short, 3)]).toEqual([0x3000000, 0x3000000, null]);
  const promoted = { ...other, history: short };
  expect(compareHistories(at(1, 0x3000000), promoted).verdict).toBe("same");
  // pg_rewind would take the position in the file for the last one that both have.
  expect(compareHistories(at(1, 0x3000001), promoted)).toMatchObject({
    verdict: "diverged",
    noRewind: expect.stringContaining("history file"),
  });
  const beyond = compareHistories({ ...at(2, 0x5000001), history: short.slice(0, 1) }, promoted);
  expect([beyond.verdict, beyond.noRewind]).toEqual(["diverged", undefined]);
});
