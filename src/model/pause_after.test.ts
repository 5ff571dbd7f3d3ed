import { expect, test } from "bun:test";
import { pauseAfter } from "./pause_after.ts";

test("each failure in a row doubles the pause, up to its limit", () => {
  expect([0, 1, 2, 3, 6, 7, 5000].map((failures) => pauseAfter(failures, 2000, 60_000))).toEqual(
    [0, 2000, 4000, 8000, 60_000, 60_000, 60_000],
  );
});
