/** Former primaries, and standbys whose history differs. */
import { expect, test } from "bun:test";
import type { PostgresView } from "../../model/postgres_view.ts";
import type { RejoinWay } from "../../model/config.ts";
import { DYNAMIC, node, postgres, PRIMARY_DIRECTORY, primaryStatus, seen, STOPPED } from "../testing.ts";
import { REJOIN, whyReinit } from "./rejoin.ts";
import { type Case, decides, failed, from, PAUSED, verdict } from "./testing.ts";

function only(...rejoin: RejoinWay[]) {
  return { dynamic: { ...DYNAMIC, postgresql: { ...DYNAMIC.postgresql, rejoin } } };
}

const HALF_REWOUND = { kind: "half-written", what: "rewind" } as const;
const REJOIN_VIEW = { ...STOPPED, directory: PRIMARY_DIRECTORY };
const stoppedByUs = { stop: { kind: "stop", ok: true, atMs: 0, detail: "", failures: 0 } } as const;
const CASES: readonly Case[] = [
  ["a former primary compares histories first", node({ postgres: postgres(REJOIN_VIEW) }), "compare", {
    "kind": "compare-history",
    "with": from("a"),
  }],
  [
    "with the same history it starts as a standby",
    node({ postgres: postgres({ ...REJOIN_VIEW, divergence: verdict("same") }) }),
    "start-again",
    { "kind": "start-standby", "follow": from("a") },
  ],
  [
    "diverged, it is rewound",
    node({ postgres: postgres({ ...REJOIN_VIEW, divergence: verdict("diverged") }) }),
    "rewind",
    { "kind": "rewind", "from": from("a") },
  ],
  [
    "not for having differed from the data that the primary had before",
    node({
      statuses: [seen(primaryStatus("a", { dataToken: "m:2" }))],
      postgres: postgres({ ...REJOIN_VIEW, divergence: { ...verdict("diverged"), tokenOfOther: "m:1" } }),
    }),
    "compare",
    { "kind": "compare-history", "with": from("a"), "token": "m:2" },
  ],
  [
    "a rewind waits for the new primary's checkpoint",
    node({
      statuses: [seen(primaryStatus("a", { checkpointAfterPromote: false }))],
      postgres: postgres({ ...REJOIN_VIEW, divergence: verdict("diverged") }),
    }),
    "rewind",
  ],
  [
    "a rewind that failed before it changed anything is tried once more",
    node({ postgres: postgres({ ...REJOIN_VIEW, divergence: verdict("diverged"), last: failed("rewind") }) }),
    "rewind",
    { "kind": "rewind", "from": from("a") },
  ],
  [
    "when the rewind failed twice, it is copied anew and the directory kept",
    node({
      postgres: postgres({ ...REJOIN_VIEW, divergence: verdict("diverged"), last: failed("rewind", 2) }),
    }),
    "copy-anew",
    { "kind": "set-aside", "why": "pg_rewind failed: broken", "after": "rewind-failure" },
  ],
  [
    "a rewind that failed on a full disk is tried again, however often: a copy would need more room",
    node({
      postgres: postgres({
        ...REJOIN_VIEW,
        divergence: verdict("diverged"),
        last: { rewind: { ...failed("rewind", 9).rewind!, lacksRoom: true } },
      }),
    }),
    "rewind",
    { "kind": "rewind", "from": from("a") },
  ],
  [
    "without reclone it is held then",
    node({
      ...only("rewind", "hold"),
      postgres: postgres({ ...REJOIN_VIEW, divergence: verdict("diverged"), last: failed("rewind", 2) }),
    }),
    "hold",
  ],
  [
    "a list that ends with rewind holds, too",
    node({
      ...only("rewind"),
      postgres: postgres({ ...REJOIN_VIEW, divergence: verdict("diverged"), last: failed("rewind", 2) }),
    }),
    "hold",
  ],
  [
    "held, it is replaced when an operator asks",
    node({
      ...only("hold"),
      wantsReinit: { fromLeader: false },
      postgres: postgres({ ...REJOIN_VIEW, divergence: verdict("diverged") }),
    }),
    "reinitialize",
    { kind: "set-aside", why: "reinitialize", onRequest: true },
  ],
  [
    "what an interrupted rewind has left is never started: it is moved aside",
    node({ postgres: postgres({ ...STOPPED, directory: HALF_REWOUND }) }),
    "half-written",
    { kind: "set-aside", why: "rewind did not finish", after: "rewind-failure" },
  ],
  [
    "or held, where no copy is allowed",
    node({ ...only("rewind", "hold"), postgres: postgres({ ...STOPPED, directory: HALF_REWOUND }) }),
    "half-written",
  ],
  [
    "and replaced when an operator asks",
    node({
      ...only("rewind", "hold"),
      reinitializing: { fromLeader: false },
      postgres: postgres({ ...STOPPED, directory: HALF_REWOUND }),
    }),
    "half-written",
    { kind: "set-aside", why: "rewind did not finish", after: "rewind-failure", onRequest: true },
  ],
  [
    "diverged where pg_rewind does not see it, it is copied anew",
    node({
      postgres: postgres({ ...REJOIN_VIEW, divergence: { ...verdict("diverged"), noRewind: "unseen" } }),
    }),
    "copy-anew",
    { "kind": "set-aside", "why": "unseen", "after": "diverged-timelines" },
  ],
  [
    "without use_pg_rewind it is copied anew",
    node({
      ...only("reclone"),
      postgres: postgres({ ...REJOIN_VIEW, divergence: verdict("diverged") }),
    }),
    "copy-anew",
    {
      "kind": "set-aside",
      "why": "pg_rewind is not allowed (use_pg_rewind, rejoin)",
      "after": "diverged-timelines",
    },
  ],
  [
    "a verdict about an older timeline is not used",
    node({
      statuses: [seen(primaryStatus("a", { timeline: 2 }))],
      postgres: postgres({ ...REJOIN_VIEW, divergence: verdict("diverged") }),
    }),
    "compare",
    { "kind": "compare-history", "with": from("a") },
  ],
  [
    "an unknown verdict is asked for again after a while",
    node({ postgres: postgres({ ...REJOIN_VIEW, divergence: verdict("unknown", 99_500) }) }),
    "compare",
  ],
  [
    "a comparison that failed, and knows no timeline of the primary, is not made again at once",
    node({
      statuses: [seen(primaryStatus("a", { timeline: 2 }))],
      postgres: postgres({
        ...REJOIN_VIEW,
        divergence: { ...verdict("unknown", 99_500), timelineOfOther: 0 },
      }),
    }),
    "compare",
  ],
  [
    "a stopped diverged standby is rewound, not started",
    node({ postgres: postgres({ ...STOPPED, divergence: verdict("diverged") }) }),
    "rewind",
    { "kind": "rewind", "from": from("a") },
  ],
  [
    "in pause a primary that stepped down on request rejoins",
    node({ ...PAUSED, postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, last: stoppedByUs }) }),
    "compare",
    { "kind": "compare-history", "with": from("a") },
  ],
  [
    "a former primary waits until the holder is a running primary",
    node({
      statuses: [seen(primaryStatus("a", { running: false }))],
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }),
    }),
    "await-primary",
  ],
  [
    "without wal_log_hints and checksums it is copied anew",
    node({
      postgres: postgres({
        ...STOPPED,
        directory: {
          ...PRIMARY_DIRECTORY,
          control: { ...PRIMARY_DIRECTORY.control, walLogHints: false, dataChecksums: false },
        },
        divergence: verdict("diverged"),
      }),
    }),
    "copy-anew",
    {
      kind: "set-aside",
      why: "pg_rewind needs wal_log_hints or data checksums",
      after: "diverged-timelines",
    },
  ],
];

