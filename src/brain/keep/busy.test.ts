/** Long actions that are under way. */
import {
  DYNAMIC,
  holder,
  node,
  postgres,
  primaryStatus,
  RUNNING_PRIMARY,
  seen,
  status,
  STOPPED,
} from "../testing.ts";
import type { DynamicConfig } from "../../model/config.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import { BUSY } from "./busy.ts";
import { type Case, decides, failed, FAST, IMMEDIATE, KILL, PAUSED } from "./testing.ts";
import type { NodeView } from "./view.ts";

/** The holder, for so long in a restart that may take 30 s. */
function restarting(forMs: number, server: Partial<PostgresView> = {}): NodeView {
  return holder({
    restartTimeoutS: 30,
    postgres: postgres({
      ...RUNNING_PRIMARY,
      process: "starting",
      action: { kind: "restart", sinceMs: 100_000 - forMs, detail: "" },
      ...server,
    }),
  });
}

const RUNNING_ACTION = { sinceMs: 99_000, detail: "" };
/** The holder's start to be promoted, after a rewind. */
function startingRewound(sinceMs: number, change: Partial<NodeView> = {}): NodeView {
  const rewind = { kind: "rewind", ok: true, atMs: 89_000, detail: "", failures: 0 } as const;
  return holder({
    heldSinceMs: 80_000,
    postgres: postgres({
      process: "starting",
      inRecovery: null,
      following: null,
      action: { kind: "start", sinceMs, detail: "" },
      last: { rewind },
    }),
    ...change,
  });
}

/** A standby that was started without an upstream. */
function startingAlone(change: Partial<NodeView> = {}, own: Partial<PostgresView> = {}): NodeView {
  return node({
    vouchedEpoch: null,
    startingForMs: 10_000,
    postgres: postgres({
      process: "starting",
      inRecovery: null,
      following: null,
      replicationState: null,
      action: { kind: "start", ...RUNNING_ACTION },
      ...own,
    }),
    ...change,
  });
}

/** The holder is the leader of a standby cluster. */
const BEHIND_REMOTE = {
  statuses: [seen(status("a", { role: "standby_leader" }))],
  dynamic: { ...DYNAMIC, standbyCluster: { host: "10.0.0.9" } as DynamicConfig["standbyCluster"] },
};

