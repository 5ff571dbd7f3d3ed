import { expect, test } from "bun:test";
import { ChannelBudget } from "./channel_budget.ts";

test("a member that talks without end is heard 250 times a second, and costs no other its word", () => {
  let nowMs = 0;
  const budget = new ChannelBudget(() => nowMs);
  let heard = 0;
  for (; nowMs < 10_000; nowMs += 0.1) if (budget.take(1, 100)) heard++;
  expect(Math.abs(heard - 3000)).toBeLessThan(5);
  expect(budget.take(2, 100)).toBe(true);
});

test("large messages count as several", () => {
  const budget = new ChannelBudget(() => 0);
  let heard = 0;
  for (let i = 0; i < 100; i++) if (budget.take(1, 256 * 1024)) heard++;
  expect(heard).toBe(7);
  expect(budget.take(1, 1024 * 1024)).toBe(false);
  // The largest one that is taken at all.
  expect(new ChannelBudget(() => 0).take(1, 1024 * 1024)).toBe(true);
});
