/** What a node owes to synchronous replication, and what keeps a holder from becoming a primary. */
import { expect, test } from "bun:test";
import type { MemberStatus } from "../model/member_status.ts";
import type { PostgresView, SyncView } from "../model/postgres_view.ts";
import { recordOf } from "../sync/record.ts";
import { awaitMissing, NO_SYNC, settingFor } from "../sync/setting.ts";
import { keep } from "./keep/rules.ts";
import { type SyncDuty, synchronous, syncNotReady, syncStep } from "./sync.ts";
import {
  cluster,
  DYNAMIC,
  holder,
  lock,
  node,
  postgres,
  primaryStatus,
  RUNNING_PRIMARY,
  seen,
  STANDBY_DIRECTORY,
  status,
  STOPPED,
} from "./testing.ts";
import { ON, QUORUM, record, standby, syncPrimary, syncView } from "./testing_sync.ts";

const any = (names: string, count = 1) => settingFor([...names], count, true);
const sync = (change: Partial<SyncView>) => syncView({ setting: any("bc"), ...change });

/** Primary a of b and c, in quorum mode, as all is to be. */
function primary(
  change: Parameters<typeof holder>[0] = {},
  view: Partial<SyncView> = {},
  others: readonly MemberStatus[] = [standby("b"), standby("c")],
) {
  const quorum = { dcs: cluster({ sync: record("bc", 1) }), dynamic: QUORUM };
  return syncPrimary({ setting: any("bc"), ...view }, { ...quorum, ...change }, { wroteUnder: null }, others);
}

const still = (standsMs: number, stoodMs = standsMs) => ({ standsMs, stoodMs });
const sets = (names: string, count = 1): SyncDuty => ({ kind: "sync-setting", setting: any(names, count) });
const logs = (names: string, quorum: number, flushed: readonly string[] = []): SyncDuty => {
  const { revision: expectRevision, ...logged } = record(names, quorum);
  return { kind: "sync-record", epoch: 3, record: logged, flushed, expectRevision };
};

test.each<[string, ReturnType<typeof primary>, SyncDuty | null]>([
  ["all is as it is to be", primary(), null],
  ["nothing is asked for", primary({ dynamic: DYNAMIC, dcs: cluster() }, { setting: NO_SYNC }), null],
  [
    "a standby whose agent is silent is set aside",
    primary({
      statuses: [
        seen(primaryStatus("a", { dataToken: "data-a" })),
        seen(standby("b")),
        seen(standby("c"), 2500),
      ],
    }),
    sets("b"),
  ],
  [
    "a standby that does not stream any more",
    primary({ primaryForMs: 60_000 }, { flushed: { b: 1000 } }),
    sets("b"),
  ],
  [
    "a standby that has yet to attach to a new primary",
    primary({ primaryForMs: 1000 }, { flushed: { b: 1000 } }),
    null,
  ],
  [
    "one that will never attach",
    primary({ primaryForMs: 1000 }, { flushed: { b: 1000 } }, [
      standby("b"),
      standby("c", { tags: { replicatefrom: "b" } }),
    ]),
    sets("b"),
  ],
  ["one that streams and flushes nothing", primary({ standstills: { c: still(2000) } }), sets("b")],
  ["it does so for a moment", primary({ standstills: { c: still(1999) } }), null],
  [
    "it is the last one: the record first",
    primary({ dcs: cluster({ sync: record("c", 0) }), standstills: { c: still(5000) } }, {
      setting: any("c"),
    }, [
      standby("c"),
    ]),
    logs("", 0),
  ],
  [
    "it is the last one, in strict mode",
    primary(
      {
        dcs: cluster({ sync: record("c", 0) }),
        dynamic: { ...QUORUM, synchronousModeStrict: true },
        standstills: { c: still(5000) },
      },
      { setting: any("c") },
      [standby("c")],
    ),
    null,
  ],
  [
    "the last one lags behind the primary",
    primary(
      {
        dcs: cluster({ sync: record("c", 0) }),
        dynamic: { ...QUORUM, maximumLagOnSyncnodeBytes: 50 },
        postgres: postgres({ ...RUNNING_PRIMARY, walLsn: 1051, sync: sync({ setting: any("c") }) }),
      },
      {},
      [standby("c")],
    ),
    logs("", 0),
  ],
  ["the tag nosync", primary({}, {}, [standby("b"), standby("c", { tags: { nosync: true } })]), sets("b")],
  [
    "a sync_priority of 0",
    primary({}, {}, [standby("b"), standby("c", { tags: { sync_priority: 0 } })]),
    sets("b"),
  ],
  [
    "one that is about to end",
    primary({}, {}, [standby("b"), standby("c", { shuttingDown: true })]),
    sets("b"),
  ],
  [
    "one that an operator's request is about to end",
    primary({}, {}, [standby("b"), standby("c", { endsSoon: true })]),
    sets("b"),
  ],
  [
    "one that is being restarted",
    primary({}, {}, [standby("b"), standby("c", { state: "restarting" })]),
    sets("b"),
  ],
  [
    "the last primary, as it was when it was heard last",
    primary({ primaryForMs: 1000 }, { flushed: { b: 1000 } }, [
      standby("b"),
      primaryStatus("c", { dataToken: "data-c", primaryDirectory: false }),
    ]),
    sets("b"),
  ],
  [
    "one that commits wait for stays so before the record names it",
    primary(
      { dynamic: ON, dcs: cluster({ sync: record("", 0) }) },
      { setting: settingFor(["c"], 1, false), flushed: { b: 1000, c: 900 } },
    ),
    {
      kind: "sync-record",
      epoch: 3,
      record: recordOf("a", "data-a", { c: "data-c" }, 0),
      flushed: ["b", "c"],
      expectRevision: 7,
    },
  ],
  ["an older version, without data to name", primary({}, {}, [standby("b"), status("c")]), sets("b")],
  [
    "the record follows when the rest has flushed",
    primary({ dynamic: QUORUM }, { setting: any("b") }, [
      standby("b"),
    ]),
    logs("b", 0, ["b", "c"]),
  ],
  ["and not before", primary({}, { setting: any("b"), settledLsn: 1001 }, [standby("b")]), null],
  ["nothing while the setting may not hold yet", primary({}, { settledLsn: null }, [standby("b")]), null],
  ["a record that may be applied late", primary({ syncFrozen: true }, {}, [standby("b")]), logs("bc", 1)],
  ["no standby is left: the record first", primary({}, {}, []), logs("", 0)],
  [
    "a standby cluster has no commits",
    primary(
      {
        dynamic: { ...ON, standbyCluster: { host: "h" } as never },
      },
      {},
      [],
    ),
    null,
  ],
  [
    "a bootstrap in progress promises nothing",
    primary(
      {
        dcs: cluster({ sync: record("bc", 1), initialize: { systemId: "", by: "a", incarnation: 1 } }),
      },
      {},
      [],
    ),
    null,
  ],
  ["records that may be old", primary({ joined: false }, {}, []), null],
])("%s", (_, view, duty) => {
  expect(synchronous(view)).toEqual(duty);
});

