import { expect, test } from "bun:test";
import type { JsonObject } from "./json.ts";
import { isNofailover } from "./nofailover.ts";

test.each<[JsonObject, boolean]>([
  [{}, false],
  [{ nofailover: true }, true],
  [{ nofailover: "yes" }, true],
  [{ nofailover: null, failover_priority: 0 }, true],
  [{ failover_priority: "0" }, true],
  [{ failover_priority: -1 }, true],
  [{ failover_priority: 2 }, false],
  [{ failover_priority: "soon" }, false],
  [{ nofailover: false, failover_priority: 0 }, false],
  [{ nofailover: true, failover_priority: 2 }, true],
])("%j: %p", (tags, expected) => {
  expect(isNofailover(tags)).toBe(expected);
});
