/** Somebody else who streams under the name of a member is found, and the member is not waited for. */
import { expect, test } from "bun:test";
import type { MemberStatus } from "../model/member_status.ts";
import type { SyncView, WalSender } from "../model/postgres_view.ts";
import { recordOf } from "../sync/record.ts";
import { settingFor } from "../sync/setting.ts";
import type { NodeView } from "./keep/view.ts";
import { nameClashes } from "./name_clash.ts";
import { synchronous } from "./sync.ts";
import { syncSigns } from "./sync_trouble.ts";
import { cluster, DYNAMIC } from "./testing.ts";
import { ON, standby, syncPrimary } from "./testing_sync.ts";

const WITHOUT_SLOTS = { ...ON, postgresql: { ...ON.postgresql, useSlots: false } };
const sender = (name: string, change: Partial<WalSender> = {}): WalSender => ({
  name,
  flushedLsn: 1000,
  slot: name,
  user: "replicator",
  address: `10.0.0.${name.toLowerCase().charCodeAt(0)}`,
  ...change,
});
/** What a standby of the cluster has in its files. */
const STANDBYS = settingFor(["b", "c"], 1, true);
const STRANGER = { slot: null, address: "10.9.9.9" };
const ELSEWHERE: Partial<MemberStatus> = { following: "c" };
const [B, C] = [sender("b"), sender("c")];
/** Another cluster's standby of that name, which took the slot while the member was away. */
const TAKEN = sender("b", { flushedLsn: 1400, connectedMs: 60_000 });
const AWAY: Partial<MemberStatus> = {
  following: "a",
  replicationState: null,
  receivedLsn: 1300,
  lookAgeMs: 700,
};

const FOUND = { following: null, replicationState: "streaming" };
const FURTHER = { timeline: 2, receivedLsn: 1500 };
const ENDED = { running: false, lookAgeMs: null };
const HERE =
  "somebody (replicator from 10.0.0.98) streams under the name of b, which does not stream from here";

/** Primary a in `on` mode, of which b is the synchronous standby; b and c stream. */
function primary(
  senders: readonly WalSender[],
  change: Partial<NodeView> = {},
  ofB: Partial<MemberStatus> = {},
  view: Partial<SyncView> = {},
): NodeView {
  const flushed = Object.fromEntries(senders.map(({ name, flushedLsn }) => [name, flushedLsn]));
  return syncPrimary({ flushed, senders, ...view }, change, {}, [standby("b", ofB), standby("c")]);
}

const OFF_SLOTS = { dynamic: WITHOUT_SLOTS };
const [BARE_B, BARE_C] = [sender("b", { slot: null }), sender("c", { slot: null })];

test.each<[string, NodeView, why: string]>([
  [
    "a second connection without the member's slot",
    primary([B, C, sender("b", STRANGER)]),
    "beside b somebody (replicator from 10.9.9.9) streams under its name, and not over the slot b",
  ],
  ["in other letters", primary([B, C, sender("B", STRANGER)]), "beside b somebody"],
  ["over a slot of its own", primary([B, C, sender("b", { slot: "backup" })]), "beside b somebody"],
  [
    "in place of a member that follows another one",
    primary([C, sender("b", STRANGER)], {}, ELSEWHERE),
    "somebody (replicator from 10.9.9.9) streams under the name of b, which does not stream from here itself",
  ],
  [
    "in place of a member that is not heard",
    primary([C, sender("b", { slot: null, address: null })], { statuses: [] }),
    "somebody (replicator from this host) streams under the name of b",
  ],
  ["over the slot of a member that does not stream", primary([C, TAKEN], {}, AWAY), HERE],
  ["without slots: in place of a member that does not stream", primary([C, TAKEN], OFF_SLOTS, AWAY), HERE],
  ["over the slot of a member on another timeline", primary([C, TAKEN], {}, { ...AWAY, ...FURTHER }), HERE],
  ["over the slot of a stopped member", primary([C, TAKEN], {}, { ...AWAY, ...ENDED }), HERE],
  [
    "without slots: from another address",
    primary([BARE_B, BARE_C, sender("b", STRANGER)], OFF_SLOTS),
    "somebody (replicator from 10.0.0.98) and somebody (replicator from 10.9.9.9) stream under the name of b",
  ],
  [
    "without slots: as another user",
    primary([BARE_B, sender("b", { slot: null, user: "backup" })], OFF_SLOTS),
    "somebody (backup from 10.0.0.98) stream under the name of b",
  ],
])("found: %s", (_, view, why) => {
  expect(nameClashes(view)).toMatchObject([{ name: "b", why: expect.stringContaining(why) }]);
  // Its acknowledgements are not the member's: at first nobody but the primary may succeed it.
  expect(synchronous(view)).toMatchObject({ kind: "sync-record", record: { syncStandby: [] } });
  expect(syncSigns(view).find(({ kind }) => kind === "name-clash")).toMatchObject({
    key: "b",
    detail: expect.stringContaining(". It is not waited for, until that ends"),
  });
});