test("a member that is called as a property of every map has no standstill, and streams as it does", () => {
  const named = standby("constructor", { life: status("b").life });
  const view = primary({ dcs: cluster({ sync: record("b", 0) }) }, {
    setting: any("b"),
    flushed: { b: 1000 },
  }, [
    standby("b"),
    named,
  ]);
  expect(synchronous(view)).toBe(null);
});

test("switched off: the promise ends first", () => {
  expect(synchronous(primary({ dynamic: DYNAMIC }))).toMatchObject({
    kind: "sync-record",
    record: { leader: null },
  });
});

test("a standby cluster ends the promise from before, once its leader acknowledges nothing", () => {
  const dynamic = { ...ON, standbyCluster: { host: "h" } as never };
  const view = (own: Partial<PostgresView>, change: Parameters<typeof node>[0] = {}) =>
    successor({}, { dynamic, ...change }, own);
  expect(synchronous(view({ writable: false }))).toMatchObject({
    kind: "sync-record",
    epoch: 4,
    record: { leader: null, syncStandby: [] },
    expectRevision: 9,
  });
  expect(synchronous(view({ writable: true }))).toBe(null);
  expect(synchronous(view({ writable: false }, { tenure: "none" }))).toBe(null);
  expect(synchronous(view({ writable: false }, { dcs: cluster() }))).toBe(null);
  // A restart goes on as a primary.
  const action = (kind: "restart" | "stop") => ({ action: { kind, sinceMs: 99_000, detail: "" } });
  expect(synchronous(view({ ...STOPPED, ...action("restart") }))).toBe(null);
  expect(synchronous(view({ ...STOPPED, ...action("stop") }))).not.toBe(null);
});

test("a server that may never come up promises nothing: it would be the only one that may lead", () => {
  const first = (own: Partial<PostgresView>) =>
    synchronous(successor({}, { dcs: cluster({ lock: lock({ holder: "b", epoch: 4 }) }) }, {
      writable: false,
      ...own,
    }));
  const promises = { kind: "sync-record", epoch: 4, record: { leader: "b" } };
  expect(first({ process: "running" })).toMatchObject(promises);
  expect(first({ process: "starting" })).toBe(null);
  const lacking = { ...STANDBY_DIRECTORY, control: { ...STANDBY_DIRECTORY.control, minRecoveryLsn: 2000 } };
  const stopped = { ...STOPPED, directory: lacking };
  expect(first({ ...stopped, walEnd: { timeline: 1, lsn: 2000 } })).toMatchObject(promises);
  expect(first({ ...stopped, walEnd: { timeline: 1, lsn: 1999 } })).toBe(null);
  // Not read yet; while it is rewound.
  expect(first({ ...stopped, walEnd: null })).toBe(null);
  const rewound = { kind: "half-written", what: "rewind" } as const;
  expect(first({ ...STOPPED, directory: rewound, walEnd: { timeline: 1, lsn: 2000 } })).toBe(null);
});

