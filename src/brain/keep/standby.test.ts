/** Another node holds the lock. */
import type { PostgresView } from "../../model/postgres_view.ts";
import {
  cluster,
  holder,
  lock,
  node,
  postgres,
  PRIMARY_DIRECTORY,
  primaryStatus,
  RUNNING_PRIMARY,
  seen,
  STANDBY_DIRECTORY,
  status,
  STOPPED,
  SWITCHOVER,
} from "../testing.ts";
import { IDLE } from "./rules.ts";
import { STANDBY } from "./standby.ts";
import { type Case, clone, decides, failed, FAST, FORMER, from, PAUSED, verdict } from "./testing.ts";

const CLONE = clone("a");

/** Its directory has joined an earlier founding of the cluster. */
function older(change: Partial<PostgresView>): PostgresView {
  return postgres({ directory: { ...STANDBY_DIRECTORY, founding: "a 0" }, ...change });
}

/** Its directory has that mark. */
function joined(founding: string, change: Partial<PostgresView>): PostgresView {
  return postgres({ ...change, directory: { ...STANDBY_DIRECTORY, founding } });
}
const RECOVERED = cluster({ clusterEpoch: 1 });
const FOLLOWS_NOBODY = { following: null, followingUrl: null, replicationState: null } as const;
const COMPARE_CONTENT = { kind: "compare-history", with: from("a"), content: true } as const;

/** Member c was promoted while a was cut off, on a timeline that c had never heard of. This one follows a. */
const BESIDE = cluster({ lock: lock({ epoch: 4, holder: "c" }) });
const ON_FOUR: Partial<PostgresView> = { timeline: 4, walEnd: { timeline: 4, lsn: 1000 } };
const COMPARE_C = { kind: "compare-history", with: from("c") } as const;
const FOLLOW_C = { kind: "follow", follow: from("c") } as const;
/** The same, and its data has that name. */
function named(token?: string) {
  return primaryStatus("c", {
    epochSeen: 4,
    timeline: 4,
    ...(token === undefined ? {} : { dataToken: token }),
  });
}
function beside(own: Partial<PostgresView>, holder = primaryStatus("c", { epochSeen: 4, timeline: 4 })) {
  return node({
    dcs: BESIDE,
    postgres: postgres({ ...ON_FOUR, ...own }),
    statuses: [seen(primaryStatus("a")), seen(status("b")), seen(holder)],
  });
}
const withC = (verdict: "same" | "diverged", atMs: number, timelineOfOther = 4) => ({
  divergence: { from: "c", timelineOfOther, verdict, detail: "", atMs },
});
/** Found with the data of that name. */
function foundWith(token: string, verdict: "same" | "diverged", atMs = 99_000) {
  return { divergence: { ...withC(verdict, atMs).divergence, tokenOfOther: token } };
}

