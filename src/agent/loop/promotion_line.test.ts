/** The line in Patroni's words that a member has become the primary. */
import { expect, test } from "bun:test";
import { PromotionLine } from "./promotion_line.ts";

const ACQUIRED = "promoted self to leader by acquiring session lock";
const HAD = "promoted self to leader because I had the session lock";

test("a promotion is told once it writes, by what the lock was then", () => {
  const line = new PromotionLine();
  const look = (asked: number, writes: boolean, isNewLock = false) => line.look({ asked, writes, isNewLock });
  expect([look(0, false), look(1, false), look(1, true, true), look(1, true)]).toEqual([
    null,
    null,
    ACQUIRED,
    null,
  ]);
  // Without a majority for a while: a standby of nobody, and promoted under the lock that it still has.
  expect([look(1, false), look(2, false), look(2, true), look(2, true)]).toEqual([null, null, HAD, null]);
});

test("a primary that was not promoted is told when it got the lock, and not when it only starts again", () => {
  const line = new PromotionLine();
  expect(line.look({ asked: 0, writes: true, isNewLock: true })).toBe(ACQUIRED);
  expect(line.look({ asked: 0, writes: false, isNewLock: false })).toBeNull();
  expect(line.look({ asked: 0, writes: true, isNewLock: false })).toBeNull();
});
