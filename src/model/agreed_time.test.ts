import { expect, test } from "bun:test";
import { agreedAheadMs } from "./agreed_time.ts";

const YEAR = 365 * 86_400_000;

test("the clock that most members agree on counts, by whatever the others are wrong", () => {
  const rows: readonly (readonly [ahead: readonly number[], added: number])[] = [
    [[], 0],
    // One other: nobody can tell which is right.
    [[YEAR], 0],
    [[-YEAR], 0],
    // This one is wrong.
    [[YEAR, YEAR + 3], YEAR],
    [[-YEAR, -YEAR - 3], -YEAR],
    // Another one is.
    [[2, YEAR], 0],
    [[-2, -YEAR], 0],
    [[-YEAR, YEAR], 0],
    // Two and two; three of four, of five.
    [[1, YEAR, YEAR], 0],
    [[YEAR, YEAR, YEAR], YEAR],
    [[-YEAR, YEAR, YEAR, YEAR], YEAR],
    [[0, -1, YEAR, YEAR], 0],
    // Near enough.
    [[59_999, 59_999], 0],
    [[60_000, 60_000], 60_000],
  ];
  for (const [ahead, added] of rows) expect([ahead, agreedAheadMs(ahead)]).toEqual([ahead, added]);
});
