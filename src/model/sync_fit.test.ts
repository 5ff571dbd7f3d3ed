/** Combinations of the keys of synchronous replication, and of the members, that do not go together. */
import { expect, test } from "bun:test";
import { emptyState } from "../dcs/state_machine.ts";
import type { JsonObject } from "./json.ts";
import { idleSyncKeys, otherMembers, syncCheck, type SyncKeys, syncMisfits } from "./sync_fit.ts";

const keys = (change: Partial<SyncKeys> = {}): SyncKeys => ({
  standbyCluster: null,
  synchronousMode: "on",
  synchronousModeStrict: false,
  synchronousNodeCount: 1,
  maximumLagOnSyncnodeBytes: -1,
  ...change,
});
const STRICT = { synchronousModeStrict: true } as const;
const OFF = { synchronousMode: "off" } as const;

test.each<[string, Partial<SyncKeys>, able: number, barred: readonly string[], found: readonly string[]]>([
  ["one standby is enough", {}, 1, [], []],
  ["and so are two for two", { synchronousNodeCount: 2 }, 2, [], []],
  ["a single member", {}, 0, [], ["synchronous_mode: there is no other member: commits wait for nobody"]],
  ["a single member, strict", STRICT, 0, [], [
    "! synchronous_mode_strict: there is no other member: no commit is acknowledged",
  ]],
  ["every other member is barred", { synchronousMode: "quorum" }, 0, ["b", "c"], [
    "synchronous_mode: every other member (b, c) has a tag that keeps it from being synchronous",
  ]],
  ["every other member is barred, strict", STRICT, 0, ["b"], [
    "! synchronous_mode_strict: every other member (b) has a tag",
  ]],
  ["more than there are", { synchronousNodeCount: 3 }, 2, [], [
    "synchronous_node_count: asks for 3, and 2 other members may be synchronous: commits wait for 2",
  ]],
  ["more than may be", { ...STRICT, synchronousNodeCount: 2 }, 1, ["c"], [
    "synchronous_node_count: asks for 2, and 1 other member may be synchronous, beside c with a tag against it",
  ]],
  ["a limit of the lag with one standby, strict", { ...STRICT, maximumLagOnSyncnodeBytes: 1 }, 1, [], [
    "maximum_lag_on_syncnode: has no effect with one standby in strict mode",
  ]],
  ["a limit of the lag with one standby", { maximumLagOnSyncnodeBytes: 1 }, 1, [], []],
  ["a limit of the lag with two", { maximumLagOnSyncnodeBytes: 1 }, 2, [], []],
  ["without a synchronous mode the members are as they like", { ...OFF, ...STRICT }, 0, [], []],
  ["a standby cluster has no commits", { standbyCluster: {} as SyncKeys["standbyCluster"] }, 0, [], []],
])("%s", (_, change, able, barred, expected) => {
  const found = syncMisfits(keys(change), { able, barred });
  const texts = found.map(({ key, message, hopeless }) => `${hopeless ? "! " : ""}${key}: ${message}`);
  expect(texts.map((text, index) => text.slice(0, expected[index]?.length))).toEqual([...expected]);
});

test("without a synchronous mode its other keys have no effect, unless they have their defaults", () => {
  const all = { ...STRICT, synchronousNodeCount: 2, maximumLagOnSyncnodeBytes: 5 } as const;
  expect(idleSyncKeys(keys({ ...OFF, ...all })).map(({ key }) => key)).toEqual([
    "synchronous_mode_strict",
    "synchronous_node_count",
    "maximum_lag_on_syncnode",
  ]);
  expect(idleSyncKeys(keys(OFF))).toEqual([]);
  expect(idleSyncKeys(keys(all))).toEqual([]);
});

test("members beside the primary count, those that have tags against it apart", () => {
  const record = (name: string, tags: JsonObject) => ({
    name,
    connUrl: "",
    apiUrl: "",
    proxyUrl: null,
    raftAddr: "",
    version: "",
    tags,
  });
  const tags: { readonly [name: string]: JsonObject } = {
    a: { nosync: true },
    b: {},
    c: { nosync: true },
    d: { sync_priority: 0 },
    e: { nosync: false, sync_priority: 0 },
    f: { replicatefrom: "b" },
    g: { nostream: true },
  };
  const members = Object.fromEntries(Object.entries(tags).map(([name, each]) => [name, record(name, each)]));
  const { lock } = emptyState();
  const expected = { able: 2, barred: ["c", "d", "f", "g"] };
  expect(otherMembers({ members, lock: { ...lock, holder: "a" } })).toEqual(expected);
  expect(otherMembers({ members, lock: { ...lock, lastHolder: "a" } })).toEqual(expected);
});

test("what does not fit already keeps no other key from being changed", () => {
  const alone = { able: 0, barred: [] };
  expect(syncCheck(keys(STRICT), keys(OFF), alone)).toMatchObject({
    refusals: [expect.any(String)],
    warnings: [],
  });
  expect(syncCheck(keys(STRICT), keys(STRICT), alone)).toEqual({ refusals: [], warnings: [] });
  expect(syncCheck(keys(), null, alone)).toMatchObject({ refusals: [], warnings: [expect.any(String)] });
});
