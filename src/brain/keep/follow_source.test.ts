/** Whom a standby streams from, by its tag and by what is heard of the others. */
import { expect, test } from "bun:test";
import type { Json } from "../../model/json.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { cluster, FREE, lock, node, postgres, primaryStatus, seen, status, SWITCHOVER } from "../testing.ts";
import { cascadeOf, followed } from "./follow_source.ts";

/** b, with the tag, beside a that holds the lock and the standby c. */
const view = (
  ofC: Partial<MemberStatus> = {},
  { ageMs = 100, tag = "c" as Json, following = "a", timeline = 1 } = {},
) =>
  node({
    postgres: postgres({ following, timeline }),
    statuses: [
      seen(primaryStatus("a")),
      seen(status("b", { tags: tag === null ? {} : { replicatefrom: tag } })),
      seen(status("c", ofC), ageMs),
    ],
  });

const CASES: readonly [string, string | null, ReturnType<typeof view>][] = [
  ["the standby that the tag names", "c", view()],
  ["without a tag the holder", null, view({}, { tag: null })],
  ["a tag that is no name", null, view({}, { tag: true })],
  ["a tag that names nobody", null, view({}, { tag: "x" })],
  ["a tag that names the member itself", null, view({}, { tag: "b" })],
  ["a tag that names the holder", null, view({}, { tag: "a" })],
  ["one that does not run passes nothing on", null, view({ running: false })],
  ["nor does one that takes writes", null, view({ writable: true })],
  ["or that others have promoted", null, view({ walLsn: 5000 })],
  ["one on an earlier timeline lacks the fork", null, view({}, { timeline: 2 })],
  ["one that follows this member", null, view({ following: "b" })],
  ["one that follows nobody", null, view({ following: null })],
  ["one that was not heard lately is not begun with", null, view({}, { ageMs: 1200 })],
  ["and is kept for a while", "c", view({}, { ageMs: 2999, following: "c" })],
  ["but not for long", null, view({}, { ageMs: 3000, following: "c" })],
];

for (const [name, expected, given] of CASES) {
  test(name, () => expect(cascadeOf(given)).toBe(expected));
}

test("a chain may be long, and ends at the holder", () => {
  const chain = (followingOfD: string) =>
    cascadeOf(node({
      dcs: cluster(),
      statuses: [
        seen(primaryStatus("a")),
        seen(status("b", { tags: { replicatefrom: "c" } })),
        seen(status("c", { following: "d" })),
        seen(status("d", { following: followingOfD })),
      ],
    }));
  expect([chain("a"), chain("c"), chain("b"), chain("e")]).toEqual(["c", null, null, null]);
});

test("the candidate of an accepted request streams from the holder, whatever its tag says", () => {
  const asked = (change: Partial<typeof SWITCHOVER>) =>
    cascadeOf(node({ ...view(), dcs: cluster({ failover: { ...SWITCHOVER, ...change } }) }));
  expect(asked({ accepted: true, candidate: "b" })).toBeNull();
  expect(asked({ accepted: true, candidate: null })).toBeNull();
  expect(asked({ accepted: true, candidate: "c" })).toBe("c");
  expect(asked({ accepted: false, candidate: "b" })).toBe("c");
});

test("nobody is followed while the lock is free or this member's own", () => {
  expect(followed(node({ ...view(), dcs: cluster({ lock: lock(FREE) }) }))).toBeNull();
  expect(followed(node({ ...view(), tenure: "holding" }))).toBeNull();
  expect(followed(view())?.name).toBe("c");
  expect(followed(view({}, { tag: null }))?.name).toBe("a");
});
