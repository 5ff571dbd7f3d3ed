import { expect, test } from "bun:test";
import { tenureOf, type TenureView } from "./tenure.ts";
import { FREE, lock } from "../brain/testing.ts";

const base: TenureView = {
  lock: lock(),
  claim: "own",
  epochAtJoin: 2,
  givenUpEpoch: 0,
  guardSpoke: true,
  guardArmedEpoch: null,
  guardEndedEpoch: 0,
  heldEpoch: null,
};

const CASES: [string, Partial<TenureView>, string][] = [
  ["an epoch granted after our start is held", {}, "holding"],
  ["another's lock is none of ours", { lock: lock({ holder: "b" }), claim: "none" }, "none"],
  ["a free lock is none of ours", { lock: lock(FREE), claim: "none" }, "none"],
  ["an epoch from before our start is given back", { epochAtJoin: 3 }, "to-release"],
  ["unless the guard still has it armed", { epochAtJoin: 3, guardArmedEpoch: 3 }, "holding"],
  ["or we held it before the guard was replaced", { epochAtJoin: 3, heldEpoch: 3 }, "holding"],
  ["a guard that has not answered yet is no proof that nothing runs", {
    epochAtJoin: 3,
    guardSpoke: false,
  }, "none"],
  ["an epoch granted after our start is held, whether a guard has answered or not", {
    guardSpoke: false,
  }, "holding"],
  ["an epoch that we gave up is never held again", {
    givenUpEpoch: 3,
    guardArmedEpoch: 3,
    heldEpoch: 3,
  }, "to-release"],
  ["an epoch that the guard saw ended is never held again", {
    guardEndedEpoch: 3,
    guardArmedEpoch: 3,
    heldEpoch: 3,
  }, "to-release"],
  ["an epoch of another machine under our name is neither kept nor given back", {
    claim: "other",
    guardArmedEpoch: 3,
    heldEpoch: 3,
  }, "none"],
  ["an epoch from before the host booted anew is left to its expiry", { claim: "former" }, "none"],
  ["in pause, where nothing expires, it is given back", {
    claim: "former",
    lock: lock({ unfenced: true }),
  }, "to-release"],
  ["in pause, too, that of another machine is not", {
    claim: "other",
    lock: lock({ unfenced: true }),
  }, "none"],
  ["before our records are known, the guard's epoch is renewed", {
    epochAtJoin: null,
    guardArmedEpoch: 3,
    lock: lock({ epoch: 0, holder: null }),
    claim: "none",
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