test("in strict mode the first client of a new cluster waits", () => {
  const begun = (change: Parameters<typeof node>[0] = {}, own: Partial<PostgresView> = {}) =>
    node({
      dcs: cluster({ initialize: { systemId: "", by: "b", incarnation: 7 } }),
      incarnation: 7,
      joined: false,
      dynamic: { ...QUORUM, synchronousModeStrict: true },
      postgres: postgres({ process: "none", sync: sync({ setting: NO_SYNC }), ...own }),
      ...change,
    });
  const missing = awaitMissing(true);
  expect(synchronous(begun())).toEqual({ kind: "sync-setting", setting: missing });
  const others = [
    begun({ dynamic: QUORUM }),
    begun({ incarnation: 8 }),
    begun({ dynamic: { ...DYNAMIC, synchronousModeStrict: true } }),
    // One that is adopted serves its clients already.
    begun({}, { process: "running", writable: true }),
    begun({}, { sync: sync({ setting: missing }) }),
  ];
  expect(others.map(synchronous)).toEqual(others.map(() => null));
});

test("a standby's setting is not empty for as long as something is promised", () => {
  const view = (setting = NO_SYNC, dcs = cluster({ sync: record("bc", 1) })) =>
    node({ dcs, dynamic: QUORUM, postgres: postgres({ sync: sync({ setting }) }) });
  expect(synchronous(view())).toEqual({ kind: "sync-setting", setting: any("ac") });
  expect(synchronous(view(any("c")))).toBe(null);
  expect(synchronous(view(any("c"), cluster()))).toEqual({ kind: "sync-setting", setting: NO_SYNC });
});

/** b, granted the lock after a, before its promotion. */
function successor(
  view: Partial<SyncView>,
  change: Parameters<typeof node>[0] = {},
  own: Partial<PostgresView> = {},
) {
  const { sync: _, ...dcs } = cluster();
  return node({
    tenure: "holding",
    leaseUsable: true,
    dynamic: QUORUM,
    syncFrozen: false,
    dcs: {
      ...dcs,
      lock: { ...dcs.lock, epoch: 4, holder: "b", lastHolder: "b" },
      sync: { ...recordOf("b", "data-b", { c: "data-c" }, 1), revision: 9 },
    },
    statuses: [standby("b"), standby("c")].map((one) => seen(one)),
    postgres: postgres({ following: null, sync: sync({ settledLsn: null, flushed: {}, ...view }), ...own }),
    ...change,
  });
}

test.each<[string, ReturnType<typeof node>, string | null]>([
  ["the setting names the standbys, and is read", successor({ setting: any("c") }), null],
  ["another setting", successor({ setting: any("ac") }), "is written"],
  ["a setting that is not read yet", successor({ setting: any("c"), loaded: false }), "reads"],
  ["commits that do not wait yet", successor({ setting: any("c"), commitsWait: false }), "checkpointer"],
  ["a proposal of an earlier start", successor({ setting: any("c") }, { syncFrozen: true }), "logged"],
  [
    "nobody to wait for, and the record still needs votes",
    successor({ setting: NO_SYNC }, {
      dcs: { ...successor({}).dcs, sync: { ...recordOf("b", "data-b", { c: "data-c" }, 0), revision: 9 } },
      statuses: [seen(standby("b"))],
    }),
    "logged",
  ],
  ["no synchronous mode", successor({ setting: NO_SYNC }, { dynamic: DYNAMIC, dcs: cluster() }), null],
])("before a promotion: %s", (_, view, why) => {
  const found = syncNotReady(view);
  if (why === null) expect(found).toBe(null);
  else expect(found).toContain(why);
  expect(keep(view).actions.some(({ kind }) => kind === "promote")).toBe(why === null);
});

test("a primary that was restarted in pause is taken over with the setting that it has", () => {
  const found = { ...RUNNING_PRIMARY, epoch: null };
  const dcs = cluster({ sync: record("", 0) });
  const dynamic = { ...QUORUM, pause: true };
  const view = primary({ dcs, dynamic, postgres: postgres({ ...found, sync: sync({}) }) }, {}, []);
  expect(synchronous(view)).toEqual({ kind: "sync-setting", setting: NO_SYNC });
  expect(keep(view).actions).toMatchObject([{ kind: "adopt-primary" }]);
});

test("a holder whose directory was replaced logs nothing of it, and is not promoted with it", () => {
  const view = (dataId: string, own: Partial<PostgresView> = {}) =>
    successor({ setting: any("ac") }, {}, { ...own, directory: { ...STANDBY_DIRECTORY, dataId } });
  expect(syncStep(view("data-b"))).not.toBeNull();
  expect(syncStep(view("anew"))).toBeNull();
  expect(syncStep(view("anew", { process: "none" }))).toBeNull();
  expect(syncNotReady(view("anew"))).toContain("its data is");
  // What serves its clients already goes on with the standbys that it has.
  expect(syncStep(view("anew", RUNNING_PRIMARY))).not.toBeNull();
});
