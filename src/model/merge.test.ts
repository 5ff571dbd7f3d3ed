import { expect, test } from "bun:test";
import { cpuMs } from "../../raft/testing.ts";
import type { Json, JsonObject } from "./json.ts";
import { applyPatch, deepMerge } from "./merge.ts";

const CASES: readonly { name: string; config: JsonObject; patch: JsonObject; result: JsonObject }[] = [
  { name: "scalars replace", config: { ttl: 30 }, patch: { ttl: 20 }, result: { ttl: 20 } },
  { name: "lists replace", config: { a: [1, 2] }, patch: { a: [3] }, result: { a: [3] } },
  { name: "objects merge", config: { a: { x: 1 } }, patch: { a: { y: 2 } }, result: { a: { x: 1, y: 2 } } },
  { name: "null deletes", config: { pause: true, ttl: 5 }, patch: { pause: null }, result: { ttl: 5 } },
  {
    name: "null deletes inside an object",
    config: { a: { x: 1, y: 2 } },
    patch: { a: { x: null } },
    result: { a: { y: 2 } },
  },
  {
    name: "null of a key that is not there does nothing",
    config: { a: 1 },
    patch: { b: null },
    result: { a: 1 },
  },
  {
    name: "nulls inside an object that did not exist are stored",
    config: {},
    patch: { slots: { s1: null, s2: 0 } },
    result: { slots: { s1: null, s2: 0 } },
  },
  {
    name: "nulls inside an object that exists delete",
    config: { slots: { s1: null, s2: 0 } },
    patch: { slots: { s1: null } },
    result: { slots: { s2: 0 } },
  },
  {
    name: "an object replaces a scalar whole",
    config: { a: 1 },
    patch: { a: { x: null } },
    result: { a: { x: null } },
  },
  { name: "a scalar replaces an object", config: { a: { x: 1 } }, patch: { a: 1 }, result: { a: 1 } },
  { name: "an object replaces a null", config: { a: null }, patch: { a: { x: 1 } }, result: { a: { x: 1 } } },
];

for (const { name, config, patch, result } of CASES) {
  test(`patch: ${name}`, () => {
    const before = JSON.stringify([config, patch]);
    expect(applyPatch(config, patch)).toEqual(result);
    expect(JSON.stringify([config, patch])).toBe(before);
  });
}

test("a later file wins over an earlier one, key by key", () => {
  expect(deepMerge([{ a: { x: 1, y: 1 } }, { a: { y: 2 }, b: 3 }, { b: null }])).toEqual({
    a: { x: 1, y: 2 },
  });
});

test("a patch cannot reach an object's prototype", () => {
  const patch = JSON.parse(
    '{"__proto__":{"polluted":true},"a":{"__proto__":{"polluted":true}},"constructor":{"b":1}}',
  ) as JsonObject;
  const result = applyPatch({ a: {} }, patch);
  expect((result as { polluted?: Json }).polluted).toBeUndefined();
  expect(Object.keys(result)).toEqual(["a", "constructor"]);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

test("the work of a patch grows with its size, not with size times depth", () => {
  const nested = (levels: number): JsonObject => {
    let value: JsonObject = {};
    for (let i = 0; i < levels; i++) value = { a: value, b: i, c: i, d: i };
    return value;
  };
  const [config, patch] = [nested(4000), nested(4000)];
  const beganMs = cpuMs();
  expect(JSON.stringify(applyPatch(config, patch)).length).toBe(JSON.stringify(config).length);
  // Half a second and more when all of it is copied at each level; now 5 ms.
  expect(cpuMs() - beganMs).toBeLessThan(250);
});
