/** The node that holds the lock. */
import { expect, test } from "bun:test";
import {
  cluster,
  DYNAMIC,
  holder,
  lock,
  postgres,
  PRIMARY_DIRECTORY,
  RUNNING_PRIMARY,
  seen,
  STANDBY_DIRECTORY,
  status,
  STOPPED,
  streamingTo,
  SWITCHOVER,
} from "../testing.ts";
import { remoteOf } from "../../model/standby_cluster.ts";
import type { Upstream } from "../../model/upstream.ts";
import { HOLDER_RUNNING } from "./holder_running.ts";
import { HOLDER_GIVES_UP, HOLDER_STOPPED } from "./holder_stopped.ts";
import { keep } from "./rules.ts";
import {
  type Case,
  decides,
  failed,
  FAST,
  FAST_AFTER_CHECKPOINT,
  FORMER,
  LET_GO,
  LOST,
  PAUSED,
  PROMOTE,
  RELEASE,
  START_PRIMARY,
} from "./testing.ts";
import type { NodeView } from "./view.ts";

const HOLDER = [...HOLDER_GIVES_UP, ...HOLDER_STOPPED, ...HOLDER_RUNNING];

const ended = (kind: "restart" | "stop" | "start", atMs: number, ok = true) => ({
  kind,
  ok,
  atMs,
  detail: "",
  failures: ok ? 0 : 1,
});
const GAVE_UP = {
  ...STOPPED,
  directory: PRIMARY_DIRECTORY,
  last: { restart: ended("restart", 95_000, false), stop: ended("stop", 96_000) },
};

const REMOTE = remoteOf({ host: "10.0.0.9" });
/** Rewound to that one's history, whose WAL is on the disk up to `walEnd`. */
function rewoundFor(lastRemote: Upstream, walEnd: { readonly timeline: number; readonly lsn: number }) {
  const control = { ...STANDBY_DIRECTORY.control, minRecoveryLsn: 1000 };
  const directory = { ...STANDBY_DIRECTORY, control };
  return holder({ lastRemote, postgres: postgres({ ...STOPPED, directory, walEnd }) });
}

const IN_ORDER = {
  ...PRIMARY_DIRECTORY,
  control: { ...PRIMARY_DIRECTORY.control, clusterState: "shut down" },
};

/** b and c are heard with their data; V are `voters`, each a name of one letter. */
function promised(voters: string, quorum: number): Pick<NodeView, "dcs" | "statuses"> {
  const data = Object.fromEntries([..."a", ...voters].map((name) => [name, `data-${name}`]));
  return {
    dcs: cluster({ sync: { leader: "a", syncStandby: [...voters], quorum, data, revision: 1 } }),
    statuses: ["b", "c"].map((name) => seen(status(name, { dataToken: `data-${name}` }))),
  };
}

/** The lock was granted to `a` with its data, "data-a", and transactions are promised. */
function withData(
  directory: object,
  state: object = STOPPED,
  more: Partial<NodeView> = promised("b", 0),
): NodeView {
  return holder({
    ...more,
    postgres: postgres({ ...state, directory: { ...PRIMARY_DIRECTORY, ...directory } }),
  });
}

/** The WAL on its disk ends at 1000 of timeline 1; b, which is one of the voters, is as given. */
function beside(b: Parameters<typeof status>[1], voters = "b", own: object = {}, ageMs = 0): NodeView {
  const { dcs } = promised(voters, 0);
  const statuses = [seen(status("b", { dataToken: "data-b", timeline: 1, replayedLsn: 1001, ...b }), ageMs)];
  return withData({ dataId: "data-a", ...own }, STOPPED, { dcs, statuses });
}

