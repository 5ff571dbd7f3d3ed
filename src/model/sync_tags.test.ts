import { expect, test } from "bun:test";
import type { JsonObject } from "./json.ts";
import { mayBeSynchronous, streamsElsewhere, syncTags } from "./sync_tags.ts";

test.each<[JsonObject, boolean, number]>([
  [{}, false, 1],
  [{ nosync: true }, true, 1],
  [{ nosync: "true" }, true, 1],
  [{ nosync: 1, sync_priority: 5 }, true, 5],
  [{ nosync: false, sync_priority: 0 }, false, 0],
  [{ sync_priority: 0 }, true, 0],
  [{ sync_priority: "0" }, true, 0],
  [{ sync_priority: "2" }, false, 2],
  [{ sync_priority: "high" }, false, 1],
])("%j: nosync %p, priority %p", (tags, nosync, syncPriority) => {
  expect(syncTags(tags)).toEqual({ nosync, syncPriority });
  expect(mayBeSynchronous(tags)).toBe(!nosync);
});

test("a member with nostream in any spelling does not stream from the primary", () => {
  for (const nostream of [true, "true", "yes", 1]) expect(streamsElsewhere({ nostream })).toBe(true);
  for (const nostream of [false, "off", 0]) expect(streamsElsewhere({ nostream })).toBe(false);
});
