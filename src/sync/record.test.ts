import { expect, test } from "bun:test";
import { covers, recordOf } from "./record.ts";

test("a setting that anybody may fulfil is covered by no record that lets a standby be chosen", () => {
  // By the number alone two standbys would have to acknowledge, one of them `a`.
  for (const names of [["a", "*"], ["*"]]) {
    const setting = { method: "ANY", count: 2, names } as const;
    expect(covers(recordOf("p", "data-p", { a: "data-a" }, 0), setting)).toBe(false);
    expect(covers(recordOf("p", "data-p", {}, 0), setting)).toBe(true);
  }
  const named = { method: "ANY", count: 2, names: ["a", "b"] } as const;
  expect(covers(recordOf("p", "data-p", { a: "data-a" }, 0), named)).toBe(true);
});