const CASES: readonly Case[] = [
  [
    "a primary with less on its disk than a synchronous standby has replayed gives the lock up, and no end",
    beside({}),
    "short-directory",
    { kind: "release", epoch: 3, unable: true, unclean: true },
  ],
  ...([
    ["that has as much", beside({ replayedLsn: 1000 })],
    ["that has only received more", beside({ receivedLsn: 2000, replayedLsn: 1000 })],
    ["on another timeline", beside({ timeline: 2 })],
    ["with other data", beside({ dataToken: "data-x" })],
    ["that is none", beside({}, "c")],
    ["that was heard long ago", beside({}, "b", {}, 1200)],
  ] as const).map(([what, view]): Case => [`not beside a standby ${what}`, view, "start-primary"]),
  [
    "nor before it was a primary: another one may have had more that nobody acknowledged",
    beside({}, "b", STANDBY_DIRECTORY),
    "start-to-promote",
    { "kind": "start-standby", "follow": null },
  ],
  [
    "a primary whose directory was replaced while it was down gives the lock up",
    withData({ dataId: "anew" }),
    "other-directory",
    LET_GO,
  ],
  [
    "so does one with a directory that no agent has managed",
    withData({ unmanaged: true }),
    "other-directory",
    LET_GO,
  ],
  [
    "and one that is to be promoted yet",
    withData({ ...STANDBY_DIRECTORY, dataId: "anew" }),
    "other-directory",
    LET_GO,
  ],
  [
    "one that was started by hand, as the standby that it was, is stopped for that",
    withData({ ...STANDBY_DIRECTORY, dataId: "anew" }, {}),
    "other-directory-runs",
    FAST,
  ],
  ["with the data that it had it does not", withData({ dataId: "data-a" }), "start-primary"],
  [
    "also where nothing is promised",
    withData({ dataId: "anew" }, STOPPED, {}),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "a standby that holds the lock waits for its first renewal",
    holder({ leaseUsable: false, postgres: postgres() }),
    "promote",
  ],
  [
    "a standby that holds the lock with a running lease is promoted",
    holder({ postgres: postgres() }),
    "promote",
    PROMOTE,
  ],
  [
    "a stopped primary directory is not started without a running lease",
    holder({ leaseUsable: false, postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }) }),
    "start-primary",
  ],
  [
    "a stopped primary directory is started under the epoch",
    holder({ postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }) }),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "a stopped standby that holds the lock starts as a standby first",
    holder({ postgres: postgres({ ...STOPPED, directory: STANDBY_DIRECTORY }) }),
    "start-to-promote",
    { "kind": "start-standby", "follow": null },
  ],
  [
    "where it was rewound for another cluster, with the WAL of that one that its data needs",
    rewoundFor(REMOTE, { timeline: 1, lsn: 999 }),
    "start-to-promote",
    { "kind": "start-standby", "follow": REMOTE },
  ],
  [
    "not where it has that WAL",
    rewoundFor(REMOTE, { timeline: 1, lsn: 1000 }),
    "start-to-promote",
    { "kind": "start-standby", "follow": null },
  ],
  [
    "nor from an archive alone",
    rewoundFor(remoteOf({ restoreCommand: "cp" }), { timeline: 1, lsn: 999 }),
    "start-to-promote",
    { "kind": "start-standby", "follow": null },
  ],
  [
    "a standby that its guard fences as a primary already, and that nobody has told, is promoted",
    holder({ postgres: postgres({ writable: true, epoch: 3 }) }),
    "promote",
    PROMOTE,
  ],
  [
    "a failed promotion is not tried again at once",
    holder({ postgres: postgres({ last: failed("promote", 1, 99_500) }) }),
    "promote",
  ],
  [
    "a frozen primary is left to the guard",
    holder({ postgres: postgres({ ...RUNNING_PRIMARY, process: "frozen" }), leaseUsable: false }),
    "frozen",
  ],
  [
    "a crashed primary is started again in place",
    holder({
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, crashedAtMs: 99_900, state: "crashed" }),
    }),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "with primary_start_timeout 0 a crashed primary gives the lock up at once",
    holder({
      dynamic: { ...DYNAMIC, primaryStartTimeoutS: 0 },
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, crashedAtMs: 99_999 }),
    }),
    "crash-hand-over",
    LET_GO,
  ],
  [
    "so does one that went down while no agent ran: its start would be ended at once",
    holder({
      dynamic: { ...DYNAMIC, primaryStartTimeoutS: 0 },
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }),
    }),
    "crash-hand-over",
    LET_GO,
  ],
  [
    "one that was down when it was chosen is started",
    holder({
      heldSinceMs: 99_000,
      dynamic: { ...DYNAMIC, primaryStartTimeoutS: 0 },
      postgres: postgres({
        ...STOPPED,
        directory: PRIMARY_DIRECTORY,
        last: { start: ended("start", 98_000) },
      }),
    }),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "a crash before the epoch was granted is no reason to give it up",
    holder({
      heldSinceMs: 99_999.5,
      dynamic: { ...DYNAMIC, primaryStartTimeoutS: 0 },
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, crashedAtMs: 99_999 }),
    }),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "a server that was down at the grant and has not come up for long gives the lock up",
    holder({
      nowMs: 120_000,
      heldSinceMs: 105_000,
      statuses: [seen(status("b"), 0)],
      dynamic: { ...DYNAMIC, primaryStartTimeoutS: 5 },
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, crashedAtMs: 99_000 }),
    }),
    "crash-hand-over",
    LET_GO,
  ],
  [
    "without a possible successor it restarts in place all the same",
    holder({
      dynamic: { ...DYNAMIC, primaryStartTimeoutS: 0 },
      statuses: [],
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, crashedAtMs: 99_999 }),
    }),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "a standby that others have promoted is no possible successor",
    holder({
      dynamic: { ...DYNAMIC, primaryStartTimeoutS: 0 },
      statuses: [seen(status("b", { timeline: 2, walLsn: 9000, receivedLsn: null, replayedLsn: null }))],
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, crashedAtMs: 99_999 }),
    }),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "a holder without a data directory gives the lock up",
    holder({ postgres: postgres({ ...STOPPED, directory: { kind: "absent" } }) }),
    "no-directory",
    LET_GO,
  ],
  [
    "an accepted switchover stops the primary",
    holder({
      dcs: cluster({ failover: SWITCHOVER }),
    }),
    "step-down",
    FAST_AFTER_CHECKPOINT,
  ],
  [
    "after the stop for a switchover the lock is released",
    holder({
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }),
      dcs: cluster({ failover: SWITCHOVER }),
    }),
    "stepped-down",
    RELEASE,
  ],
  [
    "a primary that was ended with its lease comes back read-only when raft stays away",
    holder({ ...LOST, postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }) }),
    "read-only",
    { "kind": "start-standby", "follow": null, "readOnly": true },
  ],
  [
    "a new holder whose raft leader answers waits for its lease, and is not started read-only",
    holder({
      ...LOST,
      raftLostForMs: 4999,
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }),
    }),
    "start-primary",
  ],
  ["read-only, it is promoted only with a lease", holder({ ...LOST, postgres: FORMER }), "promote"],
  ["with a lease it is the primary again", holder({ postgres: FORMER }), "promote", PROMOTE],
  [
    "a primary does not step down for a candidate that does not stream from it",
    holder({
      dcs: cluster({ failover: SWITCHOVER }),
      postgres: postgres({ ...RUNNING_PRIMARY, replication: [streamingTo("c")] }),
    }),
    "step-down",
  ],
  [
    "without a named candidate any member that streams will do",
    holder({
      dcs: cluster({ failover: { ...SWITCHOVER, candidate: null } }),
      postgres: postgres({ ...RUNNING_PRIMARY, replication: [streamingTo("c")] }),
    }),
    "step-down",
    FAST_AFTER_CHECKPOINT,
  ],
  [
    "a stop that failed is not tried again at once",
    holder({
      dcs: cluster({ failover: SWITCHOVER }),
      postgres: postgres({
        ...RUNNING_PRIMARY,
        last: { stop: { kind: "stop", ok: false, atMs: 99_000, detail: "", failures: 1 } },
      }),
    }),
    "step-down",
  ],
  [
    "a primary that was stopped since its restart took too long gives the lock up",
    holder({ restartTimeoutS: 30, postgres: postgres(GAVE_UP) }),
    "restart-gave-up",
    RELEASE,
  ],
  [
    "with nobody else it is started",
    holder({ restartTimeoutS: 30, postgres: postgres(GAVE_UP), statuses: [] }),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "what was started since then begins anew",
    holder({
      restartTimeoutS: 30,
      postgres: postgres({ ...GAVE_UP, last: { ...GAVE_UP.last, start: ended("start", 97_000) } }),
    }),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "a restart that failed under an earlier tenure is forgotten",
    holder({ restartTimeoutS: 30, heldSinceMs: 96_000, postgres: postgres(GAVE_UP) }),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "a primary without a data directory gives the lock back",
    holder({ postgres: postgres({ ...STOPPED, directory: { kind: "absent" } }) }),
    "no-directory",
    LET_GO,
  ],
  [
    "in pause a primary that crashed is started when a restart is asked for",
    holder({
      ...PAUSED,
      wantsRestart: true,
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, crashedAtMs: 0 }),
    }),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "in pause a requested switchover stops the primary",
    holder({ ...PAUSED, dcs: cluster({ lock: lock({ unfenced: true }), failover: SWITCHOVER }) }),
    "step-down",
    FAST_AFTER_CHECKPOINT,
  ],
  [
    "in pause the winner of a request is promoted",
    holder({ ...PAUSED, postgres: postgres() }),
    "promote",
    PROMOTE,
  ],
  [
    "also when its guard fences it as a primary already",
    holder({ ...PAUSED, postgres: postgres({ writable: true, epoch: 3 }) }),
    "promote",
    PROMOTE,
  ],
  ["a holder that is frozen waits for the guard", {
    ...holder({ postgres: postgres({ ...RUNNING_PRIMARY, process: "frozen" }) }),
    watchdogFailed: true,
  }, "frozen"],
  [
    "a server that does not start gives the lock up for one that could serve",
    holder({
      nowMs: 200_000,
      statuses: [seen(status("b"))],
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, last: failed("start", 3) }),
    }),
    "start-fails",
    LET_GO,
  ],
  [
    "a start that hung was killed: the lock goes to one that could serve at once",
    startHung(),
    "start-fails",
    LET_GO,
  ],
  ["with nobody else it is started again", { ...startHung(), statuses: [] }, "start-primary", START_PRIMARY],
  [
    "a start that was killed under an earlier epoch is no reason",
    { ...startHung(), heldSinceMs: 91_000 },
    "start-primary",
    START_PRIMARY,
  ],
  [
    "a member that sits out is none that could serve",
    {
      ...startHung(),
      statuses: [
        seen(status("b", { leadFailure: { at: "t", why: "a full disk", times: 1, sitsOut: true } })),
      ],
    },
    "start-primary",
    START_PRIMARY,
  ],
  [
    "acknowledged transactions are promised: one that can prove to have them could serve",
    { ...startHung(), ...promised("b", 0) },
    "start-fails",
    LET_GO,
  ],
  [
    "one that cannot is none that could",
    { ...startHung(), ...promised("", 0) },
    "start-primary",
  ],
  [
    "nor is one that others have to vote for, which are not heard",
    { ...startHung(), ...promised("bd", 1) },
    "start-primary",
  ],
  [
    "a holder that was not promoted is tried again, too: a lock that it let go would lie free",
    { ...gaveUp(), ...promised("", 0) },
    "start-to-promote",
    { "kind": "start-standby", "follow": null },
  ],
  [
    "after an end in order each of them could serve",
    holder({
      restartTimeoutS: 30,
      postgres: postgres({ ...GAVE_UP, directory: IN_ORDER }),
      ...promised("", 0),
    }),
    "restart-gave-up",
    RELEASE,
  ],
  [
    "a hook that refuses a promotion once gives the lock to another member",
    holder({
      postgres: postgres({
        last: {
          promote: {
            kind: "promote",
            ok: false,
            atMs: 99_500,
            failures: 1,
            detail: "pre_promote: exit code 1",
          },
        },
      }),
    }),
    "promotion-fails",
    FAST,
  ],
  [
    "a server that did not start twice is tried again",
    holder({ postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, last: failed("start", 2) }) }),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "a standby that is starting is waited for",
    holder({ postgres: postgres({ process: "starting" }) }),
    "standby-starting",
  ],
  [
    "a server that is not promoted again and again is stopped for one that could serve",
    holder({ postgres: postgres({ last: failed("promote", 3, 99_500) }) }),
    "promotion-fails",
    FAST,
  ],
  [
    "without one that could serve it is tried again",
    holder({ statuses: [], postgres: postgres({ last: failed("promote", 3, 99_500) }) }),
    "promote",
  ],
  [
    "what was told to be promoted and has not been is promoted again, by an agent that was started meanwhile",
    holder({ postgres: postgres({ writable: true, epoch: 3 }) }),
    "promote",
    PROMOTE,
  ],
  [
    "in pause, too",
    holder({ ...PAUSED, postgres: postgres({ writable: true, epoch: 3 }) }),
    "promote",
    PROMOTE,
  ],
  [
    "stopped for its promotion that hung, it gives the lock to one that could serve",
    gaveUp(),
    "promotion-gave-up",
    LET_GO,
  ],
  [
    "with nobody else it is started to be promoted again",
    { ...gaveUp(), statuses: [] },
    "start-to-promote",
    { "kind": "start-standby", "follow": null },
  ],
  [
    "a promotion that failed under an earlier epoch is no reason",
    { ...gaveUp(), heldSinceMs: 99_000 },
    "start-to-promote",
    { "kind": "start-standby", "follow": null },
  ],
  [
    "a standby that ended by itself while it was promoted is started again",
    gaveUp({ ok: true, atMs: 97_000 }),
    "start-to-promote",
    { "kind": "start-standby", "follow": null },
  ],
  [
    "with a lease it is started as the primary, however long raft had been away",
    holder({ ...LOST, leaseUsable: true, postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }) }),
    "start-primary",
    START_PRIMARY,
  ],
];