decides(REJOIN, CASES);

test("a member that comes back by a reinit only says why", () => {
  const why = (change: Partial<PostgresView>, ...ways: RejoinWay[]) =>
    whyReinit({ ...only(...ways), postgres: postgres({ ...REJOIN_VIEW, ...change }) });
  const diverged = { divergence: verdict("diverged") };
  expect(why(diverged, "rewind", "hold")).toBeNull();
  expect(why(diverged, "rewind", "reclone")).toBeNull();
  expect(why({}, "hold")).toBeNull();
  expect(why({ ...diverged, process: "running" }, "hold")).toBeNull();
  expect(why(diverged, "hold")).toBe(
    "its history has diverged; pg_rewind is not allowed (use_pg_rewind, rejoin); a copy is not allowed (rejoin)",
  );
  expect(why({ ...diverged, last: { ...failed("rewind", 2), ...failed("set-aside") } }, "rewind", "reclone"))
    .toBe("its history has diverged; pg_rewind failed: broken; broken");
  expect(why({ directory: HALF_REWOUND }, "rewind")).toBe(
    "pg_rewind did not finish; a copy is not allowed (rejoin)",
  );
  expect(why({ directory: HALF_REWOUND }, "rewind", "reclone")).toBeNull();
  const behind = {
    process: "running",
    divergence: { ...verdict("same"), walGone: "a has removed it" },
  } as const;
  expect(why({ ...behind, replicationState: null }, "reclone")).toBe("a has removed it");
  expect(why({ ...behind, replicationState: "streaming" }, "reclone")).toBeNull();
});
