import { expect, test } from "bun:test";
import type { PostgresView } from "../model/postgres_view.ts";
import { keep, type NodeView } from "./keeper.ts";
import {
  cluster,
  DYNAMIC,
  FREE,
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
  streamingTo,
} from "./testing.ts";

const kinds = (view: NodeView): string[] => keep(view).actions.map((action) => action.kind);
const RUNNING_ACTION = { sinceMs: 99_000, detail: "" };
const HALF_BOOTSTRAPPED = { kind: "half-written", what: "bootstrap" } as const;
const displaced = (removed: boolean) =>
  postgres({ ...RUNNING_PRIMARY, displaced: { why: "the data directory was moved", removed } });
type Failing = "start" | "promote" | "clone" | "rewind" | "bootstrap" | "set-aside";
const failed = (kind: Failing, failures = 1, atMs = 0) =>
  ({ [kind]: { kind, ok: false, atMs, detail: "broken", failures } }) as const;

/** Raft has been away for longer than a lease lasts. */
const LOST = { leaseUsable: false, raftLostForMs: 5000 };
/** Started read-only after it was a primary. */
const FORMER = postgres({ directory: { ...STANDBY_DIRECTORY, formerPrimary: true } });
function undoing(server: Partial<PostgresView>): NodeView {
  return holder({
    dcs: cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } }),
    postgres: postgres({
      ...RUNNING_PRIMARY,
      directory: { kind: "half-written", what: "bootstrap" },
      last: {
        "finish-bootstrap": {
          kind: "finish-bootstrap",
          ok: false,
          atMs: 0,
          detail: "post_bootstrap: 1",
          failures: 1,
        },
      },
      ...server,
    }),
  });
}
function stepDownFor(candidate: string | null) {
  const request = {
    kind: "switchover" as const,
    leader: "a",
    scheduledAt: null,
    id: "x",
    accepted: true,
    epoch: 3,
  };
  return cluster({ failover: { ...request, candidate, revision: 9 } });
}

