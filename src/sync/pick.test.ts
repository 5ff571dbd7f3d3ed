import { expect, test } from "bun:test";
import { type Pickable, type PickOptions, pickTarget } from "./pick.ts";

const standby = (name: string, change: Partial<Pickable> = {}): Pickable => ({
  name,
  token: `data-${name}`,
  nosync: false,
  syncPriority: 1,
  nofailover: false,
  lsn: 1000,
  ...change,
});
const ABC = [standby("a"), standby("b"), standby("c")];
const picked = (standbys: readonly Pickable[], change: Partial<PickOptions> = {}) => {
  const target = pickTarget(standbys, {
    mode: "on",
    strict: false,
    nodeCount: 1,
    maximumLagBytes: -1,
    voters: {},
    ...change,
  });
  return target === null ? null : [Object.keys(target.standbys).sort().join(""), target.count];
};

test.each<[string, readonly Pickable[], Partial<PickOptions>, unknown]>([
  ["off", ABC, { mode: "off" }, null],
  ["on: one of several", ABC, {}, ["a", 1]],
  ["on: as many as are asked for", ABC, { nodeCount: 2 }, ["ab", 2]],
  ["on: no more than there are", ABC, { nodeCount: 5 }, ["abc", 3]],
  ["on: nobody", [], {}, ["", 0]],
  ["on: the one that is synchronous stays", ABC, { voters: { b: "data-b" } }, ["b", 1]],
  ["on: not with other data", ABC, { voters: { b: "data-old" } }, ["a", 1]],
  ["on: a higher priority takes over", [standby("a"), standby("b", { syncPriority: 2 })], {
    voters: { a: "data-a" },
  }, ["b", 1]],
  ["on: the one with more WAL", [standby("a"), standby("b", { lsn: 2000 })], {}, ["b", 1]],
  [
    "on: one that may be promoted goes first",
    [
      standby("a", { nofailover: true, syncPriority: 9 }),
      standby("b"),
    ],
    {},
    ["b", 1],
  ],
  ["the tag nosync", [standby("a", { nosync: true }), standby("b")], { mode: "quorum" }, ["b", 1]],
  ["one that lags too far", [standby("a", { lsn: 10 }), standby("b")], {
    mode: "quorum",
    maximumLagBytes: 500,
  }, [
    "b",
    1,
  ]],
  ["one that attaches does not lag yet", [standby("a", { lsn: null }), standby("b")], {
    mode: "quorum",
    maximumLagBytes: 500,
  }, ["ab", 1]],
  ["quorum: all", ABC, { mode: "quorum" }, ["abc", 1]],
  ["quorum: two of them", ABC, { mode: "quorum", nodeCount: 2 }, ["abc", 2]],
  ["quorum: no more than there are", ABC, { mode: "quorum", nodeCount: 9 }, ["abc", 3]],
])("%s", (_, standbys, options, expected) => {
  expect(picked(standbys, options)).toEqual(expected as never);
});
