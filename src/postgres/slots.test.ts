import { expect, test } from "bun:test";
import { slotName } from "./slot_name.ts";
import { planSlots } from "./slots.ts";

test("slot names are made of member names as Patroni makes them", () => {
  expect(slotName("Node-1.example")).toBe("node_1_example");
  expect(slotName("knoten ü")).toBe("knotenu0032u0252");
  expect(slotName("x".repeat(80))).toHaveLength(63);
});

const slot = (name: string, more = {}) => ({
  name,
  active: false,
  physical: true,
  temporary: false,
  ...more,
});
const base = {
  existing: [
    slot("a"),
    slot("b"),
    slot("foreign"),
    slot("busy", { active: true }),
    slot("l", { physical: false }),
  ],
  wanted: ["a", "c"],
  made: ["a", "b", "busy", "l", "kept"],
  kept: ["kept"],
  wantedAtMs: new Map([["b", 0], ["busy", 0], ["l", 0], ["kept", 0]]),
  nowMs: 1000,
  ttlMs: 1000,
};

test("what is missing is made; dropped is only what is ours, unused, and not wanted for long enough", () => {
  expect(planSlots(base)).toEqual({ create: ["c"], drop: ["b"] });
  expect(planSlots({ ...base, nowMs: 999 }).drop).toEqual([]);
  expect(planSlots({ ...base, wantedAtMs: new Map() }).drop).toEqual([]);
  expect(planSlots({ ...base, made: [] }).drop).toEqual([]);
});
