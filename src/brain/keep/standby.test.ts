/** Another node holds the lock. */
import { cluster, lock, node, postgres, primaryStatus, seen, STOPPED } from "../testing.ts";
import { STANDBY } from "./standby.ts";
import { type Case, decides, failed, FAST, FORMER, from, PAUSED, verdict } from "./testing.ts";

const CASES: readonly Case[] = [
  [
    "a standby goes to the new address of the primary that it follows already",
    node({ postgres: postgres({ followingUrl: "postgres://elsewhere:5432/postgres" }) }),
    "follow",
    { "kind": "follow", "follow": from("a") },
  ],
  [
    "a former primary that streams from the new one on its timeline is a standby like any other",
    node({ postgres: FORMER }),
    "joined-history",
    { "kind": "joined-history" },
  ],
  [
    "in pause, what an operator's reinitialize has set aside is copied anew",
    node({
      ...PAUSED,
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" } }),
      reinitializing: true,
    }),
    "copy",
    { "kind": "clone", "from": from("a") },
  ],
  [
    "an empty member copies from a running primary",
    node({ postgres: postgres({ ...STOPPED, directory: { kind: "empty" }, systemId: null }) }),
    "copy",
    { "kind": "clone", "from": from("a") },
  ],
  [
    "an empty member waits while the primary is not reachable",
    node({
      statuses: [seen(primaryStatus("a"), 5000)],
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" }, systemId: null }),
    }),
    "copy",
  ],
  [
    "a failed copy is not repeated at once",
    node({
      postgres: postgres({
        ...STOPPED,
        directory: { kind: "absent" },
        systemId: null,
        last: failed("clone", 1, 99_000),
      }),
    }),
    "copy",
  ],
  ["a stopped standby is started", node({ postgres: postgres(STOPPED) }), "start-standby", {
    "kind": "start-standby",
    "follow": from("a"),
  }],
  [
    "a standby is pointed at a new holder",
    node({ dcs: cluster({ lock: lock({ epoch: 4, holder: "c" }) }) }),
    "follow",
    { "kind": "follow", "follow": from("c") },
  ],
  [
    "a standby that does not stream has its history compared",
    node({ notStreamingForMs: 4000, postgres: postgres({ replicationState: null }) }),
    "does-not-stream",
    { "kind": "compare-history", "with": from("a") },
  ],
  [
    "a standby whose comparison failed is compared again after a while",
    node({
      notStreamingForMs: 4000,
      postgres: postgres({ replicationState: null, divergence: verdict("unknown", 97_000) }),
    }),
    "does-not-stream",
    { "kind": "compare-history", "with": from("a") },
  ],
  [
    "a standby that cannot stream is not told for ever that its history is the same",
    node({
      notStreamingForMs: 4000,
      postgres: postgres({ replicationState: "streaming", divergence: verdict("same", 89_000) }),
    }),
    "does-not-stream",
    { "kind": "compare-history", "with": from("a") },
  ],
  [
    "a diverged standby is stopped to rejoin",
    node({
      notStreamingForMs: 4000,
      postgres: postgres({ replicationState: null, divergence: verdict("diverged") }),
    }),
    "does-not-stream",
    FAST,
  ],
  [
    "in pause a standby that ended is started when a restart is asked for",
    node({ ...PAUSED, wantsRestart: true, postgres: postgres(STOPPED) }),
    "start-standby",
    { "kind": "start-standby", "follow": from("a") },
  ],
  [
    "in pause a standby follows a new leader",
    node({ ...PAUSED, dcs: cluster({ lock: lock({ epoch: 4, holder: "c" }) }) }),
    "follow",
    { "kind": "follow", "follow": from("c") },
  ],
  [
    "a holder whose record is not there yet is waited for",
    node({ dcs: cluster({ lock: lock({ holder: "d" }) }) }),
    "await-address",
  ],
  [
    "a standby that is starting is waited for",
    node({ postgres: postgres({ process: "starting" }) }),
    "not-running",
  ],
];

decides(STANDBY, CASES);
