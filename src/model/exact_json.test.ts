import { expect, test } from "bun:test";
import fc from "fast-check";
import { exactJson, fromExactJson } from "./exact_json.ts";

const keys = fc.oneof(
  fc.string(),
  fc.constantFrom("$map", "$number", "$entries", "$", "__proto__", "constructor"),
);
const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.string(),
    fc.boolean(),
    fc.constant(null),
    fc.double().map((number) => Object.is(number, -0) ? 0 : number),
    fc.array(tie("value")),
    fc.dictionary(keys, tie("value"), { noNullPrototype: true }),
    fc.array(fc.tuple(fc.string(), tie("value"))).map((entries) => new Map(entries)),
  ),
})).value;

test("every plain value comes back as it was, also one that looks like the marks", () => {
  fc.assert(fc.property(values, (value) => {
    expect(fromExactJson(exactJson(value))).toEqual(value);
  }));
});

test("numbers that JSON lacks, and maps", () => {
  const value = { from: -Infinity, to: Infinity, what: NaN, heard: new Map([["node1", Infinity]]) };
  expect(fromExactJson(exactJson(value))).toEqual(value);
  expect(exactJson({ to: Infinity })).toBe('{"to":{"$number":"Infinity"}}');
});

test("a property without a value is left out", () => {
  expect(exactJson({ a: undefined, b: 1 })).toBe('{"b":1}');
});

test("what is no plain value is refused, with its key", () => {
  for (const value of [() => 1, 1n, Symbol("s"), new Date(0), new Set([1]), new URL("http://a")]) {
    expect(() => exactJson({ name: value })).toThrow(/^name: /);
  }
});

test("marks that stand for nothing are refused", () => {
  for (const text of ['{"$number":"12"}', '{"$map":[1]}', '{"$entries":{}}', '{"$other":1}']) {
    expect(() => fromExactJson(text)).toThrow(SyntaxError);
  }
});
