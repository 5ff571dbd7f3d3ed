/** How a standby cluster gets its first data, and where none of its members has any left. */
import { expect, test } from "bun:test";
import { remoteOf } from "../../model/standby_cluster.ts";
import {
  cluster,
  DYNAMIC,
  FREE,
  lock,
  node,
  postgres,
  PRIMARY_DIRECTORY,
  seen,
  STANDBY_DIRECTORY,
  status,
  STOPPED,
  SYSTEM_ID,
  withMethod,
} from "../testing.ts";
import { BOOTSTRAP_STANDBY, CLAIM_STANDBY } from "./bootstrap_standby.ts";
import { keep } from "./rules.ts";
import { type Case, decides, failed, HALF_BOOTSTRAPPED } from "./testing.ts";
import type { NodeView } from "./view.ts";

const STANDBY_CLUSTER = { host: "10.0.0.9" };
const REMOTE = remoteOf(STANDBY_CLUSTER);
const EMPTY = { ...STOPPED, directory: { kind: "empty" }, systemId: null } as const;
const CLONE = { kind: "clone", from: REMOTE, leader: REMOTE, of: null } as const;
const NOBODY = [seen(status("c", { systemId: null, directoryUsable: false }))];

function bare(change: Partial<NodeView> = {}): NodeView {
  return node({
    dynamic: { ...DYNAMIC, standbyCluster: STANDBY_CLUSTER },
    dcs: cluster({ initialize: null, lock: lock({ epoch: 0, holder: null, lastHolder: null }) }),
    postgres: postgres(EMPTY),
    statuses: NOBODY,
    ...change,
  });
}

const CLAIMED = cluster({
  initialize: { systemId: "", by: "b", incarnation: 1 },
  lock: lock({ epoch: 0, holder: null, lastHolder: null }),
});
const claimed = (change: Partial<NodeView> = {}) => bare({ dcs: CLAIMED, ...change });
const HOLDING = { tenure: "holding", leaseUsable: true } as const;

const CASES: readonly Case[] = [
  ["an empty member claims the bootstrap", bare(), "claim-standby-bootstrap", { kind: "claim-initialize" }],
  ...[bare, claimed].map((made): Case => [
    "right after its start it is not known whether a server runs here: nothing is claimed or copied yet",
    made({ postgres: postgres({ ...EMPTY, process: "starting" }) }),
    made === bare ? "claim-standby-bootstrap" : "first-standby-leader",
  ]),
  [
    "a standby's directory is adopted",
    bare({ postgres: postgres({ ...STOPPED, directory: STANDBY_DIRECTORY }) }),
    "claim-standby-bootstrap",
    { kind: "claim-initialize" },
  ],
  [
    "a primary's directory is not made a standby's by a bootstrap",
    bare({ postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }) }),
    "claim-standby-bootstrap",
  ],
  [
    "an empty member waits for one that has a standby's data",
    bare({ statuses: [seen(status("c"))] }),
    "claim-standby-bootstrap",
  ],
  [
    "one that has just connected may have that, and is heard first",
    bare({ unheard: [7] }),
    "claim-standby-bootstrap",
  ],
  [
    "after a failed copy the claim is left to the others for a while",
    bare({ postgres: postgres({ ...EMPTY, last: failed("clone", 1, 99_900) }) }),
    "claim-standby-bootstrap",
  ],
  ["who has claimed copies the remote primary", claimed(), "first-standby-leader", CLONE],
  [
    "a copy that failed gives the claim back",
    claimed({ postgres: postgres({ ...EMPTY, last: failed("clone", 1, 99_900) }) }),
    "remote-copy-failed",
    { kind: "clear-initialize" },
  ],
  [
    "the copy is there: the lock is waited for",
    claimed({ postgres: postgres({ ...STOPPED, directory: STANDBY_DIRECTORY }) }),
    "first-standby-leader",
  ],
  [
    "with the lock it is started as the standby leader",
    claimed({ ...HOLDING, postgres: postgres({ ...STOPPED, directory: STANDBY_DIRECTORY }) }),
    "first-standby-leader",
    { kind: "start-standby", follow: REMOTE },
  ],
  [
    "its system identifier becomes the cluster's",
    claimed({ ...HOLDING, postgres: postgres({ following: REMOTE.name }) }),
    "first-standby-leader",
    { kind: "complete-initialize", systemId: SYSTEM_ID },
  ],
];

