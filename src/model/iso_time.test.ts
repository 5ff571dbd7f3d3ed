import { expect, test } from "bun:test";
import { withOffset } from "./iso_time.ts";

test("a time in UTC names its offset, and any other stays as it is", () => {
  expect(withOffset("2026-01-31T10:00:00.123Z")).toBe("2026-01-31T10:00:00.123+00:00");
  expect(withOffset("2026-01-31T10:00:00+02:00")).toBe("2026-01-31T10:00:00+02:00");
});
