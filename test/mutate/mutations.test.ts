import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mutate, MUTATIONS } from "./mutations.ts";

const root = join(import.meta.dir, "..", "..");

test("every mutation applies to the source as it is: else it has to be written anew", () => {
  const stale = MUTATIONS.filter((one) => mutate(readFileSync(join(root, one.file), "utf8"), one) === null);
  expect(stale.map(({ name, file }) => `${file}: ${name}`)).toEqual([]);
});

test("names are unique, tests exist, and there are enough of them", () => {
  const names = MUTATIONS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThanOrEqual(25);
  for (const { tests } of MUTATIONS) {
    for (const path of tests) expect(existsSync(join(root, path))).toBe(true);
  }
});

test("a text that is gone or there twice does not apply", () => {
  const mutation = { name: "x", file: "x", search: "a", replace: "b", tests: [] };
  expect(mutate("_a_", mutation)).toBe("_b_");
  expect(mutate("__", mutation)).toBeNull();
  expect(mutate("a a", mutation)).toBeNull();
});
