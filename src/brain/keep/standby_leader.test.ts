/** The node holds the lock of a standby cluster. */
import { expect, test } from "bun:test";
import { remoteOf } from "../../model/standby_cluster.ts";
import {
  cluster,
  duty,
  DYNAMIC,
  FREE,
  holder,
  lock,
  node,
  postgres,
  PRIMARY_DIRECTORY,
  RUNNING_PRIMARY,
  seen,
  STANDBY_DIRECTORY,
  status,
  STOPPED,
  SWITCHOVER,
} from "../testing.ts";
import { duties, missesWal } from "../duties.ts";
import { keep } from "./rules.ts";
import { STANDBY_LEADER } from "./standby_leader.ts";
import {
  type Case,
  clone,
  decides,
  failed,
  FAST,
  FAST_AFTER_CHECKPOINT,
  from,
  KILL,
  LET_GO,
  PROMOTE,
  RELEASE,
} from "./testing.ts";
import type { NodeView } from "./view.ts";

const STANDBY_CLUSTER = { host: "10.0.0.9" };
const REMOTE = remoteOf(STANDBY_CLUSTER);
const FOLLOWS_ARCHIVE = { ...DYNAMIC, standbyCluster: { restoreCommand: "cp" } };
const IN = { dynamic: { ...DYNAMIC, standbyCluster: STANDBY_CLUSTER } };
const PAUSED_IN = { dynamic: { ...IN.dynamic, pause: true } };
const FOLLOWING = { following: REMOTE.name, followingUrl: REMOTE.connUrl };
const START = { kind: "start-standby", follow: REMOTE } as const;
const COMPARE = { kind: "compare-history", with: REMOTE } as const;

const leader = (change: Partial<NodeView> = {}) =>
  holder({ ...IN, postgres: postgres(FOLLOWING), ...change });

function found(verdict: "same" | "diverged" | "unknown", atMs = 99_000) {
  return { divergence: { from: REMOTE.name, timelineOfOther: 1, verdict, detail: "", atMs } };
}

const waiting = { divergence: { ...found("same").divergence, strays: ["00000002.history"] } };
const PROMISED = cluster({
  sync: { leader: "a", syncStandby: ["c"], quorum: 0, data: { a: "1", c: "2" }, revision: 1 },
});
const DEMOTED = { ...STOPPED, directory: PRIMARY_DIRECTORY };
const ALONE = { ...STANDBY_DIRECTORY, standbySignal: false, wroteAlone: true };