const PROMOTED_BESIDE: readonly Case[] = [
  ["streaming from another one, it is compared with a new primary first", beside({}), "follow", COMPARE_C],
  [
    "also on an earlier timeline than that: its number may have been given twice",
    beside({}, primaryStatus("c", { epochSeen: 4, timeline: 5 })),
    "follow",
    COMPARE_C,
  ],
  [
    "and where it follows nobody, since the lock was free",
    beside(FOLLOWS_NOBODY),
    "follow",
    COMPARE_C,
  ],
  ["with the same history it goes there", beside(withC("same", 99_000)), "follow", FOLLOW_C],
  ["but not by an old verdict", beside(withC("same", 90_000)), "follow", COMPARE_C],
  [
    "nor by one from before the holder may have been rewound, and given the number of its timeline again",
    { ...beside(withC("same", 99_000)), roleMs: 99_500 },
    "follow",
    COMPARE_C,
  ],
  [
    "nor by one from before it was heard to have other data",
    { ...beside(withC("same", 99_000)), upstreamRewoundMs: 99_500 },
    "follow",
    COMPARE_C,
  ],
  [
    "one from after that counts",
    { ...beside(withC("same", 99_600)), roleMs: 99_500 },
    "follow",
    FOLLOW_C,
  ],
  [
    "one about the data that it has counts",
    beside(foundWith("m:1", "same"), named("m:1")),
    "follow",
    FOLLOW_C,
  ],
  [
    "not one about the data that it had when that was decided: it was rewound meanwhile",
    beside(foundWith("m:1", "same"), named("m:2")),
    "follow",
    { ...COMPARE_C, token: "m:2" },
  ],
  [
    "nor one with data whose name was not known then",
    beside(withC("same", 99_000), named("m:2")),
    "follow",
    { ...COMPARE_C, token: "m:2" },
  ],
  [
    "nor one with data whose name is not known now",
    beside(foundWith("m:1", "same"), named()),
    "follow",
    COMPARE_C,
  ],
  [
    "one that differed from its former data is not stopped for that",
    {
      ...beside({ ...foundWith("m:1", "diverged", 0), following: "c" }, named("m:2")),
      notStreamingForMs: 3001,
    },
    "does-not-stream",
    { ...COMPARE_C, token: "m:2" },
  ],
  [
    "one that differs from the data that it has is",
    {
      ...beside({ ...foundWith("m:1", "diverged", 0), following: "c" }, named("m:1")),
      notStreamingForMs: 3001,
    },
    "does-not-stream",
    FAST,
  ],
  ["nor by one of another timeline", beside(withC("same", 99_000, 3)), "follow", COMPARE_C],
  ["one that differs is stopped to rejoin", beside(withC("diverged", 0)), "follow", FAST],
  [
    "a holder that is to be promoted from the same timeline is followed at once: commits may wait for that",
    beside({}, status("c", { epochSeen: 4, timeline: 4 })),
    "follow",
    FOLLOW_C,
  ],
  ...([
    ["from an earlier one", status("c", { epochSeen: 4, timeline: 3 }), {}],
    ["from an earlier one than WAL was received on", status("c", { timeline: 3 }), { timeline: 3 }],
    ["that was a primary before", status("c", { timeline: 4, primaryDirectory: true, running: false }), {}],
    ["that has left recovery", status("c", { timeline: 4, walLsn: 1000 }), {}],
    ["beside a former primary", status("c", { timeline: 4 }), {
      directory: { ...STANDBY_DIRECTORY, formerPrimary: true },
    }],
    ["beside a timeline that is not known", status("c", { timeline: 4 }), { timeline: null }],
  ] as const).map(([what, holder, own]): Case => [
    `one ${what} is waited for, to compare histories`,
    beside(own, holder),
    "follow",
  ]),
  [
    "from the holder to a standby of it there is nothing to compare",
    node({
      statuses: [
        seen(primaryStatus("a")),
        seen(status("b", { tags: { replicatefrom: "c" } })),
        seen(status("c")),
      ],
    }),
    "follow",
    FOLLOW_C,
  ],
  [
    "with the tag nostream its upstream is taken away again, until its receiver is gone",
    node({
      statuses: [seen(primaryStatus("a")), seen(status("b", { tags: { nostream: true } }))],
      postgres: postgres({ ...FOLLOWS_NOBODY, cutOff: false }),
    }),
    "follow",
    { kind: "follow", follow: null },
  ],
];

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
    { "kind": "joined-history", "founding": "a 1" },
  ],
  [
    "a standby of an earlier founding of the cluster is not started before WAL was compared",
    node({ postgres: older({ ...STOPPED }) }),
    "compare",
    COMPARE_CONTENT,
  ],
  [
    "it waits for a primary to compare with",
    node({ postgres: older({ ...STOPPED }), statuses: [] }),
    "await-primary",
  ],
  [
    "with the same history it is started",
    node({ postgres: older({ ...STOPPED, divergence: verdict("same") }) }),
    "start-again",
    { "kind": "start-standby", "follow": from("a") },
  ],
  [
    "one that differs is stopped before it streams, to be copied anew",
    node({ postgres: older({ ...FOLLOWS_NOBODY, divergence: verdict("diverged") }) }),
    "follow",
    FAST,
  ],
  [
    "running, and following nobody yet, it is compared before it is pointed at the primary",
    node({ postgres: older(FOLLOWS_NOBODY) }),
    "follow",
    COMPARE_CONTENT,
  ],
  [
    "it does not follow while the comparison fails",
    node({ postgres: older({ ...FOLLOWS_NOBODY, divergence: verdict("unknown", 99_500) }) }),
    "follow",
  ],
  [
    "with the same history it follows",
    node({ postgres: older({ ...FOLLOWS_NOBODY, divergence: verdict("same", 95_000) }) }),
    "follow",
    { "kind": "follow", "follow": from("a") },
  ],
  [
    "once it streams it is the cluster's",
    node({ postgres: older({}) }),
    "joined-history",
    { "kind": "joined-history", "founding": "a 1" },
  ],
  [
    "so is the directory of the primary",
    holder({
      postgres: postgres({ ...RUNNING_PRIMARY, directory: { ...PRIMARY_DIRECTORY, founding: null } }),
    }),
    "joined-history",
    { "kind": "joined-history", "founding": "a 1" },
  ],
  [
    "so is one of before the cluster was recovered from a lost majority: its timeline's number may be taken",
    node({ dcs: RECOVERED, postgres: joined("a 1", STOPPED) }),
    "compare",
    COMPARE_CONTENT,
  ],
  [
    "and of before a second recovery",
    node({ dcs: cluster({ clusterEpoch: 2 }), postgres: joined("a 1 recovered 1", STOPPED) }),
    "compare",
    COMPARE_CONTENT,
  ],
  [
    "once it streams it is marked with the recovery",
    node({ dcs: RECOVERED, postgres: joined("a 1", {}) }),
    "joined-history",
    { "kind": "joined-history", "founding": "a 1 recovered 1" },
  ],
  [
    "one of since the recovery is started at once",
    node({ dcs: RECOVERED, postgres: joined("a 1 recovered 1", STOPPED) }),
    "start-standby",
    { "kind": "start-standby", "follow": from("a") },
  ],
  [
    "one of this founding is started at once",
    node({ postgres: postgres({ ...STOPPED, directory: { ...STANDBY_DIRECTORY, founding: "a 1" } }) }),
    "start-standby",
    { "kind": "start-standby", "follow": from("a") },
  ],
  [
    "in pause, what an operator's reinitialize has set aside is copied anew",
    node({
      ...PAUSED,
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" } }),
      reinitializing: { fromLeader: false },
    }),
    "copy",
    CLONE,
  ],
  [
    "an empty member copies from a running primary",
    node({ postgres: postgres({ ...STOPPED, directory: { kind: "empty" }, systemId: null }) }),
    "copy",
    CLONE,
  ],
  [
    "right after its start it is not known whether a server runs here: nothing is copied yet",
    node({
      postgres: postgres({ ...STOPPED, process: "starting", directory: { kind: "empty" }, systemId: null }),
    }),
    "copy",
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
  [
    "a standby that PostgreSQL refuses to start is compared with the primary",
    node({ postgres: postgres({ ...STOPPED, last: failed("start") }) }),
    "start-standby",
    COMPARE_CONTENT,
  ],
  [
    "with the same history it is started again",
    node({ postgres: postgres({ ...STOPPED, last: failed("start"), divergence: verdict("same") }) }),
    "start-standby",
    { kind: "start-standby", follow: from("a") },
  ],
  [
    "killed again before it was compared, a former primary beyond the fork is rewound",
    node({ postgres: postgres({ ...STOPPED, last: failed("start"), divergence: verdict("diverged") }) }),
    "rewind",
    { kind: "rewind", from: from("a") },
  ],
  [
    "where no primary runs to compare with, its start is tried again",
    node({ postgres: postgres({ ...STOPPED, last: failed("start") }), statuses: [] }),
    "start-standby",
    { kind: "start-standby", follow: from("a") },
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
  ...PROMOTED_BESIDE,
  [
    "a standby that does not stream has its history compared",
    node({ notStreamingForMs: 4000, postgres: postgres({ replicationState: null }) }),
    "does-not-stream",
    { "kind": "compare-history", "with": from("a") },
  ],
  ...([
    ["is not stopped because it does not stream", verdict("diverged"), "a"],
    ["is not compared because of that", null, "a"],
    ["is not pointed at a new holder", null, "c"],
  ] as const).map(([what, divergence, following]): Case => [
    `in pause, a standby that others have promoted ${what}`,
    node({
      ...PAUSED,
      notStreamingForMs: 4000,
      postgres: postgres({ inRecovery: false, replicationState: null, divergence, following }),
    }),
    "idle",
  ]),
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
      postgres: postgres({ replicationState: "streaming", divergence: verdict("same", 90_000) }),
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
    "a standby that waits for a timeline that was given up is stopped, to start without its history file",
    node({
      notStreamingForMs: 4000,
      postgres: postgres({
        replicationState: null,
        divergence: { ...verdict("same"), strays: ["00000005.history"] },
      }),
    }),
    "does-not-stream",
    FAST,
  ],
  [
    "one that streams is not: it has refused that timeline",
    node({
      notStreamingForMs: 4000,
      postgres: postgres({
        replicationState: "streaming",
        divergence: { ...verdict("same", 97_000), strays: ["00000005.history"] },
      }),
    }),
    "idle",
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
    "a standby that took writes without the lock, and was restarted, rejoins as a former primary does",
    node({ postgres: postgres({ directory: { ...STANDBY_DIRECTORY, wroteAlone: true } }) }),
    "wrote-alone",
    FAST,
  ],
  [
    "it goes on while the holder is not there to be rejoined",
    node({
      postgres: postgres({ directory: { ...STANDBY_DIRECTORY, wroteAlone: true } }),
      statuses: [seen(primaryStatus("a"), 5000), seen(status("c"))],
    }),
    IDLE,
  ],
  [
    "a standby takes over logical slots by a restart",
    node({ postgres: postgres({ stagedSlots: ["cdc"] }) }),
    "install-slots",
    { kind: "restart" },
  ],
  [
    "not while another standby restarts",
    node({
      postgres: postgres({ stagedSlots: ["cdc"] }),
      statuses: [seen(primaryStatus("a")), seen(status("c", { state: "restarting", running: false }))],
    }),
    IDLE,
  ],
  [
    "nor while somebody else is to be the primary",
    node({ postgres: postgres({ stagedSlots: ["cdc"] }), dcs: cluster({ failover: SWITCHOVER }) }),
    IDLE,
  ],
  [
    "nor while it does not stream",
    node({ postgres: postgres({ stagedSlots: ["cdc"], replicationState: null }) }),
    IDLE,
  ],
  ["nor in pause", node({ ...PAUSED, postgres: postgres({ stagedSlots: ["cdc"] }) }), IDLE],
  [
    "a standby that is starting is waited for",
    node({ postgres: postgres({ process: "starting" }) }),
    "not-running",
  ],
];

decides(STANDBY, CASES);
