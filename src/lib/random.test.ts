import { expect, test } from "bun:test";
import { random, randomBetween, randomHex } from "./random.ts";

test("numbers stay in their range and both ends occur", () => {
  const seen = new Set<number>();
  for (let draw = 0; draw < 500; draw++) {
    const fraction = random();
    expect(fraction >= 0 && fraction < 1).toBe(true);
    seen.add(randomBetween(1, 3));
  }
  expect([...seen].sort()).toEqual([1, 2, 3]);
});

test("hexadecimal text has two digits a byte", () => {
  expect(randomHex(8)).toMatch(/^[0-9a-f]{16}$/);
});
