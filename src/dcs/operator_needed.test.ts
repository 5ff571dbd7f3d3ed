import { expect, test } from "bun:test";
import { cluster, FREE, life, lock } from "../brain/testing.ts";
import type { DcsState, FailsafeRecord } from "../model/records.ts";
import { operatorNeeded } from "./operator_needed.ts";

/** Each on its own machine. */
const heard = (...names: string[]) => names.map((name) => ({ name, life: life(name) }));

const records = (change: Partial<DcsState>): DcsState => ({ ...cluster({}), ...change });

test("an unfenced epoch whose holder is silent is said with the command that ends it", () => {
  const unfenced = records({ lock: lock({ unfenced: true }) });
  expect(operatorNeeded(unfenced, heard("b", "c"))).toContain("agent ctl failover --candidate b");
  expect(operatorNeeded(unfenced, heard())).toContain("--candidate NAME");
  expect(operatorNeeded(unfenced, heard("a", "b"))).toBeNull();
  expect(operatorNeeded(records({ lock: lock({}) }), heard("b"))).toBeNull();
  expect(operatorNeeded(records({ lock: lock(FREE) }), heard("b"))).toBeNull();
});

test("by its machine: who has the holder's name on another one cannot end its epoch", () => {
  const unfenced = records({ lock: lock({ unfenced: true }) });
  const namesake = { name: "a", life: life("a", { node: 99, machine: "other" }) };
  const text = operatorNeeded(unfenced, [namesake, ...heard("b")]);
  expect(text).toContain("the a that is heard is another machine");
  expect(text).toContain("agent ctl failover --candidate b");
  expect(operatorNeeded(unfenced, [{ name: "a", life: life("a", { boot: "later" }) }])).toBeNull();
});

test("a failsafe set that keeps everybody who is heard from taking over is said, until one of it is heard", () => {
  const { members } = cluster({});
  const failsafe: FailsafeRecord = {
    epoch: 3,
    holder: "a",
    members: { a: members["a"]!.apiUrl, b: members["b"]!.apiUrl },
    nodes: { a: life("a").node, b: life("b").node },
    life: life("a"),
    revision: 7,
  };
  // Another machine has the name of b by now.
  const replaced = { ...members, b: { ...members["b"]!, life: life("b", { node: 99, machine: "other" }) } };
  const state = records({ lock: lock(FREE), failsafe, members: replaced });
  const text = operatorNeeded(state, heard("b", "c"));
  expect(text).toContain("Start a or b on its former machine");
  expect(text).toContain("agent recover --force-new-cluster");
  expect(operatorNeeded(state, heard("a", "b", "c"))).toBeNull();
  expect(operatorNeeded({ ...state, members }, heard("b", "c"))).toBeNull();
  expect(operatorNeeded({ ...state, lock: lock({}) }, heard("b"))).toBeNull();
  expect(operatorNeeded({ ...state, failsafe: null }, heard("b"))).toBeNull();
});
