/** How a cluster gets its first data. */
import type { PostgresView } from "../../model/postgres_view.ts";
import {
  cluster,
  FREE,
  holder,
  lock,
  node,
  postgres,
  PRIMARY_DIRECTORY,
  RUNNING_PRIMARY,
  seen,
  status,
  STOPPED,
  SYSTEM_ID,
} from "../testing.ts";
import { BOOTSTRAP } from "./bootstrap.ts";
import { BOOTSTRAP_STANDBY, CLAIM_STANDBY } from "./bootstrap_standby.ts";
import {
  type Case,
  decides,
  failed,
  FAST,
  HALF_BOOTSTRAPPED,
  KILL,
  RELEASE,
  START_PRIMARY,
} from "./testing.ts";
import type { NodeView } from "./view.ts";

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

const EMPTY = { ...STOPPED, directory: { kind: "empty" } } as const;
const DOWN = { process: "none", writable: false, epoch: null, inRecovery: null } as const;

/** a has made its directory, holds the lock, and its server runs. */
const BOOTSTRAPPING = (change: Partial<PostgresView>, view: Partial<NodeView> = {}) =>
  holder({
    dcs: cluster({
      initialize: { systemId: "", by: "a", incarnation: 1 },
      lock: lock({ epoch: 1, holder: "a", lastHolder: "a" }),
    }),
    postgres: postgres({ ...RUNNING_PRIMARY, epoch: 1, directory: HALF_BOOTSTRAPPED, ...change }),
    ...view,
  });

