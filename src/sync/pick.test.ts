import { expect, test } from "bun:test";
import { type Pickable, type PickOptions, pickTarget } from "./pick.ts";

const standby = (name: string, change: Partial<Pickable> = {}): Pickable => ({
  name,
  token: `data-${name}`,
  nosync: false,
  syncPriority: 1,
  nofailover: false,
  lsn: 1000,
  standsMs: 0,
  stoodMs: 0,
  ...change,
});
/** Until now; `stoodMs`: what is held against it. */
const still = (standsMs: number, stoodMs = standsMs) => ({ standsMs, stoodMs });
const ABC = [standby("a"), standby("b"), standby("c")];
const picked = (standbys: readonly Pickable[], change: Partial<PickOptions> = {}) => {
  const target = pickTarget(standbys, {
    mode: "on",
    strict: false,
    nodeCount: 1,
    maximumLagBytes: -1,
    walLsn: 1000,
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
  ["the only one lags behind the primary", [standby("a")], { maximumLagBytes: 500, walLsn: 1501 }, ["", 0]],
  ["one of several by the others only", ABC, { maximumLagBytes: 500, walLsn: 9000 }, ["a", 1]],
  ["one that is synchronous stays up to the limit", [standby("a")], {
    maximumLagBytes: 500,
    walLsn: 1500,
    voters: { a: "data-a" },
  }, ["a", 1]],
  ["another one comes within half of it", [standby("a")], { maximumLagBytes: 500, walLsn: 1251 }, ["", 0]],
  ["and not before", [standby("a")], { maximumLagBytes: 500, walLsn: 1250 }, ["a", 1]],
  [
    "in strict mode the last one stays",
    [standby("a")],
    { maximumLagBytes: 500, walLsn: 9000, strict: true },
    [
      "a",
      1,
    ],
  ],
  [
    "on: one that stands still is replaced",
    [standby("a", { ...still(2000), syncPriority: 9 }), standby("b")],
    {
      voters: { a: "data-a" },
    },
    ["b", 1],
  ],
  ["on: not yet", [standby("a", { ...still(1999) }), standby("b")], { voters: { a: "data-a" } }, ["a", 1]],
  ["on: one that has just begun to move again comes before it", [
    standby("a", still(2000)),
    standby("b", still(0, 4999)),
  ], {
    voters: { a: "data-a" },
  }, ["b", 1]],
  ["on: not if it had gone for good", [standby("a", still(2000)), standby("b", still(0, 5000))], {
    voters: { a: "data-a" },
  }, ["a", 1]],
  [
    "on: nor before one that never stood still",
    [standby("a", still(2000)), standby("b", still(0, 2000)), standby("c")],
    {},
    ["c", 1],
  ],
  ["the last one counts again once it has made up for it", [standby("a", still(0, 5000))], {}, ["", 0]],
  ["on: as one of two it is waited for longer", [standby("a", { ...still(4999) }), standby("b")], {
    nodeCount: 2,
  }, ["ab", 2]],
  ["on: but not for ever", [standby("a", { ...still(5000) }), standby("b")], { nodeCount: 2 }, ["b", 1]],
  ["the last one stands still for a while", [standby("a", { ...still(4999) })], {}, ["a", 1]],
  ["and for longer", [standby("a", { ...still(5000) })], {}, ["", 0]],
  ["and in strict mode", [standby("a", { ...still(5000) })], { strict: true }, ["a", 1]],
  ["in strict mode nobody with the tag", [standby("a", { nosync: true })], { strict: true }, ["", 0]],
  [
    "quorum: one that stands still goes",
    [standby("a", { ...still(2000) }), standby("b")],
    { mode: "quorum" },
    [
      "b",
      1,
    ],
  ],
  [
    "quorum: all stand still, for a while",
    [standby("a", { ...still(3000) }), standby("b", { ...still(5000) })],
    {
      mode: "quorum",
    },
    ["a", 1],
  ],
  ["quorum: so does one that has just begun to move again", [standby("a", still(0, 2000)), standby("b")], {
    mode: "quorum",
  }, ["b", 1]],
  [
    "quorum: it comes before one that stands still",
    [standby("a", still(2000)), standby("b", still(0, 2000))],
    {
      mode: "quorum",
    },
    ["b", 1],
  ],
  ["quorum: all", ABC, { mode: "quorum" }, ["abc", 1]],
  ["quorum: two of them", ABC, { mode: "quorum", nodeCount: 2 }, ["abc", 2]],
  ["quorum: no more than there are", ABC, { mode: "quorum", nodeCount: 9 }, ["abc", 3]],
])("%s", (_, standbys, options, expected) => {
  expect(picked(standbys, options)).toEqual(expected as never);
});
