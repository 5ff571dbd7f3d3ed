/** A member with the tag nostream: it replays the archive, and streams from nobody. */
import { expect, test } from "bun:test";
import { missesWal } from "../duties.ts";
import {
  cluster,
  FREE,
  holder,
  lock,
  node,
  postgres,
  primaryStatus,
  seen,
  STANDBY_DIRECTORY,
  status,
  STOPPED,
} from "../testing.ts";
import { keep } from "./rules.ts";
import { verdict } from "./testing.ts";
import type { NodeView } from "./view.ts";

const TAGGED = status("b", {
  tags: { nostream: true },
  following: null,
  replicationState: "in archive recovery",
});
const STATUSES = [seen(primaryStatus("a")), seen(TAGGED), seen(status("c"))];
const REPLAYS = { following: null, followingUrl: null, replicationState: "in archive recovery" } as const;

const tagged = (change: Partial<NodeView> = {}) =>
  node({ statuses: STATUSES, postgres: postgres(REPLAYS), ...change });
const alone = { kind: "start-standby", follow: null } as const;

const CASES: readonly (readonly [string, NodeView, string, ...unknown[]])[] = [
  ["it is left to replay", tagged(), "idle"],
  [
    "stopped, it is started as a standby of nobody",
    tagged({ postgres: postgres(STOPPED) }),
    "start-standby",
    alone,
  ],
  [
    "one that got the tag while it streamed ends that",
    tagged({ postgres: postgres() }),
    "follow",
    { kind: "follow", follow: null },
  ],
  [
    "while the lock is free it is started as a standby of nobody, too",
    tagged({ dcs: cluster({ lock: lock(FREE) }), postgres: postgres(STOPPED) }),
    "start-to-report",
    alone,
  ],
  [
    "a former primary of the same history comes back without a stream",
    tagged({
      postgres: postgres({
        ...STOPPED,
        directory: { ...STANDBY_DIRECTORY, standbySignal: false },
        divergence: verdict("same"),
      }),
    }),
    "start-again",
    alone,
  ],
  [
    "one that stays on a former timeline has its history compared",
    tagged({ notStreamingForMs: 4000 }),
    "does-not-stream",
    { kind: "compare-history", with: { name: "a", connUrl: "postgres://a:5432/postgres" } },
  ],
  [
    "as the holder it is promoted like any other",
    holder({ name: "b", dcs: cluster({ lock: lock({ holder: "b" }) }), postgres: postgres(REPLAYS) }),
    "promote",
    { kind: "promote", epoch: 3 },
  ],
];
for (const [name, view, rule, ...actions] of CASES) {
  test(name, () => expect<unknown>([keep(view).rule, ...keep(view).actions]).toEqual([rule, ...actions]));
}

test("it misses no WAL while it is on the primary's timeline", () => {
  expect(missesWal(tagged())).toBe(false);
  const later = [seen(primaryStatus("a", { timeline: 2 })), seen(TAGGED)];
  expect(missesWal(tagged({ statuses: later }))).toBe(true);
  expect(missesWal(tagged({ statuses: later, postgres: postgres({ ...REPLAYS, timeline: 2 }) }))).toBe(false);
});