const CASES: readonly Case[] = [
  ["a standby that holds the lock is not promoted", leader(), "standby-leader"],
  [
    "a new holder, which followed the one before it, is compared with the remote primary",
    leader({ postgres: postgres({ following: "c" }) }),
    "follow-remote",
    COMPARE,
  ],
  [
    "an old verdict is none",
    leader({ postgres: postgres({ following: "c", ...found("same", 90_000) }) }),
    "follow-remote",
    COMPARE,
  ],
  [
    "and follows it where the histories agree",
    leader({ postgres: postgres({ following: "c", ...found("same") }) }),
    "follow-remote",
    { kind: "follow", follow: REMOTE },
  ],
  [
    "or where it does not answer",
    leader({ postgres: postgres({ following: "c", ...found("unknown") }) }),
    "follow-remote",
    { kind: "follow", follow: REMOTE },
  ],
  [
    "but not where they differ: WAL of a timeline of the same number might be streamed into it",
    leader({ postgres: postgres({ following: "c", ...found("diverged") }) }),
    "diverged-remote",
    { kind: "stop", how: "fast", checkpoint: false },
  ],
  [
    "the remote primary has another address",
    leader({ postgres: postgres({ ...FOLLOWING, followingUrl: "postgres://10.0.0.8:5432/postgres" }) }),
    "follow-remote",
    { kind: "follow", follow: REMOTE },
  ],
  [
    "a stopped standby is started as the standby leader",
    leader({ postgres: postgres(STOPPED) }),
    "start-standby-leader",
    START,
  ],
  [
    "without a lease a standby leader is started all the same: it acknowledges nothing",
    leader({ leaseUsable: false, postgres: postgres(STOPPED) }),
    "start-standby-leader",
    START,
  ],
  [
    "the primary of a cluster that becomes a standby cluster is stopped in order",
    holder(IN),
    "demote-cluster",
    FAST_AFTER_CHECKPOINT,
  ],
  ["in pause it is left alone", holder(PAUSED_IN), "pause-holder"],
  [
    "a stop that has just failed is not begun again at once",
    holder({ ...IN, postgres: postgres({ ...RUNNING_PRIMARY, last: failed("stop", 1, 99_900) }) }),
    "demote-cluster",
  ],
  [
    "the former primary's history is compared with the remote one before it is started",
    leader({ postgres: postgres(DEMOTED) }),
    "compare-remote",
    COMPARE,
  ],
  [
    "of the same history: it is started as the standby leader",
    leader({ postgres: postgres({ ...DEMOTED, ...found("same") }) }),
    "start-standby-leader",
    START,
  ],
  [
    "a remote primary that does not answer does not keep reads from being served",
    leader({ postgres: postgres({ ...DEMOTED, ...found("unknown") }) }),
    "start-standby-leader",
    START,
  ],
  [
    "an archive cannot be asked for its history",
    leader({ dynamic: FOLLOWS_ARCHIVE, postgres: postgres(DEMOTED) }),
    "start-standby-leader",
    { kind: "start-standby", follow: remoteOf(FOLLOWS_ARCHIVE.standbyCluster) },
  ],
  [
    "the former primary has more than the remote primary: it is rewound",
    leader({ postgres: postgres({ ...DEMOTED, ...found("diverged") }) }),
    "rewind-remote",
    { kind: "rewind", from: REMOTE },
  ],
  ...[{}, { last: failed("rewind", 2) }].map((more): Case => [
    "nothing that a promise may need is given up before the records say that it has ended",
    leader({ dcs: PROMISED, postgres: postgres({ ...DEMOTED, ...found("diverged"), ...more }) }),
    "rewind-remote",
  ]),
  [
    "where pg_rewind has failed the directory is moved aside",
    leader({ postgres: postgres({ ...DEMOTED, ...found("diverged"), last: failed("rewind", 2) }) }),
    "rewind-remote",
    { kind: "set-aside", why: "pg_rewind failed: broken", after: "rewind-failure" },
  ],
  [
    "but not on an old verdict: the server that the copy is to come from may be another one by now",
    leader({ postgres: postgres({ ...DEMOTED, ...found("diverged", 90_000), last: failed("rewind", 2) }) }),
    "rewind-remote",
    COMPARE,
  ],
  [
    "nor on one from before a change of the configuration, by which another server may be followed",
    leader({
      roleMs: 99_001,
      postgres: postgres({ ...DEMOTED, ...found("diverged", 99_000), last: failed("rewind", 2) }),
    }),
    "rewind-remote",
    COMPARE,
  ],
  [
    "where no copy is allowed the lock goes to another member",
    leader({
      dynamic: { ...IN.dynamic, postgresql: { ...DYNAMIC.postgresql, rejoin: ["hold"] } },
      postgres: postgres({ ...DEMOTED, ...found("diverged") }),
    }),
    "rewind-remote",
    LET_GO,
  ],
  [
    "then the lock goes to another member",
    leader({ postgres: postgres({ ...STOPPED, directory: { kind: "absent" } }) }),
    "no-directory",
    LET_GO,
  ],
  [
    "a stream that is missing for long has the histories compared",
    leader({ notStreamingForMs: 4000, postgres: postgres({ ...FOLLOWING, replicationState: null }) }),
    "no-remote-stream",
    COMPARE,
  ],
  [
    "an archive is not streamed from",
    leader({
      dynamic: FOLLOWS_ARCHIVE,
      notStreamingForMs: 4000,
      postgres: postgres({ following: "remote/archive", followingUrl: "", replicationState: null }),
    }),
    "standby-leader",
  ],
  [
    "a fresh verdict is waited with",
    leader({ notStreamingForMs: 4000, postgres: postgres({ ...FOLLOWING, ...found("unknown") }) }),
    "standby-leader",
  ],
  [
    "a standby leader whose history differs is stopped, to rejoin",
    leader({ postgres: postgres({ ...FOLLOWING, ...found("diverged", 0) }) }),
    "diverged-remote",
    FAST,
  ],
  [
    "and one that waits for a timeline that was given up, to start without its history file",
    leader({
      notStreamingForMs: 4000,
      postgres: postgres({ ...FOLLOWING, replicationState: null, ...waiting }),
    }),
    "diverged-remote",
    FAST,
  ],
  [
    "a short while without a stream is no such wait",
    leader({ postgres: postgres({ ...FOLLOWING, replicationState: null, ...waiting }) }),
    "standby-leader",
  ],
  [
    "in pause it is left alone all the same",
    leader({ ...PAUSED_IN, postgres: postgres({ ...FOLLOWING, ...found("diverged", 0) }) }),
    "standby-leader",
  ],
  [
    "a verdict on the remote primary of before does not count",
    leader({
      postgres: postgres({
        ...FOLLOWING,
        divergence: {
          from: "remote/10.0.0.8:5432",
          timelineOfOther: 1,
          verdict: "diverged",
          detail: "",
          atMs: 0,
        },
      }),
    }),
    "standby-leader",
  ],
  [
    "what was written without the lock is looked for although it streams",
    leader({ postgres: postgres({ ...FOLLOWING, directory: ALONE }) }),
    "no-remote-stream",
    COMPARE,
  ],
  [
    "a standby leader that somebody promoted is ended",
    leader({ postgres: postgres({ ...FOLLOWING, inRecovery: false }), statuses: [seen(status("a"))] }),
    "promoted-by-others",
    KILL,
  ],
  [
    "another standby leader is wanted: the lock is released while PostgreSQL runs",
    leader({ dcs: cluster({ failover: SWITCHOVER }) }),
    "standby-hand-over",
    RELEASE,
  ],
  [
    "a server that starts is waited for",
    leader({ postgres: postgres({ ...FOLLOWING, process: "starting", inRecovery: null }) }),
    "standby-leader",
  ],
  [
    "the cluster has no remote primary any more: the standby leader is promoted under its lease",
    holder({ postgres: postgres(FOLLOWING) }),
    "promote",
    PROMOTE,
  ],
  [
    "and not before its lease is acknowledged, and the guard armed with it",
    holder({ leaseUsable: false, postgres: postgres(FOLLOWING) }),
    "promote",
  ],
];

