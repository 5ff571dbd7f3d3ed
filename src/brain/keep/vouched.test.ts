/** PostgreSQL goes by the number of a timeline, and one number may have been given twice. */
import {
  cluster,
  DYNAMIC,
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
import { remoteOf } from "../../model/standby_cluster.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import { type Case, decides, from, PAUSED, UNFENCED, verdict } from "./testing.ts";
import type { NodeView } from "./view.ts";
import { VOUCHED } from "./vouched.ts";

const LET_GO = { kind: "follow", follow: null } as const;
const COMPARE = { kind: "compare-history", with: from("a") } as const;
const COMPARE_ALL = { ...COMPARE, content: true } as const;
const start = (follow: string | null) =>
  ({ kind: "start-standby", follow: follow === null ? null : from(follow) }) as const;

/** It follows a, and PostgreSQL tries to connect. */
function connecting(change: Partial<NodeView> = {}, own: Partial<PostgresView> = {}): NodeView {
  return node({ postgres: postgres({ replicationState: null, ...own }), ...change });
}
const stopped = (change: Partial<NodeView> = {}, own: Partial<PostgresView> = {}) =>
  node({ postgres: postgres({ ...STOPPED, following: "a", ...own }), ...change });

const primary = seen(primaryStatus("a"));
const silent = { statuses: [seen(primaryStatus("a"), 3000), seen(status("c"))] };
const rewound = { statuses: [seen(status("a", { epochSeen: 4, following: "c" })), seen(status("c"))] };
const toBePromoted = {
  statuses: [seen(status("a", { following: null })), seen(status("c", { running: false }))],
};
const STANDBY_LEADER = status("a", { role: "standby_leader" });
const free = { dcs: cluster({ lock: lock(FREE) }) };
const older = { vouchedEpoch: 2 };
const standbyCluster = { host: "10.0.0.9" };
const REMOTE = remoteOf(standbyCluster);
const NEEDS_WAL: Partial<PostgresView> = {
  directory: { ...STANDBY_DIRECTORY, control: { ...STANDBY_DIRECTORY.control, minRecoveryLsn: 1001 } },
};

const RUNNING: readonly Case[] = [
  ["while its holder is heard, PostgreSQL connects again by itself", connecting(), "idle"],
  [
    "also to a server that is down: it is the same one",
    connecting({
      statuses: [seen(primaryStatus("a", { running: false, writable: false }), 2999)],
    }),
    "idle",
  ],
  ["it does not connect again to a member that is silent", connecting(silent), "let-go", LET_GO],
  ["nor to one that is not known at all", connecting({ statuses: [] }), "let-go", LET_GO],
  ["nor to one that has heard of a later epoch", connecting(rewound), "let-go", LET_GO],
  [
    "one that is to be promoted follows its predecessor still, and is trusted",
    connecting({ statuses: [seen(status("a", { following: "c" })), seen(status("c"))] }),
    "idle",
  ],
  ["nor to any under an epoch that was granted since", connecting(older), "let-go", LET_GO],
  ["nor where the epoch is not known", connecting({ vouchedEpoch: null }), "let-go", LET_GO],
  [
    "in a directory that is not the cluster's yet it goes on as well: WAL was compared before it was pointed there",
    connecting({}, { directory: { ...STANDBY_DIRECTORY, founding: "a 0" } }),
    "idle",
  ],
  ["what streams is left alone", node({ ...silent, ...older }), "idle"],
  ["while the lock is free the last holder is trusted as long", connecting(free), "idle"],
  ["and not longer", connecting({ ...free, ...rewound }), "let-go", LET_GO],
  [
    "another standby is trusted while the tag names it",
    connecting({
      statuses: [primary, seen(status("b", { tags: { replicatefrom: "c" } })), seen(status("c"))],
    }, { following: "c" }),
    "idle",
  ],
  [
    "and while it follows the holder",
    connecting({
      statuses: [
        primary,
        seen(status("b", { tags: { replicatefrom: "c" } })),
        seen(status("c", { following: "d" })),
      ],
    }, { following: "c" }),
    "let-go",
    LET_GO,
  ],
  [
    "and while that one has heard of no later epoch, whomever old words make it follow",
    connecting({
      statuses: [
        primary,
        seen(status("b", { tags: { replicatefrom: "c" } })),
        seen(status("c", { epochSeen: 4, following: "d" })),
        seen(status("d", { following: "a" }), 60_000),
      ],
    }, { following: "c" }),
    "let-go",
    LET_GO,
  ],
  [
    "an unfenced holder is trusted while its agent is away: no later epoch is granted",
    connecting({ ...silent, ...PAUSED, dcs: UNFENCED }),
    "idle",
  ],
  [
    "but not where the records may be old",
    connecting({ ...silent, ...PAUSED, dcs: UNFENCED, raftLostForMs: 3000 }),
    "let-go",
    LET_GO,
  ],
  [
    "it goes straight from its last primary to a standby that is about to be promoted",
    connecting({ ...older, walEpoch: 2, ...toBePromoted }, { following: "c" }),
    "follow",
    { kind: "follow", follow: from("a") },
  ],
  [
    "also when it was cut off meanwhile",
    connecting({ vouchedEpoch: null, walEpoch: 2, ...toBePromoted }, { following: null }),
    "follow",
    { kind: "follow", follow: from("a") },
  ],
  [
    "not to one that is silent: it would be let go again at once",
    connecting(
      { ...older, walEpoch: 2, statuses: [seen(status("a", { following: null }), 3000), seen(status("c"))] },
      { following: "c" },
    ),
    "let-go",
    LET_GO,
  ],
  [
    "and one that follows nobody waits for it",
    connecting(
      { ...older, walEpoch: 2, statuses: [seen(status("a", { following: null }), 3000), seen(status("c"))] },
      { following: null },
    ),
    "follow",
  ],
  [
    "where its WAL is not known to be the last holder's, numbers of timelines say nothing",
    connecting({ vouchedEpoch: null, walEpoch: null, ...toBePromoted }, { following: null }),
    "follow",
  ],
  [
    "or that of one long before",
    connecting({ vouchedEpoch: null, walEpoch: 1, ...toBePromoted }, { following: null }),
    "follow",
  ],
  [
    "one that follows nobody is compared before it is pointed there",
    connecting(older, { following: null }),
    "follow",
    COMPARE,
  ],
  [
    "a server that others have promoted has nobody to let go",
    connecting({ ...older, ...PAUSED }, { inRecovery: false }),
    "idle",
  ],
  [
    "the holder is about to be promoted",
    holder({ ...older, postgres: postgres({ replicationState: null }) }),
    "promote",
    { kind: "promote", epoch: 3 },
  ],
  [
    "a former standby leader has streamed from elsewhere, and is pointed at its successor",
    connecting({
      ...older,
      dynamic: { ...DYNAMIC, standbyCluster },
      statuses: [seen(STANDBY_LEADER)],
    }, { following: REMOTE.name, followingUrl: REMOTE.connUrl }),
    "follow",
    { kind: "follow", follow: from("a") },
  ],
  ...([
    ["that takes writes already", seen(primaryStatus("a"))],
    ["that has left recovery", seen(status("a", { role: "standby_leader", walLsn: 1000 }))],
    ["that is silent", seen(STANDBY_LEADER, 3000)],
    ["that has heard of a later epoch", seen(status("a", { role: "standby_leader", epochSeen: 4 }))],
  ] as const).map(([what, leader]): Case => [
    `in a standby cluster a leader ${what} is not followed: it may have been promoted`,
    connecting({ dynamic: { ...DYNAMIC, standbyCluster }, statuses: [leader] }, { following: null }),
    "follow",
  ]),
  [
    "in a standby cluster, too, WAL is compared where it may be that of a former primary",
    connecting({
      vouchedEpoch: null,
      walEpoch: null,
      dynamic: { ...DYNAMIC, standbyCluster },
      statuses: [seen(STANDBY_LEADER)],
    }, { following: null }),
    "follow",
    COMPARE,
  ],
];

const STARTED: readonly Case[] = [
  ["a standby of this epoch is started at once", stopped(), "start-standby", start("a")],
  ["also where it has followed nobody", stopped({}, { following: null }), "start-standby", start("a")],
  [
    "one of an earlier epoch is compared first, with all that is on its disk",
    stopped(older),
    "compare",
    COMPARE_ALL,
  ],
  ["one of which nothing is known as well", stopped({ vouchedEpoch: null }), "compare", COMPARE_ALL],
  [
    "with the same history it is started",
    stopped(older, { divergence: verdict("same") }),
    "start-again",
    start("a"),
  ],
  [
    "in a standby cluster the leader may tell two timelines",
    stopped(
      { ...older, dynamic: { ...DYNAMIC, standbyCluster }, statuses: [seen(STANDBY_LEADER)] },
      { divergence: { ...verdict("same", 90_001), timelineOfOther: 7 } },
    ),
    "start-again",
    start("a"),
  ],
  [
    "and an old verdict is none",
    stopped(
      { ...older, dynamic: { ...DYNAMIC, standbyCluster }, statuses: [seen(STANDBY_LEADER)] },
      { divergence: { ...verdict("same", 90_000), timelineOfOther: 7 } },
    ),
    "compare",
    COMPARE_ALL,
  ],
  [
    "a primary that cannot be asked does not keep it from its start",
    stopped(older, { divergence: verdict("unknown") }),
    "start-standby",
    start(null),
  ],
  [
    "without a primary to compare with, it follows nobody",
    stopped({ ...older, ...silent }),
    "start-standby",
    start(null),
  ],
  [
    "what would not come up so waits for a primary",
    stopped({ ...older, ...silent }, NEEDS_WAL),
    "await-primary",
  ],
  ["and one that is known is started all the same", stopped(silent, NEEDS_WAL), "start-standby", start("a")],
  ["while the lock is free, too", stopped(free, NEEDS_WAL), "start-to-report", start("a")],
  [
    "where it is not known it waits there as well",
    stopped({ ...free, ...older }, NEEDS_WAL),
    "start-to-report",
  ],
  ["or follows nobody", stopped({ ...free, ...older }), "start-to-report", start(null)],
  [
    "a last holder that was rewound is not followed",
    stopped({ ...free, ...rewound }),
    "start-to-report",
    start(null),
  ],
];

decides(VOUCHED, [...RUNNING, ...STARTED]);