function startHung(): NodeView {
  const last = {
    ...failed("start", 1, 90_000),
    stop: { kind: "stop", detail: "kill", failures: 0, ok: true, atMs: 90_100 },
  } as const;
  return holder({
    heldSinceMs: 60_000,
    postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, last }),
  });
}

function gaveUp(stop = { ok: true, atMs: 98_100 }): NodeView {
  const last = {
    ...failed("promote", 1, 98_000),
    stop: { kind: "stop", detail: "kill", failures: 0, ...stop },
  } as const;
  return holder({
    heldSinceMs: 90_000,
    postgres: postgres({ ...STOPPED, directory: STANDBY_DIRECTORY, last }),
  });
}

decides(HOLDER, CASES);

test("a new holder begins to write only after the wait of failsafe mode", () => {
  const failsafe = { epoch: 2, holder: "c", members: { a: "", c: "" }, revision: 9 };
  const dcs = cluster({ failsafe });
  const waiting = holder({ dcs, failsafeWait: true, postgres: postgres() });
  expect(keep(waiting)).toEqual({
    rule: "promote",
    actions: [],
    reason:
      "this member holds the lock, waiting: c may still be the primary in failsafe mode for up to a ttl",
  });
  expect(keep({ ...waiting, failsafeWait: false }).actions).toEqual([{ kind: "promote", epoch: 3 }]);
  const stopped = { ...waiting, postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }) };
  expect(keep(stopped).actions).toEqual([]);
  expect(keep({ ...stopped, failsafeWait: false }).actions).toEqual([{ kind: "start-primary", epoch: 3 }]);
});

test("what recovers to a target under the lock, and is no standby, is left to its recovery", () => {
  const recovering = postgres({ writable: true, epoch: 3, directory: PRIMARY_DIRECTORY });
  expect(keep(holder({ postgres: recovering })).actions).toEqual([]);
});
