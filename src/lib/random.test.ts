import { expect, test } from "bun:test";
import { random, randomHex } from "./random.ts";

test("fractions stay below one and differ", () => {
  const seen = new Set<number>();
  for (let draw = 0; draw < 100; draw++) {
    const fraction = random();
    expect(fraction >= 0 && fraction < 1).toBe(true);
    seen.add(fraction);
  }
  expect(seen.size).toBe(100);
});

test("hexadecimal text has two digits a byte", () => {
  expect(randomHex(8)).toMatch(/^[0-9a-f]{16}$/);
});
