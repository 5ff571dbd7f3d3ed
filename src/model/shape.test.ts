/** The documents of checks: what a check takes, its schema allows. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Check,
  described,
  fields,
  finite,
  flag,
  json,
  line,
  list,
  map,
  matching,
  oneOf,
  openFields,
  orNull,
  schemaOf,
  text,
  tuple,
  wholeNumber,
} from "./shape.ts";
import { schemaFlaw } from "./testing_schema.ts";

const BOUNDS = { maxBytes: 100, maxDepth: 3, maxValues: 10, maxText: 5 };
const LEAVES: readonly Check[] = [
  flag,
  wholeNumber(9, 2),
  finite(-1.5, 2.5),
  text(3),
  line(3),
  matching(/^a+$/, "some a"),
  oneOf("a", "b"),
  json(BOUNDS, BOUNDS),
  described(text(2), { type: "string", maxLength: 2, description: "two" }),
];
const check = fc.letrec<{ any: Check }>((tie) => ({
  any: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(...LEAVES),
    tie("any").map(orNull),
    tie("any").map((one) => list(one, 2)),
    tie("any").map((one) => map(text(2), one, 2)),
    fc.array(tie("any"), { maxLength: 2 }).map((items) => tuple(...items)),
    fc.tuple(tie("any"), tie("any")).map(([a, b]) => fields({ a }, { b })),
    fc.tuple(tie("any"), tie("any")).map(([a, b]) => openFields({ a }, { b })),
  ),
})).any;
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(null, true, false, 0, -0, 1.5, 2, 3, 9, 10, "", "a", "b", "aaa", "aaaa", "\n"),
    fc.array(tie("any"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("a", "b", "c", "long"), tie("any"), { maxKeys: 3 }),
  ),
})).any;

test("a value that a check takes fits the schema of the check", () => {
  let taken = 0;
  fc.assert(
    fc.property(check, value, (one, given) => {
      if (one(given, true) !== null) return;
      taken++;
      expect(schemaFlaw(schemaOf(one), given)).toBe(null);
    }),
    { numRuns: 6000 },
  );
  expect(taken).toBeGreaterThan(50);
});

test("a schema tells a value that does not fit from one that does", () => {
  const schema = schemaOf(fields({ a: list(wholeNumber(5), 2) }, { b: orNull(oneOf("x")) }));
  const fits = (given: unknown) => schemaFlaw(schema, given) === null;
  expect([{ a: [] }, { a: [1, 5], b: null }, { a: [0], b: "x" }].map(fits)).toEqual([true, true, true]);
  expect(
    [{}, { a: [6] }, { a: [1.5] }, { a: [1, 2, 3] }, { a: {} }, { a: [], b: "y" }, { a: [], c: 1 }, []].map(
      fits,
    ),
  ).toEqual(Array(8).fill(false));
});