const CASES: [string, NodeView, string[]][] = [
  ["a healthy primary with the lock has nothing to do", holder(), []],
  ["a healthy standby has nothing to do", node(), []],
  [
    "a standby goes to the new address of the primary that it follows already",
    node({ postgres: postgres({ followingUrl: "postgres://elsewhere:5432/postgres" }) }),
    ["follow"],
  ],
  // Fencing.
  [
    "a primary whose lock went to another is killed",
    holder({ tenure: "none", dcs: cluster({ lock: lock({ epoch: 4, holder: "c" }) }) }),
    ["stop"],
  ],
  ["a primary of an older epoch of ours is killed", holder({ dcs: cluster({ lock: lock({ epoch: 4 }) }) }), [
    "stop",
  ]],
  ["a primary whose lock is free is killed", holder({ tenure: "none", dcs: cluster({ lock: lock(FREE) }) }), [
    "stop",
  ]],
  ["before the records are known nothing is started or ended", holder({ joined: false, tenure: "none" }), []],
  [
    "a primary that was found running is stopped cleanly, not killed",
    node({ postgres: postgres({ ...RUNNING_PRIMARY, epoch: null }) }),
    ["stop"],
  ],
  [
    "a standby that was found running is left to run",
    node({ postgres: postgres({ writable: true, epoch: null }) }),
    [],
  ],
  [
    "an epoch of a former start is given back",
    node({
      name: "a",
      tenure: "to-release",
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }),
    }),
    ["release"],
  ],
  [
    "an epoch is not given back while processes of PostgreSQL live",
    node({ name: "a", tenure: "to-release", postgres: postgres({ ...STOPPED, process: "orphans" }) }),
    ["stop"],
  ],
  ["an epoch is not given back while its primary may write", holder({ tenure: "to-release" }), ["stop"]],
  // Promotion.
  [
    "a standby that holds the lock waits for its first renewal",
    holder({ leaseUsable: false, postgres: postgres() }),
    [],
  ],
  ["a standby that holds the lock with a running lease is promoted", holder({ postgres: postgres() }), [
    "promote",
  ]],
  [
    "a stopped primary directory is not started without a running lease",
    holder({ leaseUsable: false, postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }) }),
    [],
  ],
  [
    "a stopped primary directory is started under the epoch",
    holder({ postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }) }),
    ["start-primary"],
  ],
  [
    "a stopped standby that holds the lock starts as a standby first",
    holder({ postgres: postgres({ ...STOPPED, directory: STANDBY_DIRECTORY }) }),
    ["start-standby"],
  ],
  [
    "a failed promotion is not tried again at once",
    holder({ postgres: postgres({ last: failed("promote", 1, 99_500) }) }),
    [],
  ],
  [
    "a frozen primary is left to the guard",
    holder({ postgres: postgres({ ...RUNNING_PRIMARY, process: "frozen" }), leaseUsable: false }),
    [],
  ],
  // Crash.
  [
    "a crashed primary is started again in place",
    holder({
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, crashedAtMs: 99_900, state: "crashed" }),
    }),
    ["start-primary"],
  ],
  [
    "with primary_start_timeout 0 a crashed primary gives the lock up at once",
    holder({
      dynamic: { ...DYNAMIC, primaryStartTimeoutS: 0 },
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, crashedAtMs: 99_999 }),
    }),
    ["release"],
  ],
  [
    "a crash before the epoch was granted is no reason to give it up",
    holder({
      heldSinceMs: 99_999.5,
      dynamic: { ...DYNAMIC, primaryStartTimeoutS: 0 },
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, crashedAtMs: 99_999 }),
    }),
    ["start-primary"],
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
    ["release"],
  ],
  [
    "without a possible successor it restarts in place all the same",
    holder({
      dynamic: { ...DYNAMIC, primaryStartTimeoutS: 0 },
      statuses: [],
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, crashedAtMs: 99_999 }),
    }),
    ["start-primary"],
  ],
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
    ["stop"],
  ],
  [
    "what is left of a dead postmaster is ended before anything is started",
    holder({ postgres: postgres({ ...STOPPED, process: "orphans", directory: PRIMARY_DIRECTORY }) }),
    ["stop"],
  ],
  [
    "a holder without a data directory gives the lock up",
    holder({ postgres: postgres({ ...STOPPED, directory: { kind: "absent" } }) }),
    ["release"],
  ],
  // Requests.
  [
    "an accepted switchover stops the primary",
    holder({
      dcs: cluster({
        failover: {
          kind: "switchover",
          leader: "a",
          candidate: "b",
          scheduledAt: null,
          id: "x",
          accepted: true,
          epoch: 3,
          revision: 9,
        },
      }),
    }),
    ["stop"],
  ],
  [
    "a switchover that is not accepted yet changes nothing",
    holder({
      dcs: cluster({
        failover: {
          kind: "switchover",
          leader: "a",
          candidate: "b",
          scheduledAt: null,
          id: "x",
          accepted: false,
          epoch: 0,
          revision: 9,
        },
      }),
    }),
    [],
  ],
  [
    "after the stop for a switchover the lock is released",
    holder({
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }),
      dcs: cluster({
        failover: {
          kind: "switchover",
          leader: "a",
          candidate: "b",
          scheduledAt: null,
          id: "x",
          accepted: true,
          epoch: 3,
          revision: 9,
        },
      }),
    }),
    ["release"],
  ],
  [
    "the winner of a switchover does not step down for the same request",
    holder({
      dcs: cluster({
        lock: lock({ epoch: 4 }),
        failover: {
          kind: "switchover",
          leader: "b",
          candidate: null,
          scheduledAt: null,
          id: "x",
          accepted: true,
          epoch: 3,
          revision: 9,
        },
      }),
      postgres: postgres({ ...RUNNING_PRIMARY, epoch: 4 }),
    }),
    [],
  ],
  ["SIGTERM stops a primary", holder({ stopping: true }), ["stop"]],
  [
    "SIGTERM releases the lock once PostgreSQL is stopped",
    holder({ stopping: true, postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }) }),
    ["release"],
  ],
  ["SIGTERM stops a standby", node({ stopping: true }), ["stop"]],
  ["a requested restart is done in place", node({ wantsRestart: true }), ["restart"]],
  ["reinitialize stops, then moves the directory aside", node({ wantsReinit: { fromLeader: true } }), [
    "stop",
  ]],
  [
    "reinitialize of a stopped standby moves the directory aside",
    node({ wantsReinit: { fromLeader: true }, postgres: postgres({ ...STOPPED }) }),
    ["set-aside"],
  ],
  [
    "reinitialize waits for a primary to copy from",
    node({ wantsReinit: { fromLeader: true }, statuses: [seen(primaryStatus("a"), 5000)] }),
    [],
  ],
  ["a holder is never reinitialized", holder({ wantsReinit: { fromLeader: true } }), []],
  // Bootstrap.
  [
    "an empty member of an uninitialized cluster claims the bootstrap",
    node({
      dcs: cluster({ initialize: null, lock: lock({ epoch: 0, holder: null, lastHolder: null }) }),
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" }, systemId: null }),
      statuses: [seen(status("c", { systemId: null, directoryUsable: false }))],
    }),
    ["claim-initialize"],
  ],
  [
    "an empty member leaves the bootstrap to one that has a primary's data directory",
    node({
      dcs: cluster({ initialize: null, lock: lock({ epoch: 0, holder: null, lastHolder: null }) }),
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" }, systemId: null }),
      statuses: [seen(status("c", { primaryDirectory: true, running: false }))],
    }),
    [],
  ],
  [
    "an empty member does not wait for existing data on a member that is gone",
    node({
      dcs: cluster({ initialize: null, lock: lock({ epoch: 0, holder: null, lastHolder: null }) }),
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" }, systemId: null }),
      statuses: [seen(status("c", { primaryDirectory: true, running: false }), 5000)],
    }),
    ["claim-initialize"],
  ],
  [
    "its own claim is followed by initdb",
    node({
      dcs: cluster({
        initialize: { systemId: "", by: "b", incarnation: 1 },
        lock: lock({ epoch: 0, holder: null, lastHolder: null }),
      }),
      postgres: postgres({ ...STOPPED, directory: { kind: "absent" }, systemId: null }),
    }),
    ["bootstrap"],
  ],
  [
    "a primary whose agent was restarted before its bootstrap was complete is stopped, to begin again",
    holder({
      incarnation: 2,
      dcs: cluster({
        initialize: { systemId: "", by: "a", incarnation: 1 },
        lock: lock({ epoch: 1, holder: "a", lastHolder: "a" }),
      }),
      postgres: postgres({ ...RUNNING_PRIMARY, epoch: 1 }),
    }),
    ["stop"],
  ],
  [
    "another's bootstrap is waited for",
    node({
      dcs: cluster({
        initialize: { systemId: "", by: "a", incarnation: 1 },
        lock: lock({ epoch: 0, holder: null, lastHolder: null }),
      }),
      postgres: postgres({ ...STOPPED, directory: { kind: "absent" }, systemId: null }),
    }),
    [],
  ],
  [
    "a bootstrap of a former start of the agent is moved aside",
    node({
      dcs: cluster({
        initialize: { systemId: "", by: "b", incarnation: 0 },
        lock: lock({ epoch: 0, holder: null }),
      }),
      postgres: postgres({ ...STOPPED, directory: { kind: "half-written", what: "bootstrap" } }),
    }),
    ["set-aside"],
  ],
  [
    "a lock that came after the bootstrap was given up is given back, so that another can bootstrap",
    holder({
      dcs: cluster({ initialize: { systemId: "", by: "b", incarnation: 1 } }),
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" }, systemId: null }),
    }),
    ["release"],
  ],
  [
    "the first primary gets its roles",
    holder({
      dcs: cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } }),
      postgres: postgres({ ...RUNNING_PRIMARY, directory: { kind: "half-written", what: "bootstrap" } }),
    }),
    ["finish-bootstrap"],
  ],
  [
    "with its roles made it completes the initialization",
    holder({
      dcs: cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } }),
      postgres: postgres({
        ...RUNNING_PRIMARY,
        directory: { kind: "half-written", what: "bootstrap" },
        last: {
          "finish-bootstrap": { kind: "finish-bootstrap", ok: true, atMs: 0, detail: "", failures: 0 },
        },
      }),
    }),
    ["complete-initialize"],
  ],
  ["a bootstrap that failed is undone: the server is ended first", undoing({}), ["stop"]],
  ["then its directory is kept aside, while nobody else can begin", undoing(STOPPED), ["set-aside"]],
  ["then the lock is given back", undoing({ ...STOPPED, writable: false, directory: { kind: "absent" } }), [
    "release",
  ]],
  [
    "and the claim, and the process ends",
    { ...undoing({ ...STOPPED, writable: false, directory: { kind: "absent" } }), tenure: "none" },
    ["clear-initialize", "exit"],
  ],
  [
    "a primary that was ended with its lease comes back read-only when raft stays away",
    holder({ ...LOST, postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }) }),
    ["start-standby"],
  ],
  [
    "a new holder whose raft leader answers waits for its lease, and is not started read-only",
    holder({
      ...LOST,
      raftLostForMs: 4999,
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }),
    }),
    [],
  ],
  ["read-only, it is promoted only with a lease", holder({ ...LOST, postgres: FORMER }), []],
  ["with a lease it is the primary again", holder({ postgres: FORMER }), ["promote"]],
  [
    "a former primary that streams from the new one on its timeline is a standby like any other",
    node({ postgres: FORMER }),
    ["joined-history"],
  ],
  [
    "a former primary that streams an older timeline is none",
    node({ postgres: FORMER, statuses: [seen(primaryStatus("a", { timeline: 2 }))] }),
    [],
  ],
  [
    "a primary does not step down for a candidate that does not stream from it",
    holder({
      dcs: stepDownFor("b"),
      postgres: postgres({ ...RUNNING_PRIMARY, replication: [streamingTo("c")] }),
    }),
    [],
  ],
  [
    "without a named candidate any member that streams will do",
    holder({
      dcs: stepDownFor(null),
      postgres: postgres({ ...RUNNING_PRIMARY, replication: [streamingTo("c")] }),
    }),
    ["stop"],
  ],
  [
    "a stop that failed is not tried again at once",
    holder({
      dcs: stepDownFor("b"),
      postgres: postgres({
        ...RUNNING_PRIMARY,
        last: { stop: { kind: "stop", ok: false, atMs: 99_000, detail: "", failures: 1 } },
      }),
    }),
    [],
  ],
  [
    "once the records name it, the directory is no longer half-written",
    holder({
      postgres: postgres({ ...RUNNING_PRIMARY, directory: { kind: "half-written", what: "bootstrap" } }),
    }),
    ["seal-bootstrap"],
  ],
  [
    "the first primary completes the initialization",
    holder({ dcs: cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } }) }),
    ["complete-initialize"],
  ],
  [
    "a failed initdb gives the claim back and ends the agent",
    node({
      dcs: cluster({
        initialize: { systemId: "", by: "b", incarnation: 1 },
        lock: lock({ epoch: 0, holder: null }),
      }),
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" }, last: failed("bootstrap") }),
    }),
    ["clear-initialize", "exit"],
  ],
  [
    "a failed initdb leaves half a directory, which is not started",
    node({
      dcs: cluster({
        initialize: { systemId: "", by: "b", incarnation: 1 },
        lock: lock({ epoch: 0, holder: null }),
      }),
      postgres: postgres({ ...STOPPED, directory: HALF_BOOTSTRAPPED, last: failed("bootstrap") }),
    }),
    ["clear-initialize", "exit"],
  ],
  [
    "a lock that was granted for a bootstrap that failed is given back first",
    holder({
      dcs: cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } }),
      postgres: postgres({ ...STOPPED, directory: HALF_BOOTSTRAPPED, last: failed("bootstrap") }),
    }),
    ["release"],
  ],
  [
    "the first primary that does not start is tried again after a pause",
    holder({
      dcs: cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } }),
      postgres: postgres({ ...STOPPED, directory: HALF_BOOTSTRAPPED, last: failed("start", 1, 99_000) }),
    }),
    [],
  ],
  [
    "and after a longer one when it failed again",
    holder({
      dcs: cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } }),
      postgres: postgres({ ...STOPPED, directory: HALF_BOOTSTRAPPED, last: failed("start", 2, 97_000) }),
    }),
    [],
  ],
  [
    "until it is over",
    holder({
      dcs: cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } }),
      postgres: postgres({ ...STOPPED, directory: HALF_BOOTSTRAPPED, last: failed("start", 2, 95_000) }),
    }),
    ["start-primary"],
  ],
  [
    "a directory that cannot be set aside is tried again after a pause, too",
    node({
      postgres: postgres({
        ...STOPPED,
        directory: { kind: "half-written", what: "rewind" },
        last: failed("set-aside", 1, 99_000),
      }),
    }),
    [],
  ],
  [
    "in pause, what an operator's reinitialize has set aside is copied anew",
    node({
      dynamic: { ...DYNAMIC, pause: true },
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" } }),
      reinitializing: true,
    }),
    ["clone"],
  ],
  [
    "in pause, a directory that is empty without it stays so",
    node({
      dynamic: { ...DYNAMIC, pause: true },
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" } }),
    }),
    [],
  ],
  ["a primary whose data directory was moved away is stopped", holder({ postgres: displaced(false) }), [
    "stop",
  ]],
  [
    "in pause it is left to run",
    holder({ dynamic: { ...DYNAMIC, pause: true }, postgres: displaced(false) }),
    [],
  ],
  [
    "a primary without a data directory gives the lock back",
    holder({ postgres: postgres({ ...STOPPED, directory: { kind: "absent" } }) }),
    ["release"],
  ],
  [
    "a standby's directory never bootstraps a cluster",
    node({
      dcs: cluster({ initialize: null, lock: lock({ epoch: 0, holder: null }) }),
      postgres: postgres(STOPPED),
    }),
    [],
  ],
  [
    "another system identifier ends the agent, nothing is touched",
    node({ postgres: postgres({ systemId: "1" }) }),
    ["exit"],
  ],
  // Standby.
  [
    "an empty member copies from a running primary",
    node({ postgres: postgres({ ...STOPPED, directory: { kind: "empty" }, systemId: null }) }),
    ["clone"],
  ],
  [
    "an empty member waits while the primary is not reachable",
    node({
      statuses: [seen(primaryStatus("a"), 5000)],
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" }, systemId: null }),
    }),
    [],
  ],
  [
    "a clone that did not finish is moved aside",
    node({ postgres: postgres({ ...STOPPED, directory: { kind: "half-written", what: "clone" } }) }),
    ["set-aside"],
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
    [],
  ],
  ["a stopped standby is started", node({ postgres: postgres(STOPPED) }), ["start-standby"]],
  [
    "a standby is pointed at a new holder",
    node({ dcs: cluster({ lock: lock({ epoch: 4, holder: "c" }) }) }),
    ["follow"],
  ],
  [
    "while the lock is free a stopped standby is started, to report its WAL",
    node({ dcs: cluster({ lock: lock(FREE) }), postgres: postgres(STOPPED) }),
    ["start-standby"],
  ],
  [
    "while the lock is free a stopped former primary stays stopped",
    node({
      dcs: cluster({ lock: lock(FREE) }),
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }),
    }),
    [],
  ],
  [
    "a foreign directory is left alone",
    node({
      postgres: postgres({
        ...STOPPED,
        directory: { kind: "foreign", reason: "no PG_VERSION" },
        systemId: null,
      }),
    }),
    [],
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
    [],
  ],
];

