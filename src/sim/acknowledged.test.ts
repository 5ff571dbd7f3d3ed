import { expect, test } from "bun:test";
import type { CommandResult } from "../dcs/commands.ts";
import { Acknowledged } from "./acknowledged.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);
const done = (revision: number): CommandResult => ({ ok: true, revision });

/** A command at 5 was acknowledged; "a" has applied it. */
function acknowledged(): Acknowledged {
  const kept = new Acknowledged();
  kept.onStart("a");
  kept.onStart("b");
  kept.onApply("a", bytes(1, 2), done(5));
  kept.onTold(bytes(1, 2), done(5));
  return kept;
}

test("a member that has not applied what was acknowledged lacks it", () => {
  const kept = acknowledged();
  expect(kept.told).toBe(5);
  kept.check(["a"], 5);
  expect(() => kept.check(["a", "b"], 5)).toThrow("b lacks the command at 5");
  kept.check(["a", "b"], 4);
  kept.onApply("b", bytes(1, 2), done(5));
  kept.check(["a", "b"], 5);
});

test("another command at its place is none", () => {
  const kept = acknowledged();
  kept.onApply("b", bytes(1, 3), done(5));
  expect(() => kept.check(["b"], 5)).toThrow("lacks");
});

test("what an earlier life has applied does not count, a snapshot up to it does", () => {
  const kept = acknowledged();
  kept.onStart("a");
  expect(() => kept.check(["a"], 5)).toThrow("lacks");
  kept.onRestore("a", 4);
  expect(() => kept.check(["a"], 5)).toThrow("lacks");
  kept.onRestore("a", 5);
  kept.check(["a"], 5);
});

test("a command that was refused need not be anywhere", () => {
  const kept = acknowledged();
  kept.onTold(bytes(9), { ok: false, reason: "no", code: "no-request" });
  kept.check(["a"], 5);
});