const CASES: readonly Case[] = [
  [
    "an empty member of an uninitialized cluster claims the bootstrap",
    node({
      dcs: cluster({ initialize: null, lock: lock({ epoch: 0, holder: null, lastHolder: null }) }),
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" }, systemId: null }),
      statuses: [seen(status("c", { systemId: null, directoryUsable: false }))],
    }),
    "claim-bootstrap",
    { "kind": "claim-initialize" },
  ],
  [
    "an empty member leaves the bootstrap to one that has a primary's data directory",
    node({
      dcs: cluster({ initialize: null, lock: lock({ epoch: 0, holder: null, lastHolder: null }) }),
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" }, systemId: null }),
      statuses: [seen(status("c", { primaryDirectory: true, running: false }))],
    }),
    "claim-bootstrap",
  ],
  [
    "no member claims before one that has just connected has said what it has",
    node({
      dcs: cluster({ initialize: null, lock: lock({ epoch: 0, holder: null, lastHolder: null }) }),
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" }, systemId: null }),
      statuses: [],
      unheard: [7],
    }),
    "claim-bootstrap",
  ],
  [
    "one whose last bootstrap failed waits before the next",
    node({
      dcs: cluster({ initialize: null, lock: lock({ epoch: 0, holder: null, lastHolder: null }) }),
      postgres: postgres({
        ...STOPPED,
        directory: { kind: "empty" },
        systemId: null,
        bootstrapDueMs: 100_001,
      }),
      statuses: [],
    }),
    "claim-bootstrap",
  ],
  [
    "and claims it when the pause is over",
    node({
      dcs: cluster({ initialize: null, lock: lock({ epoch: 0, holder: null, lastHolder: null }) }),
      postgres: postgres({
        ...STOPPED,
        directory: { kind: "empty" },
        systemId: null,
        bootstrapDueMs: 100_000,
      }),
      statuses: [],
    }),
    "claim-bootstrap",
    { "kind": "claim-initialize" },
  ],
  ...[null, { systemId: "", by: "b", incarnation: 1 }].map((initialize): Case => [
    "right after its start it is not known whether a server runs here: nothing is claimed or made yet",
    node({
      dcs: cluster({ initialize, lock: lock({ epoch: 0, holder: null, lastHolder: null }) }),
      postgres: postgres({ ...STOPPED, process: "starting", directory: { kind: "absent" }, systemId: null }),
      statuses: [],
    }),
    initialize === null ? "claim-bootstrap" : "initdb",
  ]),
  [
    "its own claim is followed by initdb",
    node({
      dcs: cluster({
        initialize: { systemId: "", by: "b", incarnation: 1 },
        lock: lock({ epoch: 0, holder: null, lastHolder: null }),
      }),
      postgres: postgres({ ...STOPPED, directory: { kind: "absent" }, systemId: null }),
    }),
    "initdb",
    { "kind": "bootstrap" },
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
    "stale-grant",
    FAST,
  ],
  [
    "a restored cluster is waited for, which recovers under the lease and promotes itself",
    BOOTSTRAPPING({ inRecovery: true }),
    "first-primary",
  ],
  [
    "its roles are made when the recovery is over",
    BOOTSTRAPPING({ inRecovery: false }),
    "first-primary",
    { kind: "finish-bootstrap" },
  ],
  [
    "a server that ends twice in its recovery is started again after a pause",
    BOOTSTRAPPING({ ...DOWN, last: failed("start", 2, 0) }),
    "first-primary",
    { kind: "start-primary", epoch: 1 },
  ],
  [
    "not without a lease: it would promote itself",
    BOOTSTRAPPING({ ...DOWN, last: {} }, { leaseUsable: false }),
    "first-primary",
  ],
  [
    "one that does not start three times in a row is set aside",
    BOOTSTRAPPING({ ...DOWN, last: failed("start", 3, 0) }),
    "undo-bootstrap",
    { kind: "set-aside", why: "the bootstrap failed" },
  ],
  [
    "one that runs and does not let the agent in is ended",
    BOOTSTRAPPING({ process: "starting", last: failed("start", 1, 0) }),
    "undo-bootstrap",
    KILL,
  ],
  [
    "one of which processes are left after its first end is no reason to give up",
    BOOTSTRAPPING({ process: "orphans", last: failed("start", 1, 0) }),
    "first-primary",
  ],
  [
    "a data directory that was there before is never given up: its server is started again and again",
    BOOTSTRAPPING({ ...DOWN, directory: PRIMARY_DIRECTORY, last: failed("start", 3, 0) }),
    "first-primary",
    { kind: "start-primary", epoch: 1 },
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
    "await-bootstrap",
  ],
  [
    "a lock that came after the bootstrap was given up is given back, so that another can bootstrap",
    holder({
      dcs: cluster({ initialize: { systemId: "", by: "b", incarnation: 1 } }),
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" }, systemId: null }),
    }),
    "stale-grant",
    RELEASE,
  ],
  [
    "the first primary gets its roles",
    holder({
      dcs: cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } }),
      postgres: postgres({ ...RUNNING_PRIMARY, directory: { kind: "half-written", what: "bootstrap" } }),
    }),
    "first-primary",
    { "kind": "finish-bootstrap" },
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
    "first-primary",
    { "kind": "complete-initialize", "systemId": SYSTEM_ID },
  ],
  ["a bootstrap that failed is undone: the server is ended first", undoing({}), "undo-bootstrap", KILL],
  ["then its directory is kept aside, while nobody else can begin", undoing(STOPPED), "undo-bootstrap", {
    "kind": "set-aside",
    "why": "the bootstrap failed",
  }],
  [
    "then the lock is given back",
    undoing({ ...STOPPED, writable: false, directory: { kind: "absent" } }),
    "undo-bootstrap",
    RELEASE,
  ],
  [
    "and the claim, and the process ends",
    { ...undoing({ ...STOPPED, writable: false, directory: { kind: "absent" } }), tenure: "none" },
    "undo-bootstrap",
    { "kind": "clear-initialize" },
    { "kind": "exit", "message": "Failed to bootstrap cluster: post_bootstrap: 1" },
  ],
  [
    "the first primary completes the initialization",
    holder({ dcs: cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } }) }),
    "first-primary",
    { "kind": "complete-initialize", "systemId": SYSTEM_ID },
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
    "initdb-failed",
    { "kind": "clear-initialize" },
    { "kind": "exit", "message": "Failed to bootstrap cluster: broken" },
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
    "initdb-failed",
    { "kind": "clear-initialize" },
    { "kind": "exit", "message": "Failed to bootstrap cluster: broken" },
  ],
  [
    "a lock that was granted for a bootstrap that failed is given back first",
    holder({
      dcs: cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } }),
      postgres: postgres({ ...STOPPED, directory: HALF_BOOTSTRAPPED, last: failed("bootstrap") }),
    }),
    "initdb-failed",
    RELEASE,
  ],
  [
    "the first primary that does not start is tried again after a pause",
    holder({
      dcs: cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } }),
      postgres: postgres({ ...STOPPED, directory: HALF_BOOTSTRAPPED, last: failed("start", 1, 99_000) }),
    }),
    "first-primary",
  ],
  [
    "and after a longer one when it failed again",
    holder({
      dcs: cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } }),
      postgres: postgres({ ...STOPPED, directory: HALF_BOOTSTRAPPED, last: failed("start", 2, 97_000) }),
    }),
    "first-primary",
  ],
  [
    "until it is over",
    holder({
      dcs: cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } }),
      postgres: postgres({ ...STOPPED, directory: HALF_BOOTSTRAPPED, last: failed("start", 2, 95_000) }),
    }),
    "first-primary",
    START_PRIMARY,
  ],
  [
    "a standby's directory never bootstraps a cluster",
    node({
      dcs: cluster({ initialize: null, lock: lock({ epoch: 0, holder: null }) }),
      postgres: postgres(STOPPED),
    }),
    "claim-bootstrap",
  ],
  ["an empty member leaves the bootstrap to others", {
    ...node({
      dcs: cluster({ initialize: null, lock: lock(FREE) }),
      postgres: postgres(EMPTY),
      statuses: [],
    }),
    watchdogFailed: true,
  }, "claim-bootstrap"],
  [
    "a restart that is asked for waits until the cluster is initialized",
    holder({
      wantsRestart: true,
      dcs: cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } }),
      postgres: postgres({ ...RUNNING_PRIMARY, directory: HALF_BOOTSTRAPPED }),
    }),
    "first-primary",
    { kind: "finish-bootstrap" },
  ],
];

const OF_STANDBY = [CLAIM_STANDBY, ...BOOTSTRAP_STANDBY];
decides(BOOTSTRAP.filter((rule) => !OF_STANDBY.includes(rule)), CASES);
