import { expect, test } from "bun:test";
import { cluster, lock, primaryStatus, seen, status } from "../../brain/testing.ts";
import { clusterProgress } from "./cluster_progress.ts";

const statuses = [
  seen(primaryStatus("a", { slots: { cdc: 700 } })),
  seen(status("b", { receivedLsn: 900, slots: { mine: 1 } })),
  seen(status("stranger", { receivedLsn: 5 })),
];

test("slots stand where their members are, and where the primary says; members that are missing retain theirs", () => {
  expect(clusterProgress(cluster(), statuses, 1000, true)).toEqual({
    optime: 1000,
    slots: { cdc: 700, a: 1000, b: 900 },
    retainSlots: ["c"],
  });
});

test("without use_slots members have none", () => {
  expect(clusterProgress(cluster(), statuses, 1000, false)).toEqual({
    optime: 1000,
    slots: { cdc: 700 },
    retainSlots: [],
  });
});

test("without a primary nothing is known of permanent slots, and no position is made up", () => {
  const free = cluster({ lock: lock({ holder: null }) });
  expect(clusterProgress(free, [seen(status("b", { receivedLsn: null }))], 0, true)).toEqual({
    optime: 0,
    slots: {},
    retainSlots: ["a", "c"],
  });
});
