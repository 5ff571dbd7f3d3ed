import { expect, test } from "bun:test";
import { Movement } from "./movement.ts";

test("a position moves when it is further than it was last seen, and counts for a while", () => {
  const movement = new Movement();
  movement.see(5, 0);
  expect(movement.movedWithin(10, 0)).toBe(false);
  movement.see(null, 1);
  movement.see(5, 2);
  expect(movement.movedWithin(10, 2)).toBe(false);
  movement.see(6, 3);
  expect([movement.movedWithin(10, 12), movement.movedWithin(10, 13)]).toEqual([true, false]);
});

test("a position that goes back, of another server, is no movement", () => {
  const movement = new Movement();
  for (const [nowMs, position] of [5, 3].entries()) movement.see(position, nowMs);
  expect(movement.movedWithin(10, 1)).toBe(false);
});