for (const [name, view, expected] of CASES) {
  test(name, () => expect(kinds(view)).toEqual(expected));
}

const REJOIN = { ...STOPPED, directory: PRIMARY_DIRECTORY };
const verdict = (verdict: "same" | "diverged" | "unknown", atMs = 0) => ({
  from: "a",
  timelineOfOther: 1,
  verdict,
  detail: "",
  atMs,
});

const REJOINS: [string, NodeView, string[]][] = [
  ["a former primary compares histories first", node({ postgres: postgres(REJOIN) }), ["compare-history"]],
  [
    "with the same history it starts as a standby",
    node({ postgres: postgres({ ...REJOIN, divergence: verdict("same") }) }),
    ["start-standby"],
  ],
  ["diverged, it is rewound", node({ postgres: postgres({ ...REJOIN, divergence: verdict("diverged") }) }), [
    "rewind",
  ]],
  [
    "a rewind waits for the new primary's checkpoint",
    node({
      statuses: [seen(primaryStatus("a", { checkpointAfterPromote: false }))],
      postgres: postgres({ ...REJOIN, divergence: verdict("diverged") }),
    }),
    [],
  ],
  [
    "when the rewind failed, it is copied anew and the directory kept",
    node({ postgres: postgres({ ...REJOIN, divergence: verdict("diverged"), last: failed("rewind") }) }),
    ["set-aside"],
  ],
  [
    "without use_pg_rewind it is copied anew",
    node({
      dynamic: { ...DYNAMIC, postgresql: { ...DYNAMIC.postgresql, usePgRewind: false } },
      postgres: postgres({ ...REJOIN, divergence: verdict("diverged") }),
    }),
    ["set-aside"],
  ],
  [
    "a verdict about an older timeline is not used",
    node({
      statuses: [seen(primaryStatus("a", { timeline: 2 }))],
      postgres: postgres({ ...REJOIN, divergence: verdict("diverged") }),
    }),
    ["compare-history"],
  ],
  [
    "an unknown verdict is asked for again after a while",
    node({ postgres: postgres({ ...REJOIN, divergence: verdict("unknown", 99_500) }) }),
    [],
  ],
  [
    "a standby that does not stream has its history compared",
    node({ notStreamingForMs: 4000, postgres: postgres({ replicationState: null }) }),
    ["compare-history"],
  ],
  [
    "a standby whose comparison failed is compared again after a while",
    node({
      notStreamingForMs: 4000,
      postgres: postgres({ replicationState: null, divergence: verdict("unknown", 97_000) }),
    }),
    ["compare-history"],
  ],
  [
    "a standby whose comparison has just failed waits",
    node({
      notStreamingForMs: 4000,
      postgres: postgres({ replicationState: null, divergence: verdict("unknown", 99_500) }),
    }),
    [],
  ],
  [
    "a standby that cannot stream is not told for ever that its history is the same",
    node({
      notStreamingForMs: 4000,
      postgres: postgres({ replicationState: "streaming", divergence: verdict("same", 89_000) }),
    }),
    ["compare-history"],
  ],
  [
    "a standby whose history has just been found the same goes on trying",
    node({
      notStreamingForMs: 4000,
      postgres: postgres({ replicationState: null, divergence: verdict("same", 95_000) }),
    }),
    [],
  ],
  [
    "a diverged standby is stopped to rejoin",
    node({
      notStreamingForMs: 4000,
      postgres: postgres({ replicationState: null, divergence: verdict("diverged") }),
    }),
    ["stop"],
  ],
  [
    "a stopped diverged standby is rewound, not started",
    node({ postgres: postgres({ ...STOPPED, divergence: verdict("diverged") }) }),
    ["rewind"],
  ],
];

