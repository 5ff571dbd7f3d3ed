import { expect, test } from "bun:test";
import type { JsonObject } from "../model/json.ts";
import { slotName } from "../model/slot_name.ts";
import type { Maker } from "./made_slots.ts";
import { isIgnored, planSlots, type SlotPlanInput } from "./slot_plan.ts";
import type { SlotState, WantedSlot } from "./slot_state.ts";

test("slot names are made of member names as Patroni makes them", () => {
  expect(slotName("Node-1.example")).toBe("node_1_example");
  expect(slotName("knoten ü")).toBe("knotenu0032u0252");
  expect(slotName("x".repeat(80))).toHaveLength(63);
});

const slot = (name: string, more: Partial<SlotState> = {}): SlotState => ({
  name,
  active: false,
  temporary: false,
  plugin: null,
  database: null,
  useless: false,
  synced: false,
  restartLsn: 100,
  confirmedLsn: null,
  readFrom: null,
  holdsXmin: false,
  heldBytes: 50,
  walStatus: "reserved",
  safeBytes: null,
  ...more,
});
const LOGICAL = { plugin: "pgoutput", database: "app" };
const logical = (name: string, more: Partial<SlotState> = {}) => slot(name, { ...LOGICAL, ...more });
const want = (name: string, maker: Maker = "member", place: Partial<WantedSlot> = {}): WantedSlot => ({
  name,
  maker,
  copied: false,
  plugin: null,
  database: null,
  ...place,
});
const base: SlotPlanInput = {
  existing: [
    slot("a"),
    slot("b"),
    slot("foreign"),
    slot("busy", { active: true }),
    logical("l"),
    slot("kept"),
  ],
  wanted: [want("a"), want("c")],
  elsewhere: [],
  positions: new Map(),
  made: new Map(["a", "b", "busy", "l", "kept"].map((name) => [name, "member"])),
  kept: ({ name }) => name === "kept",
  wantedAtMs: new Map([["b", 0], ["busy", 0], ["l", 0], ["kept", 0]]),
  nowMs: 1000,
  ttlMs: 1000,
  idleSinceMs: new Map([["foreign", 0], ["l", 0], ["kept", 0], ["busy", 0]]),
  strangerTtlMs: null,
};
/** Names of what is made, and of what is dropped. */
const plan = (change: Partial<SlotPlanInput>) => {
  const { create, drop } = planSlots({ ...base, ...change });
  return { create: create.map(({ name }) => name), drop };
};

test("what is missing is made; dropped is only what is ours, unused, and not wanted for long enough", () => {
  expect(planSlots(base)).toEqual({ create: [want("c")], copy: [], drop: ["b"], advance: [] });
  expect(plan({ nowMs: 999 }).drop).toEqual([]);
  expect(plan({ wantedAtMs: new Map() }).drop).toEqual([]);
  expect(plan({ made: new Map() }).drop).toEqual([]);
});

test("on a standby, what nobody has used for a while goes, whoever made it", () => {
  const standby = { wanted: [], ttlMs: 0, strangerTtlMs: 1000 };
  expect(plan(standby)).toEqual({ create: [], drop: ["b", "foreign", "l"] });
  expect(plan({ ...standby, nowMs: 999 }).drop).toEqual(["b"]);
  expect(plan({ ...standby, idleSinceMs: new Map() }).drop).toEqual(["b"]);
  const existing = [
    slot("foreign", { temporary: true }),
    logical("l", { synced: true }),
    slot("foreign", { active: true }),
  ];
  expect(plan({ ...standby, existing }).drop).toEqual([]);
});

test("a slot that can serve nobody any more is made anew", () => {
  const existing = [slot("a", { useless: true }), slot("c", { useless: true, active: true })];
  expect(plan({ existing })).toEqual({ create: ["a"], drop: ["a"] });
});