test.each<[string, NodeView]>([
  ["each member over its slot", primary([B, C])],
  ["other names are not a member's", primary([B, C, sender("backup", STRANGER), sender("bb", STRANGER)])],
  ["the primary's own name is not waited for", primary([B, C, sender("a", STRANGER)])],
  ["while slots are introduced a member streams without one", primary([BARE_B, BARE_C])],
  ["without slots a connection that has come anew", primary([BARE_B, BARE_B, BARE_C], OFF_SLOTS)],
  [
    "a connection that a member's host has left behind",
    primary([C, { ...TAKEN, flushedLsn: 1300 }], {}, AWAY),
  ],
  [
    "a connection that a member has just made",
    primary([{ ...TAKEN, connectedMs: 2600 }, C], {}, AWAY),
  ],
  ["a member that does not answer its agent", primary([TAKEN, C], {}, { ...AWAY, lookAgeMs: 59_000 })],
  ["a member that was found running", primary([TAKEN, C], {}, { ...AWAY, ...FOUND })],
  ["nothing is known of the connections", primary([B, C], {}, {}, { senders: undefined! })],
])("none: %s", (_, view) => {
  expect(nameClashes(view)).toEqual([]);
  expect(synchronous(view)).toBeNull();
});

test("a name that clashes proves nothing for the record, and takes no part once another standby is there", () => {
  const clashing = [B, C, sender("b", STRANGER)];
  const alone = { dcs: cluster({ sync: { ...recordOf("a", "data-a", {}, 0), revision: 8 } }) };
  expect(synchronous(primary(clashing, alone))).toEqual({
    kind: "sync-setting",
    setting: settingFor(["c"], 1, false),
  });
  const both = { ...ON, synchronousNodeCount: 2 };
  expect(
    synchronous(primary(clashing, { ...alone, dynamic: both }, {}, { setting: settingFor(["c"], 1, false) })),
  )
    .toMatchObject({ record: { syncStandby: ["c"] }, flushed: ["c"] });
});

test("without a synchronous mode nobody acknowledges, and a name may be used twice", () => {
  const view = primary([B, C, sender("b", STRANGER)], { dynamic: DYNAMIC, dcs: cluster() }, {}, {
    setting: { method: "FIRST", count: 0, names: [] },
  });
  expect(syncSigns(view)).toEqual([]);
});

test("before its promotion a holder already waits for nobody under whose name somebody streams from it", () => {
  // c was the primary. Somebody follows a, which was a standby, under the name of b, and would go on doing so.
  const c = { ...standby("c"), role: "primary" as const, running: false };
  const view = (senders: readonly WalSender[]) =>
    syncPrimary(
      { flushed: Object.fromEntries(senders.map(({ name }) => [name, 1000])), senders, setting: STANDBYS },
      { dcs: cluster({ sync: { ...recordOf("a", "data-a", { b: "data-b" }, 0), revision: 8 } }) },
      { writable: false, inRecovery: true, wroteUnder: null },
      [standby("b", { following: "c" }), c],
    );
  expect(synchronous(view([]))).toMatchObject({ setting: { names: ["b"] } });
  const clashing = synchronous(view([sender("b", STRANGER)]));
  expect(clashing).toMatchObject({ kind: "sync-record", record: { syncStandby: [] } });
});
