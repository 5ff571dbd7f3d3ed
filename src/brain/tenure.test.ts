import { expect, test } from "bun:test";
import { tenureOf, type TenureView } from "./tenure.ts";
import { FREE, lock } from "./testing.ts";

const base: TenureView = {
  name: "a",
  lock: lock(),
  epochAtJoin: 2,
  givenUpEpoch: 0,
  guardArmedEpoch: null,
  guardEndedEpoch: 0,
  heldEpoch: null,
};

const CASES: [string, Partial<TenureView>, string][] = [
  ["an epoch granted after our start is held", {}, "holding"],
  ["another's lock is none of ours", { lock: lock({ holder: "b" }) }, "none"],
  ["a free lock is none of ours", { lock: lock(FREE) }, "none"],
  ["an epoch from before our start is given back", { epochAtJoin: 3 }, "to-release"],
  ["unless the guard still has it armed", { epochAtJoin: 3, guardArmedEpoch: 3 }, "holding"],
  ["or we held it before the guard was replaced", { epochAtJoin: 3, heldEpoch: 3 }, "holding"],
  [
    "an epoch that we gave up is never held again",
    { givenUpEpoch: 3, guardArmedEpoch: 3, heldEpoch: 3 },
    "to-release",
  ],
  ["an epoch that the guard saw ended is never held again", {
    guardEndedEpoch: 3,
    guardArmedEpoch: 3,
    heldEpoch: 3,
  }, "to-release"],
  ["before our records are known, the guard's epoch is renewed", {
    epochAtJoin: null,
    guardArmedEpoch: 3,
    lock: lock({ epoch: 0, holder: null }),
  }, "holding"],
  ["before our records are known, an ended epoch is not", {
    epochAtJoin: null,
    guardArmedEpoch: 3,
    guardEndedEpoch: 3,
  }, "none"],
  ["before our records are known, nothing is held by old records", { epochAtJoin: null }, "none"],
];

for (const [name, change, expected] of CASES) {
  test(name, () => expect(tenureOf({ ...base, ...change }).kind).toBe(expected as never));
}