test("a slot of another kind than the configured one is made anew once nobody uses it", () => {
  const wanted = [
    want("a", "permanent", LOGICAL),
    want("l", "permanent", { ...LOGICAL, plugin: "wal2json" }),
  ];
  expect(plan({ wanted, made: new Map() })).toEqual({ create: ["a", "l"], drop: ["a", "l"] });
  const existing = [slot("a", { active: true }), logical("l", { database: "other" })];
  expect(plan({ wanted, existing, made: new Map() })).toEqual({ create: ["l"], drop: ["l"] });
  expect(plan({ wanted: [want("l", "permanent", LOGICAL)], existing: [logical("l")] })).toEqual({
    create: [],
    drop: [],
  });
});

test("a slot that the configuration names no more goes at once, but for a copy that PostgreSQL keeps", () => {
  const made = new Map<string, Maker>([["p", "permanent"], ["l", "permanent"], ["busy", "permanent"]]);
  const existing = [slot("p"), logical("l"), slot("busy", { active: true })];
  const idleSinceMs = new Map<string, number>();
  expect(plan({ existing, made, wanted: [], idleSinceMs }).drop).toEqual(["p", "l"]);
  expect(plan({ existing: [logical("l", { synced: true })], made, wanted: [] }).drop).toEqual([]);
});

test("a slot that holds back VACUUM for a member which streams from another one is made anew", () => {
  const existing = [slot("a", { holdsXmin: true }), slot("c", { holdsXmin: true })];
  expect(plan({ existing, elsewhere: ["c"] })).toEqual({ create: ["c"], drop: ["c"] });
});

test("a slot that nobody uses moves on with its member, as far as this server has the WAL", () => {
  const existing = [slot("a"), slot("c"), slot("b")];
  const advance = (positions: [string, number][], change: Partial<SlotState> = {}) =>
    planSlots({
      ...base,
      existing: existing.map((each) => ({ ...each, ...change })),
      positions: new Map(positions),
    }).advance;
  expect(advance([["a", 120], ["c", 200], ["b", 120]])).toEqual([
    { name: "a", to: 120, database: null },
    { name: "c", to: 150, database: null },
  ]);
  expect(advance([["a", 100], ["c", 99]])).toEqual([]);
  expect(advance([])).toEqual([]);
  expect(advance([["a", 120]], { active: true })).toEqual([]);
  expect(advance([["a", 120]], { restartLsn: null, useless: true })).toEqual([]);
  expect(advance([["a", 120]], { ...LOGICAL, confirmedLsn: 100 })).toEqual([]);
});

test("a logical slot that cannot be made here is brought from the primary, and moves on with the primary's", () => {
  const wanted = [want("l", "permanent", { ...LOGICAL, copied: true })];
  const of = (change: Partial<SlotState>, positions: [string, number][] = [["l", 140]]) =>
    planSlots({ ...base, wanted, existing: [logical("l", change)], positions: new Map(positions) });
  expect(planSlots({ ...base, wanted, existing: [] })).toMatchObject({ create: [], copy: wanted });
  expect(of({ confirmedLsn: 120 })).toEqual({
    create: [],
    copy: [],
    drop: [],
    advance: [{ name: "l", to: 140, database: "app" }],
  });
  expect(of({ confirmedLsn: 120 }, [["l", 900]]).advance).toMatchObject([{ to: 150 }]);
  expect(of({ confirmedLsn: 140 }).advance).toEqual([]);
  expect(of({ confirmedLsn: null }).advance).toEqual([]);
  expect(of({ useless: true })).toMatchObject({ copy: wanted, drop: ["l"], advance: [] });
});

test("ignore_slots: everything that a map gives must agree", () => {
  const cdc = logical("cdc");
  const ignored: [boolean, JsonObject][] = [
    [true, { name: "cdc" }],
    [true, { type: "logical", database: "app", plugin: "pgoutput" }],
    [false, { name: "cdc", database: "other" }],
    [false, { type: "physical" }],
    [false, {}],
    [false, { comment: "cdc" }],
  ];
  for (const [yes, map] of ignored) expect(isIgnored(cdc, [map])).toBe(yes);
  expect(isIgnored(slot("backup"), [{ name: "other" }, { type: "physical", name: "backup" }])).toBe(true);
});
