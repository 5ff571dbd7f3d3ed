import { expect, test } from "bun:test";
import { readWarnings, warningHeader } from "./warnings.ts";

const there = (warnings: readonly string[]) => readWarnings(new Headers({ ...warningHeader(warnings) }));

test("warnings come through a header as they were, within its alphabet", () => {
  expect(warningHeader([])).toEqual({});
  expect(there([])).toEqual([]);
  const texts = ["ttl: 1 is below the minimum: 2 is used", 'a "quoted", \\ text', "two, with commas"];
  expect(there(texts)).toEqual(texts);
  expect(there(["l\u00e4nge\r\nSet-Cookie: x"])).toEqual(["l?nge??Set-Cookie: x"]);
});

test("neither one warning nor all of them make a header without bounds", () => {
  const many = there(Array.from({ length: 50 }, (_, i) => `${i} ${"x".repeat(1000)}`));
  expect(many).toHaveLength(21);
  expect(many[20]).toBe("30 more warnings");
  expect(many[0]!.length).toBe(300);
});