for (const [name, view, expected] of REJOINS) {
  test(name, () => expect(kinds(view)).toEqual(expected));
}

test("no view makes the keeper start or promote a writable server without a usable lease", () => {
  const directories = [PRIMARY_DIRECTORY, STANDBY_DIRECTORY, { kind: "absent" }, {
    kind: "half-written",
    what: "bootstrap",
  }] as const;
  const processes = ["none", "orphans", "starting", "running", "stopping", "frozen"] as const;
  for (const directory of directories) {
    for (const process of processes) {
      for (const tenure of ["none", "holding", "to-release"] as const) {
        for (const initialize of [null, { systemId: "", by: "a", incarnation: 1 }, cluster().initialize]) {
          for (const free of [true, false]) {
            const view = node({
              name: "a",
              tenure,
              leaseUsable: false,
              dcs: cluster({ initialize, lock: free ? lock(FREE) : lock() }),
              postgres: postgres({ directory, process }),
              statuses: [seen(status("b"))],
            });
            const dangerous = keep(view).actions.filter((action) =>
              action.kind === "start-primary" || action.kind === "promote"
            );
            expect(dangerous).toEqual([]);
          }
        }
      }
    }
  }
});

test("a primary that was found running is ended by a fast shutdown after a checkpoint", () => {
  expect(keep(node({ postgres: postgres({ ...RUNNING_PRIMARY, epoch: null }) })).actions).toEqual([
    { kind: "stop", how: "fast", checkpoint: true },
  ]);
});

