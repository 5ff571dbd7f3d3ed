import { expect, test } from "bun:test";
import fc from "fast-check";
import { boundsProblem, JSON_BOUNDS, parseBounded } from "./bounded_json.ts";
import type { Json } from "./json.ts";

const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;

test("each bound is held, and named with its limit", () => {
  const { maxDepth, maxValues, maxText, maxBytes } = JSON_BOUNDS;
  expect(boundsProblem(JSON.parse(nested(maxDepth)))).toBe(null);
  expect(boundsProblem(JSON.parse(nested(maxDepth + 1)))).toBe(
    `more than ${maxDepth} levels of maps and lists in each other`,
  );
  expect(boundsProblem(Array(maxValues - 1).fill(0))).toBe(null);
  expect(boundsProblem(Array(maxValues).fill(0))).toBe(`more than ${maxValues} values`);
  expect(boundsProblem({ a: "x".repeat(maxText) })).toBe(null);
  expect(boundsProblem({ a: "x".repeat(maxText + 1) })).toContain(`at most ${maxText} are taken`);
  expect(boundsProblem({ ["x".repeat(maxText + 1)]: 0 })).toContain(`at most ${maxText} are taken`);
  const texts = Array(maxBytes / maxText + 1).fill("x".repeat(maxText));
  expect(boundsProblem(texts)).toBe(`texts of more than ${maxBytes} characters together`);
  for (const value of [undefined, () => 0, 1n, Symbol("s"), NaN, Infinity]) {
    expect(boundsProblem({ value })).not.toBe(null);
  }
});

test("a text is parsed when it is within the bounds, and refused with its reason when not", () => {
  expect(parseBounded('{"a": ["[[[[[[[[[[[[[[[[[[[[\\"", 1]}')).toEqual({
    ok: true,
    value: { a: ['[[[[[[[[[[[[[[[[[[[["', 1] },
  });
  expect(parseBounded("{")).toMatchObject({ ok: false, kind: "malformed" });
  expect(parseBounded("")).toMatchObject({ ok: false, kind: "malformed" });
  expect(parseBounded("1e999")).toMatchObject({ ok: false, kind: "too-large" });
  expect(parseBounded(" ".repeat(JSON_BOUNDS.maxBytes + 1))).toMatchObject({ ok: false, kind: "too-large" });
  expect(parseBounded(nested(100_000))).toMatchObject({ ok: false, kind: "too-large" });
});

test("a value has the same bounds whether it comes as text or not, and nothing is refused that is small", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 12 }), (value) => {
      const parsed = parseBounded(JSON.stringify(value));
      expect(parsed.ok).toBe(boundsProblem(value) === null);
      expect(parsed.ok).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test("time and memory are bounded by the size of the text, whatever it is", () => {
  const pieces = ["[", "{", "}", "]", '"', "\\", ",", ":", "0", '{"a":', "[[[[", '"\\u0000"', "é", " "];
  const text = fc.tuple(fc.array(fc.constantFrom(...pieces), { maxLength: 40 }), fc.nat(3000)).map(
    ([parts, times]) => parts.join("").repeat(times),
  );
  const begin = performance.now();
  let bytes = 0;
  fc.assert(
    fc.property(text, (one) => {
      bytes += Math.min(one.length, JSON_BOUNDS.maxBytes);
      const parsed = parseBounded(one);
      if (parsed.ok) expect(boundsProblem(parsed.value as Json)).toBe(null);
    }),
    { numRuns: 1000 },
  );
  // A linear reader takes some 20 ns a byte; one that copies at each level takes minutes for these.
  expect(performance.now() - begin).toBeLessThan(2000 + bytes * 0.002);
});
