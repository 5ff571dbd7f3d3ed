/** Why commits wait, as the holder of the lock says it. */
import { expect, test } from "bun:test";
import type { PostgresView, SyncView } from "../model/postgres_view.ts";
import { awaitMissing, NO_SYNC, settingFor } from "../sync/setting.ts";
import type { NodeView } from "./keep/view.ts";
import { syncSigns } from "./sync_trouble.ts";
import { cluster, DYNAMIC } from "./testing.ts";
import { ON, standby, syncPrimary } from "./testing_sync.ts";

const WAITS = "2026-01-31 12:00:00+00";

/** Only b is heard. */
const primary = (
  view: Partial<SyncView> = {},
  change: Partial<NodeView> = {},
  server: Partial<PostgresView> = {},
) => syncPrimary(view, change, server, [standby("b")]);

const MISSING = { setting: awaitMissing(false), flushed: {} };
const ASYNCHRONOUS = { dynamic: DYNAMIC, dcs: cluster() };
const MANY = { setting: settingFor(["b", "c"], 2, false) };

test.each<[string, NodeView, key: string, detail: string]>([
  [
    "the only synchronous standby does not stream",
    primary({ flushed: { c: 1000 } }),
    "standbys",
    "commits wait for 1 of b, and none of them streams from here. ",
  ],
  [
    "one of two does not",
    primary({ ...MANY, flushed: { b: 1000, d: 1000 } }),
    "standbys",
    "commits wait for 2 of b, c, and only b streams from here. ",
  ],
  [
    "strict mode without a standby",
    primary(MISSING, { dynamic: { ...ON, synchronousModeStrict: true } }),
    "standbys",
    "commits wait for a standby, and none that may be synchronous streams from here. synchronous_mode_strict is on: it ends when a standby",
  ],
  [
    "without a majority of raft nothing can be logged",
    primary({ flushed: {} }, { raftLostForMs: 1 }),
    "standbys",
    "none of them streams from here. Without a majority of the cluster no standby can be left out",
  ],
  [
    "a standby streams and acknowledges nothing",
    primary({ waitingSince: WAITS }),
    `transaction ${WAITS}`,
    "a commit waits for 1 of b; b streams and does not acknowledge it. It ends when they acknowledge",
  ],
  [
    "only those that are waited for, and stream, are said to stream",
    primary({ ...MANY, setting: settingFor(["b", "c", "d"], 1, true), waitingSince: WAITS }),
    `transaction ${WAITS}`,
    "a commit waits for 1 of b, c, d; b, c stream and do not acknowledge it. ",
  ],
  [
    "strict mode, of whose standby PostgreSQL has not read yet",
    primary({ ...MISSING, loaded: false, waitingSince: WAITS }),
    `transaction ${WAITS}`,
    "a commit waits, and PostgreSQL has not read yet that it is to wait for a standby that may be synchronous. ",
  ],
  [
    "a setting of the user's own in mode off",
    primary({ setting: NO_SYNC, namesInForce: "x", waitingSince: WAITS }, ASYNCHRONOUS),
    `transaction ${WAITS}`,
    "a commit waits by synchronous_standby_names = 'x', which is not the agent's. It ends when that is acknowledged",
  ],
  [
    "nobody is waited for any more, and a commit of before is not let go",
    primary({ setting: NO_SYNC, namesInForce: "", waitingSince: WAITS }, ASYNCHRONOUS),
    `transaction ${WAITS}`,
    "a commit waits for a standby though none is asked for: PostgreSQL's checkpointer",
  ],
  [
    "what was asked for before is not known",
    primary({ setting: NO_SYNC, waitingSince: WAITS }),
    `transaction ${WAITS}`,
    "a commit waits for a standby that PostgreSQL's synchronous_standby_names asked for",
  ],
  [
    "clients are not sent here",
    primary({ waitingSince: WAITS }, {}, { wroteUnder: null }),
    "first write",
    "does not acknowledge it, and GET /primary does not send clients here. ",
  ],
  [
    "nothing waits, and no transaction came through",
    primary({}, {}, { wroteUnder: 2 }),
    "first write",
    "no transaction of the agent's own has been acknowledged, and GET /primary does not send clients here",
  ],
  [
    "what the next step waits for is said",
    primary({ waitingSince: WAITS, settledLsn: null }),
    `transaction ${WAITS}`,
    "The synchronous standbys change when PostgreSQL goes by synchronous_standby_names",
  ],
])("%s", (_, view, key, detail) => {
  const signs = syncSigns(view);
  expect(signs).toMatchObject([{ kind: "writes-blocked", key }]);
  expect(signs[0]!.detail).toContain(detail);
});

test.each<[string, NodeView]>([
  ["all is as it is to be", primary()],
  ["a setting that has not been read yet", primary({ flushed: {}, loaded: false })],
  ["nothing is promised, and nothing waits", primary({ setting: NO_SYNC, flushed: {} }, { dcs: cluster() })],
  ["a former holder", primary({ flushed: {} }, { tenure: "to-release" })],
  ["a frozen server", primary({ flushed: {} }, {}, { process: "frozen" })],
  ["one that is not a primary yet", primary({ flushed: {} }, {}, { inRecovery: true })],
])("nothing is said: %s", (_, view) => expect(syncSigns(view)).toEqual([]));

test("whose commits wait for nobody is said, a few of many by name", () => {
  const exempt = ["q", "r", "s", "t", "u", "v"].map((role) => ({ role, database: null, value: "off" }));
  expect(syncSigns(primary({
    exempt: [
      { role: null, database: null, value: "local" },
      { role: null, database: "sales", value: "off" },
      { role: "app", database: "sales", value: "off" },
      ...exempt,
    ],
  }))).toMatchObject([{
    kind: "commits-exempt",
    detail: expect.stringContaining(
      "commits of all sessions (local), database sales (off), role app in database sales (off), role q (off), 5 more wait for no standby",
    ),
  }]);
  expect(syncSigns(primary({ exempt }, ASYNCHRONOUS))).toEqual([]);
});

test("more synchronous standbys are asked for than there are members that may be one", () => {
  const signs = (change: Partial<NodeView>) => syncSigns(primary({}, change));
  const three = { ...ON, synchronousNodeCount: 3 };
  expect(signs({ dynamic: three })).toMatchObject([{
    kind: "too-few-members",
    detail: expect.stringContaining(
      "synchronous_node_count: asks for 3, and 2 other members may be synchronous",
    ),
  }]);
  expect(signs({ dynamic: { ...three, synchronousNodeCount: 2, maximumLagOnSyncnodeBytes: 1 } })).toEqual([]);
});