const PAUSED = { dynamic: { ...DYNAMIC, pause: true } };
const UNFENCED = cluster({ lock: lock({ unfenced: true }) });
const stepDown = cluster({
  lock: lock({ unfenced: true }),
  failover: {
    kind: "switchover",
    leader: "a",
    candidate: "b",
    scheduledAt: null,
    id: "x",
    accepted: true,
    epoch: 3,
    revision: 9,
  },
});
const stoppedByUs = { stop: { kind: "stop", ok: true, atMs: 0, detail: "", failures: 0 } } as const;

const PAUSES: [string, NodeView, string[]][] = [
  [
    "in pause a primary that crashed is not started",
    holder({ ...PAUSED, postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, crashedAtMs: 0 }) }),
    [],
  ],
  [
    "in pause a primary that crashed is started when a restart is asked for",
    holder({
      ...PAUSED,
      wantsRestart: true,
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, crashedAtMs: 0 }),
    }),
    ["start-primary"],
  ],
  [
    "in pause a standby that ended is started when a restart is asked for",
    node({ ...PAUSED, wantsRestart: true, postgres: postgres(STOPPED) }),
    ["start-standby"],
  ],
  [
    "in pause a primary that lost raft and ended is not started, not even read-only",
    holder({ ...PAUSED, ...LOST, postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }) }),
    [],
  ],
  ["in pause a stopped standby is not started", node({ ...PAUSED, postgres: postgres(STOPPED) }), []],
  [
    "in pause a primary that stepped down on request rejoins",
    node({ ...PAUSED, postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, last: stoppedByUs }) }),
    ["compare-history"],
  ],
  ["in pause a requested switchover stops the primary", holder({ ...PAUSED, dcs: stepDown }), ["stop"]],
  ["in pause the winner of a request is promoted", holder({ ...PAUSED, postgres: postgres() }), ["promote"]],
  [
    "in pause a standby follows a new leader",
    node({ ...PAUSED, dcs: cluster({ lock: lock({ epoch: 4, holder: "c" }) }) }),
    ["follow"],
  ],
  [
    "in pause a primary whose lock is another's is ended all the same",
    holder({ ...PAUSED, tenure: "none", dcs: cluster({ lock: lock({ epoch: 4, holder: "c" }) }) }),
    ["stop"],
  ],
  [
    "SIGTERM in pause leaves an unfenced primary running",
    holder({ ...PAUSED, dcs: UNFENCED, stopping: true }),
    [],
  ],
  ["SIGTERM in pause stops a primary whose epoch is still fenced", holder({ ...PAUSED, stopping: true }), [
    "stop",
  ]],
  ["SIGTERM in pause leaves a standby running", node({ ...PAUSED, stopping: true }), []],
];