decides(STANDBY_LEADER, CASES);

const STATUS = { role: "standby_leader", following: REMOTE.name } as const;
const STATUSES = [seen(status("a", STATUS)), seen(status("b")), seen(status("c"))];

const FOLLOWERS: readonly Case[] = [
  ["the others follow the standby leader", node({ ...IN, statuses: STATUSES }), "idle"],
  [
    "an empty member copies it",
    node({ ...IN, statuses: STATUSES, postgres: postgres({ ...STOPPED, directory: { kind: "empty" } }) }),
    "copy",
    clone("a"),
  ],
  [
    "a member that was elsewhere is pointed at it",
    node({ ...IN, statuses: STATUSES, postgres: postgres(FOLLOWING) }),
    "follow",
    { kind: "follow", follow: from("a") },
  ],
  [
    "a holder that is still the primary is not copied: it is about to be demoted",
    node({
      ...IN,
      statuses: [seen(status("a", { role: "primary", writable: true, walLsn: 1000 }))],
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" } }),
    }),
    "copy",
  ],
];
for (const [name, view, rule, ...actions] of FOLLOWERS) {
  test(name, () => expect([keep(view).rule, ...keep(view).actions]).toEqual([rule, ...actions]));
}

const BEGINS_TO_WRITE: readonly string[] = ["promote", "start-primary", "bootstrap"];

test("whatever the holder of a standby cluster finds, nothing of it begins to write", () => {
  const directories = [
    PRIMARY_DIRECTORY,
    STANDBY_DIRECTORY,
    ALONE,
    { kind: "absent" },
    { kind: "half-written", what: "bootstrap" },
    { kind: "half-written", what: "rewind" },
  ] as const;
  const processes = ["none", "orphans", "starting", "running", "stopping", "frozen"] as const;
  const initialized = [cluster(), cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } })];
  for (const directory of directories) {
    for (const process of processes) {
      for (const inRecovery of [true, false, null]) {
        for (
          const dcs of [...initialized, cluster({ failover: { ...SWITCHOVER, leader: "b", candidate: "a" } })]
        ) {
          for (const verdict of ["same", "diverged", "unknown", null] as const) {
            for (const pause of [true, false]) {
              const view = leader({
                dcs,
                dynamic: { ...IN.dynamic, pause },
                postgres: postgres({
                  ...(process === "none" ? STOPPED : FOLLOWING),
                  directory,
                  process,
                  inRecovery,
                  ...(verdict === null ? {} : found(verdict)),
                }),
              });
              const kinds = keep(view).actions.map(({ kind }) => kind);
              expect(kinds.filter((kind) => BEGINS_TO_WRITE.includes(kind))).toEqual([]);
            }
          }
        }
      }
    }
  }
});

test("a standby leader misses WAL when it does not stream from the remote primary", () => {
  expect(missesWal(leader())).toBe(false);
  expect(missesWal(leader({ postgres: postgres({ ...FOLLOWING, replicationState: null }) }))).toBe(true);
  const archive = { following: "remote/archive", followingUrl: "", replicationState: "in archive recovery" };
  expect(missesWal(leader({ dynamic: FOLLOWS_ARCHIVE, postgres: postgres(archive) }))).toBe(false);
});

test("a copy of the remote primary goes on although no status tells of it, and no lock is held", () => {
  const copy = { from: REMOTE.name, fromStandby: false, doneBytes: 1, totalBytes: 2, bytesPerSecond: null };
  const action = { kind: "clone", sinceMs: 0, detail: "", copy } as const;
  const view = node({
    ...IN,
    dcs: cluster({ lock: lock(FREE) }),
    postgres: postgres({ ...STOPPED, directory: { kind: "half-written", what: "clone" }, action }),
  });
  expect(duties(duty(view)).map(({ kind }) => kind)).not.toContain("cancel-copy");
  const own = node({
    ...view,
    postgres: { ...view.postgres, action: { ...action, copy: { ...copy, from: "c" } } },
  });
  expect(duties(duty(own)).map(({ kind }) => kind)).toContain("cancel-copy");
});
