import { expect, test } from "bun:test";
import type { SlotView } from "./postgres_view.ts";
import { slotsAtRisk } from "./slot_risk.ts";

const slot = (name: string, change: Partial<SlotView> = {}): SlotView => ({
  name,
  type: "physical",
  active: false,
  position: 1,
  heldBytes: 100,
  walStatus: "extended",
  safeBytes: 100,
  permanent: false,
  ...change,
});
const names = (...slots: SlotView[]) => slotsAtRisk(slots).map(({ name }) => name);

test("a slot is at risk when it has used up half of what it may hold, or has lost its WAL", () => {
  expect(names(slot("half"), slot("more", { safeBytes: 99 }), slot("free", { safeBytes: null }))).toEqual([
    "more",
  ]);
  expect(names(slot("a", { safeBytes: 5 }), slot("gone", { walStatus: "lost", safeBytes: null }))).toEqual([
    "gone",
    "a",
  ]);
  expect(names(slot("late", { walStatus: "unreserved", safeBytes: 500 }))).toEqual(["late"]);
});

test("the worst ten are told", () => {
  const many = Array.from({ length: 30 }, (_, at) => slot(`s${at}`, { safeBytes: 30 - at }));
  expect(names(...many)).toEqual(many.slice(-10).reverse().map(({ name }) => name));
});