for (const [name, view, expected] of PAUSES) {
  test(name, () => expect(kinds(view)).toEqual(expected));
}

test("what is decided in pause says so, and the agent may end beside a running PostgreSQL", () => {
  expect(keep(holder({ ...PAUSED, dcs: UNFENCED })).reason).toBe(
    "PAUSE: no action. I am (a), the leader with the lock",
  );
  expect(keep(holder({ ...PAUSED, dcs: UNFENCED, stopping: true })).mayLeave).toBe(true);
  expect(keep(node({ stopping: true })).mayLeave).toBeUndefined();
});

test("a new holder begins to write only after the wait of failsafe mode", () => {
  const failsafe = { epoch: 2, holder: "c", members: { a: "", c: "" }, revision: 9 };
  const dcs = cluster({ failsafe });
  const waiting = holder({ dcs, failsafeWait: true, postgres: postgres() });
  expect(keep(waiting)).toEqual({
    actions: [],
    reason: "lock is ours, waiting: c may still be the primary in failsafe mode for up to a ttl",
  });
  expect(keep({ ...waiting, failsafeWait: false }).actions).toEqual([{ kind: "promote", epoch: 3 }]);
  const stopped = { ...waiting, postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }) };
  expect(keep(stopped).actions).toEqual([]);
  expect(keep({ ...stopped, failsafeWait: false }).actions).toEqual([{ kind: "start-primary", epoch: 3 }]);
});

test("a server whose directory was removed cannot shut down in order", () => {
  expect(keep(holder({ postgres: displaced(false) })).actions).toMatchObject([{ kind: "stop", how: "fast" }]);
  expect(keep(holder({ postgres: displaced(true) })).actions).toMatchObject([{
    kind: "stop",
    how: "immediate",
  }]);
});
