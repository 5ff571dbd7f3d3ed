import { expect, test } from "bun:test";
import { walBudgetMib } from "./wal_budget.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

test("slots may hold half of what WAL can have, whichever part of it is in use", () => {
  expect(walBudgetMib(100 * GIB, 0, null)).toBe(51_000);
  expect(walBudgetMib(60 * GIB, 40 * GIB, null)).toBe(51_000);
  expect(walBudgetMib(700 * MIB, 100 * MIB, null)).toBe(400);
  expect(walBudgetMib(900_000 * GIB, 0, null)).toBe(460_000_000);
});

test("on a small disk it does not go below what PostgreSQL needs in any case", () => {
  expect(walBudgetMib(0, 16 * MIB, null)).toBe(256);
  expect(walBudgetMib(500 * MIB, 0, null)).toBe(256);
});

test("it moves only when it has become wrong by a quarter", () => {
  expect(walBudgetMib(80 * GIB, 0, 51_000)).toBe(51_000);
  expect(walBudgetMib(70 * GIB, 0, 51_000)).toBe(35_000);
  expect(walBudgetMib(120 * GIB, 0, 51_000)).toBe(51_000);
  expect(walBudgetMib(130 * GIB, 0, 51_000)).toBe(66_000);
});