const CASES: readonly Case[] = [
  [
    "a standby that cannot come up without WAL, and follows nobody, is stopped to get it",
    startingAlone(),
    "starts-in-vain",
    IMMEDIATE,
  ],
  [
    "also one that an earlier agent has started",
    startingAlone({}, { action: null }),
    "starts-in-vain",
    IMMEDIATE,
  ],
  ["it has some time to replay what it has", startingAlone({ startingForMs: 9_999 }), "busy"],
  ["without a primary it waits", startingAlone({ statuses: [] }), "busy"],
  ["one that follows somebody gets its WAL there", startingAlone({}, { following: "a" }), "busy"],
  [
    "but not from the leader of a standby cluster, which was rewound since then",
    startingAlone({ ...BEHIND_REMOTE, upstreamRewoundMs: 90_001 }, { following: "a" }),
    "starts-in-vain",
    IMMEDIATE,
  ],
  [
    "nor is it streamed from for a moment: it may be promoted again at once",
    startingAlone({ ...BEHIND_REMOTE, startingForMs: 500, upstreamRewoundMs: 99_501, statuses: [] }, {
      following: "a",
    }),
    "starts-in-vain",
    IMMEDIATE,
  ],
  [
    "where it was such a leader before, it has its WAL",
    startingAlone({ ...BEHIND_REMOTE, upstreamRewoundMs: 90_000 }, { following: "a" }),
    "busy",
  ],
  ["a change of other settings is none", startingAlone({ roleMs: 90_001 }, { following: "a" }), "busy"],
  [
    "nor from a primary that was such a leader meanwhile, though this member hears of it afterwards",
    startingAlone({ upstreamRewoundMs: 90_001 }, { following: "a" }),
    "starts-in-vain",
    IMMEDIATE,
  ],
  [
    "not one that follows the last primary, which was rewound and has that WAL no more",
    startingAlone({}, { following: "c" }),
    "starts-in-vain",
    IMMEDIATE,
  ],
  [
    "unless it is to follow that standby",
    startingAlone({
      statuses: [
        seen(primaryStatus("a")),
        seen(status("b", { tags: { replicatefrom: "c" } })),
        seen(status("c", { following: "a" })),
      ],
    }, { following: "c" }),
    "busy",
  ],
  ["in pause nothing is stopped", startingAlone(PAUSED), "busy"],
  [
    "a crash recovery beyond primary_start_timeout is ended",
    holder({
      dynamic: { ...DYNAMIC, primaryStartTimeoutS: 10 },
      postgres: postgres({
        ...RUNNING_PRIMARY,
        process: "starting",
        crashedAtMs: 80_000,
        action: { kind: "start", ...RUNNING_ACTION },
      }),
    }),
    "start-overdue",
    KILL,
  ],
  [
    "with a timeout of 0 the start of a server that was down when it was chosen has 10 s",
    chosenDown(9_999),
    "busy",
  ],
  ["after them it is ended", chosenDown(10_000), "start-overdue", KILL],
  ["in pause no start is ended", {
    ...chosenDown(10_000),
    dynamic: { ...PAUSED.dynamic, primaryStartTimeoutS: 0 },
  }, "busy"],
  ["a restart that has time left is waited for", restarting(29_999), "busy"],
  ["a restart without a limit is waited for", { ...restarting(90_000), restartTimeoutS: null }, "busy"],
  ["a restart that hangs in the start is ended", restarting(30_000), "restart-overdue", KILL],
  [
    "one that has not come through its shutdown becomes an ordinary stop, which loses nothing",
    restarting(30_000, { process: "stopping" }),
    "restart-overdue",
    FAST,
  ],
  [
    "one whose checkpoint takes too long, too",
    restarting(30_000, { process: "running" }),
    "restart-overdue",
    FAST,
  ],
  ["with nobody else it is waited for", { ...restarting(90_000), statuses: [] }, "busy"],
  ["in pause no lock is handed over", { ...restarting(90_000), ...PAUSED }, "busy"],
  [
    "a standby's restart has no lock to hand over",
    node({
      restartTimeoutS: 30,
      postgres: postgres({ process: "starting", action: { kind: "restart", sinceMs: 0, detail: "" } }),
    }),
    "busy",
  ],
  [
    "a long action is waited for",
    node({
      postgres: postgres({
        ...STOPPED,
        directory: { kind: "half-written", what: "clone" },
        action: { kind: "clone", ...RUNNING_ACTION },
      }),
    }),
    "busy",
  ],
  ["a primary that is being stopped already is left to it", {
    ...holder({
      postgres: postgres({
        ...RUNNING_PRIMARY,
        action: { kind: "stop", sinceMs: 0, detail: "fast" },
      }),
    }),
    watchdogFailed: true,
  }, "busy"],
  [
    "a crash recovery beyond primary_start_timeout goes on when nobody else could serve",
    holder({
      dynamic: { ...DYNAMIC, primaryStartTimeoutS: 10 },
      statuses: [],
      postgres: postgres({
        ...RUNNING_PRIMARY,
        process: "starting",
        crashedAtMs: 80_000,
        action: { kind: "start", sinceMs: 80_000, detail: "" },
      }),
    }),
    "busy",
  ],
  [
    "a server that was starting when its agent was started has primary_start_timeout, too",
    starting(299_999),
    "standby-starting",
  ],
  ["beyond that it is ended", starting(300_000), "start-overdue", KILL],
  [
    "after 10 s where it was rewound to follow a cluster that it does not follow any more",
    startingRewound(90_000),
    "start-overdue",
    KILL,
  ],
  ["not before", startingRewound(90_001), "busy"],
  ["while it follows that cluster it is waited for", startingRewound(90_000, BEHIND_REMOTE), "busy"],
  ["nor does a rewind of an earlier epoch count", startingRewound(90_000, { heldSinceMs: 89_001 }), "busy"],
  ["without another member it is waited for all the same", startingRewound(90_000, { statuses: [] }), "busy"],
  ["a primary, too", starting(300_000, { writable: true, epoch: 3 }), "start-overdue", KILL],
  ["without another member it is waited for", { ...starting(300_000), statuses: [] }, "standby-starting"],
  [
    "a server that a restart has begun to start is ended alike",
    starting(300_000, { action: { kind: "restart", ...RUNNING_ACTION } }),
    "start-overdue",
    KILL,
  ],
  [
    "even a timeout of 0 leaves a server that may have served a moment ago some time",
    { ...starting(9_999), dynamic: { ...DYNAMIC, primaryStartTimeoutS: 0 } },
    "standby-starting",
  ],
  ["a promotion that goes on is waited for, however long it takes", promoting(3_999), "busy"],
  ["a promotion that stands still is ended", promoting(4_000), "promotion-hangs", KILL],
  ["after a failure it has twice the time", promoting(7_999, { last: failed("promote", 1, 90_000) }), "busy"],
  [
    "after a failure it is ended all the same",
    promoting(8_000, { last: failed("promote", 1, 90_000) }),
    "promotion-hangs",
    KILL,
  ],
  ["with nobody else it has twice the time", { ...promoting(7_999), statuses: [] }, "busy"],
  [
    "with nobody else it is ended, to be tried again",
    { ...promoting(8_000), statuses: [] },
    "promotion-hangs",
    KILL,
  ],
  [
    "what precedes it (pre_promote) is waited for",
    holder({ postgres: postgres({ action: { kind: "promote", sinceMs: 0, detail: "" } }) }),
    "busy",
  ],
];

/** Chosen for so long, with a stopped server, whose start is under way. */
function chosenDown(forMs: number): NodeView {
  return holder({
    heldSinceMs: 100_000 - forMs,
    dynamic: { ...DYNAMIC, primaryStartTimeoutS: 0 },
    postgres: postgres({
      ...RUNNING_PRIMARY,
      process: "starting",
      inRecovery: null,
      action: { kind: "start", sinceMs: 100_500 - forMs, detail: "primary" },
    }),
  });
}

function starting(startingForMs: number, change: Partial<PostgresView> = {}): NodeView {
  return holder({ startingForMs, postgres: postgres({ process: "starting", inRecovery: null, ...change }) });
}

function promoting(stillForMs: number, change: Partial<PostgresView> = {}): NodeView {
  const action = { kind: "promote", sinceMs: 0, detail: "", movedMs: 100_000 - stillForMs } as const;
  return holder({ nowMs: 100_000, postgres: postgres({ writable: true, epoch: 3, action, ...change }) });
}

decides(BUSY, CASES);
