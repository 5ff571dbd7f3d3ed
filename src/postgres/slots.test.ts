import { expect, test } from "bun:test";
import type { JsonObject } from "../model/json.ts";
import { slotName } from "../model/slot_name.ts";
import { isIgnored, planSlots, type SlotPlanInput, type SlotState } from "./slots.ts";

test("slot names are made of member names as Patroni makes them", () => {
  expect(slotName("Node-1.example")).toBe("node_1_example");
  expect(slotName("knoten ü")).toBe("knotenu0032u0252");
  expect(slotName("x".repeat(80))).toHaveLength(63);
});

const slot = (name: string, more: Partial<SlotState> = {}): SlotState => ({
  name,
  active: false,
  physical: true,
  temporary: false,
  plugin: null,
  database: null,
  useless: false,
  synced: false,
  heldBytes: 0,
  ...more,
});
const base: SlotPlanInput = {
  existing: [
    slot("a"),
    slot("b"),
    slot("foreign"),
    slot("busy", { active: true }),
    slot("l", { physical: false }),
    slot("kept"),
  ],
  wanted: ["a", "c"],
  made: ["a", "b", "busy", "l", "kept"],
  kept: ({ name }) => name === "kept",
  wantedAtMs: new Map([["b", 0], ["busy", 0], ["l", 0], ["kept", 0]]),
  nowMs: 1000,
  ttlMs: 1000,
  idleSinceMs: new Map([["foreign", 0], ["l", 0], ["kept", 0], ["busy", 0]]),
  strangerTtlMs: null,
};

test("what is missing is made; dropped is only what is ours, unused, and not wanted for long enough", () => {
  expect(planSlots(base)).toEqual({ create: ["c"], drop: ["b"] });
  expect(planSlots({ ...base, nowMs: 999 }).drop).toEqual([]);
  expect(planSlots({ ...base, wantedAtMs: new Map() }).drop).toEqual([]);
  expect(planSlots({ ...base, made: [] }).drop).toEqual([]);
});

test("on a standby, what nobody has used for a while goes, whoever made it", () => {
  const standby = { ...base, wanted: [], ttlMs: 0, strangerTtlMs: 1000 };
  expect(planSlots(standby)).toEqual({ create: [], drop: ["b", "foreign", "l"] });
  expect(planSlots({ ...standby, nowMs: 999 }).drop).toEqual(["b"]);
  expect(planSlots({ ...standby, idleSinceMs: new Map() }).drop).toEqual(["b"]);
  const existing = [
    slot("foreign", { temporary: true }),
    slot("l", { physical: false, synced: true }),
    slot("foreign", { active: true }),
  ];
  expect(planSlots({ ...standby, existing }).drop).toEqual([]);
});

test("a member's slot that can serve nobody any more is made anew", () => {
  const existing = [slot("a", { useless: true }), slot("c", { useless: true, active: true })];
  expect(planSlots({ ...base, existing })).toEqual({ create: ["a"], drop: ["a"] });
});

test("ignore_slots: everything that a map gives must agree", () => {
  const logical = slot("cdc", { physical: false, plugin: "pgoutput", database: "app" });
  const ignored: [boolean, JsonObject][] = [
    [true, { name: "cdc" }],
    [true, { type: "logical", database: "app", plugin: "pgoutput" }],
    [false, { name: "cdc", database: "other" }],
    [false, { type: "physical" }],
    [false, {}],
    [false, { comment: "cdc" }],
  ];
  for (const [yes, map] of ignored) expect(isIgnored(logical, [map])).toBe(yes);
  expect(isIgnored(slot("backup"), [{ name: "other" }, { type: "physical", name: "backup" }])).toBe(true);
});