const COPIED = postgres({ ...STOPPED, directory: STANDBY_DIRECTORY });
const STANDALONE = { dynamic: DYNAMIC };

/** The key is set, or removed, while the bootstrap is under way. */
const CHANGED: readonly Case[] = [
  [
    "an initdb that has begun is no standby cluster's data",
    claimed({ postgres: postgres({ ...STOPPED, directory: HALF_BOOTSTRAPPED }) }),
    "first-standby-leader",
    { kind: "set-aside", why: "the cluster has become a standby cluster" },
  ],
  [
    "a copy of a cluster that is no standby cluster any more is started as a standby",
    claimed({ ...STANDALONE, ...HOLDING, postgres: COPIED }),
    "first-primary",
    { kind: "start-standby", follow: null },
  ],
  [
    "and promoted, which gives it a timeline of its own",
    claimed({ ...STANDALONE, ...HOLDING, postgres: postgres() }),
    "first-primary",
    { kind: "promote", epoch: 0 },
  ],
  [
    "but not without a lease",
    claimed({ ...STANDALONE, ...HOLDING, leaseUsable: false, postgres: postgres() }),
    "first-primary",
  ],
];
decides([], CHANGED);

decides([CLAIM_STANDBY, ...BOOTSTRAP_STANDBY], CASES);

const archive = { ...DYNAMIC, standbyCluster: { restoreCommand: "cp" } };

test("without a host only a method that needs no connection makes the first copy", () => {
  expect(keep(claimed({ dynamic: archive })).actions).toEqual([]);
  const [method] = withMethod({ noLeader: true }).postgresql.createReplicaMethods;
  const postgresql = { ...DYNAMIC.postgresql, remoteMethods: [method!] };
  const from = remoteOf(archive.standbyCluster);
  expect<unknown>(keep(claimed({ dynamic: { ...archive, postgresql } })).actions).toEqual([
    { kind: "clone", from, leader: from, of: null },
  ]);
});

test("a standby cluster of which nobody has data left copies the remote primary again, of the same system", () => {
  const free = bare({ dcs: cluster({ lock: lock(FREE) }) });
  const of = { systemId: SYSTEM_ID, timeline: null };
  expect<unknown>(keep(free).actions).toEqual([{ ...CLONE, of }]);
  expect(keep({ ...free, statuses: [seen(status("c"))] }).actions).toEqual([]);
  expect(keep({ ...free, dynamic: DYNAMIC }).actions).toEqual([]);
  // c has data, and is never chosen: nobody would hold the lock for ever.
  const never = { ...free, statuses: [seen(status("c", { nofailover: true }))] };
  expect<unknown>(keep(never).actions).toEqual([{ ...CLONE, of }]);
  expect(keep({ ...never, dynamic: DYNAMIC }).actions).toEqual([]);
});

const UNMANAGED = { kind: "valid", control: PRIMARY_DIRECTORY.control, unmanaged: true } as const;
const FOUND = { writable: true, epoch: null, systemId: SYSTEM_ID } as const;

test("a server that runs already is left alone: a primary, and a standby that no agent has managed", () => {
  const primary = bare({
    postgres: postgres({ ...FOUND, inRecovery: false, directory: { ...UNMANAGED, standbySignal: false } }),
  });
  const standby = bare({
    postgres: postgres({ ...FOUND, inRecovery: true, directory: { ...UNMANAGED, standbySignal: true } }),
  });
  expect(keep(primary)).toMatchObject({ rule: "found-primary", actions: [] });
  expect(keep({ ...primary, ...HOLDING, dcs: CLAIMED })).toMatchObject({
    rule: "found-primary",
    actions: [],
  });
  expect(keep(standby)).toMatchObject({ rule: "found-standby", actions: [] });
  expect(keep({ ...primary, dynamic: DYNAMIC }).actions).toEqual([{ kind: "claim-initialize" }]);
});
