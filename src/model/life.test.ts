import { expect, test } from "bun:test";
import { claimOn, isLife, isUnfenced, type Life, mayRelease } from "./life.ts";

const LIFE: Life = { node: 1, machine: "m1", boot: "b1" };
const HELD = { holder: "a", life: LIFE };

test("only the life that was granted an epoch has it", () => {
  expect(claimOn(HELD, "a", LIFE)).toBe("own");
  expect(claimOn(HELD, "b", LIFE)).toBe("none");
  expect(claimOn({ holder: null, life: LIFE }, "a", LIFE)).toBe("none");
});

test("the same machine after a reboot, another machine, and another raft directory are told apart", () => {
  expect(claimOn(HELD, "a", { ...LIFE, boot: "b2" })).toBe("former");
  expect(claimOn(HELD, "a", { ...LIFE, machine: "m2" })).toBe("other");
  expect(claimOn(HELD, "a", { ...LIFE, node: 2 })).toBe("other");
  expect(claimOn(HELD, "a", null)).toBe("other");
});

test("an epoch that a version without lives has granted is judged by name", () => {
  expect(claimOn({ holder: "a", life: null }, "a", LIFE)).toBe("own");
  expect(claimOn({ holder: "a", life: null }, "b", LIFE)).toBe("none");
});

test("a machine that booted anew gives back an unfenced epoch, and leaves a fenced one to its expiry", () => {
  expect(mayRelease({ unfenced: false }, "own")).toBe(true);
  expect(mayRelease({ unfenced: false }, "former")).toBe(false);
  expect(mayRelease({ unfenced: true }, "former")).toBe(true);
  expect(mayRelease({ unfenced: true }, "other")).toBe(false);
  expect(mayRelease({ unfenced: true }, "none")).toBe(false);
});

test("in pause a silent guard ends nothing of the life that holds the epoch, also one of a version without lives", () => {
  expect(isUnfenced({ ...HELD, unfenced: true }, "a", LIFE)).toBe(true);
  expect(isUnfenced({ holder: "a", life: null, unfenced: true }, "a", LIFE)).toBe(true);
  expect(isUnfenced({ ...HELD, unfenced: false }, "a", LIFE)).toBe(false);
  for (const other of [{ ...LIFE, node: 2 }, { ...LIFE, machine: "m2" }]) {
    expect(isUnfenced({ ...HELD, unfenced: true }, "a", other)).toBe(false);
  }
  expect(isUnfenced({ ...HELD, unfenced: true }, "b", LIFE)).toBe(false);
});

test("what comes from outside is a life only with a raft id and two short tokens", () => {
  expect(isLife(LIFE)).toBe(true);
  for (
    const bad of [null, 1, "m", {}, { ...LIFE, node: 0 }, { ...LIFE, node: 1.5 }, { ...LIFE, machine: "" }]
  ) {
    expect(isLife(bad)).toBe(false);
  }
  expect(isLife({ ...LIFE, boot: "x".repeat(65) })).toBe(false);
  expect(isLife({ ...LIFE, machine: "a b" })).toBe(false);
});
