import { expect, test } from "bun:test";
import { seen, status } from "../../brain/testing.ts";
import { ReceivedGrowth } from "./received_growth.ts";

test("WAL that arrives at another member counts, and only when there is more than before", () => {
  const growth = new ReceivedGrowth();
  const look = (lsn: number, nowMs: number) =>
    growth.look(
      "a",
      [seen(status("a", { receivedLsn: nowMs })), seen(status("b", { receivedLsn: lsn }))],
      nowMs,
    );
  expect(look(100, 1)).toBe(-Infinity);
  expect(look(200, 2)).toBe(2);
  expect(look(200, 3)).toBe(2);
  expect(look(50, 4)).toBe(2);
  expect(look(60, 5)).toBe(5);
});
