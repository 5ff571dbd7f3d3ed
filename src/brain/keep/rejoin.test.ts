/** Former primaries, and standbys whose history differs. */
import { DYNAMIC, node, postgres, PRIMARY_DIRECTORY, primaryStatus, seen, STOPPED } from "../testing.ts";
import { REJOIN } from "./rejoin.ts";
import { type Case, decides, failed, from, PAUSED, verdict } from "./testing.ts";

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
    "a rewind waits for the new primary's checkpoint",
    node({
      statuses: [seen(primaryStatus("a", { checkpointAfterPromote: false }))],
      postgres: postgres({ ...REJOIN_VIEW, divergence: verdict("diverged") }),
    }),
    "rewind",
  ],
  [
    "when the rewind failed, it is copied anew and the directory kept",
    node({ postgres: postgres({ ...REJOIN_VIEW, divergence: verdict("diverged"), last: failed("rewind") }) }),
    "copy-anew",
    { "kind": "set-aside", "why": "pg_rewind failed: broken" },
  ],
  [
    "diverged where pg_rewind does not see it, it is copied anew",
    node({
      postgres: postgres({ ...REJOIN_VIEW, divergence: { ...verdict("diverged"), noRewind: "unseen" } }),
    }),
    "copy-anew",
    { "kind": "set-aside", "why": "unseen" },
  ],
  [
    "without use_pg_rewind it is copied anew",
    node({
      dynamic: { ...DYNAMIC, postgresql: { ...DYNAMIC.postgresql, usePgRewind: false } },
      postgres: postgres({ ...REJOIN_VIEW, divergence: verdict("diverged") }),
    }),
    "copy-anew",
    { "kind": "set-aside", "why": "use_pg_rewind is off" },
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
    { kind: "set-aside", why: "pg_rewind needs wal_log_hints or data checksums" },
  ],
];

decides(REJOIN, CASES);
