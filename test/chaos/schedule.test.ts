import { expect, test } from "bun:test";
import { FAULTS, type Mode, roundOf, rowsOf } from "./schedule.ts";

const OPTIONS = { seed: 7, nodes: 3, mode: "quorum" as Mode };
const rounds = (options = OPTIONS, count = 40) =>
  Array.from({ length: count }, (_, number) => roundOf(options, number));

test("the same seed gives the same faults, and another one others", () => {
  expect(rounds()).toEqual(rounds());
  expect(rounds()).not.toEqual(rounds({ ...OPTIONS, seed: 8 }));
  // A round does not depend on how many were asked for before it.
  expect(roundOf(OPTIONS, 5)).toEqual(rounds()[5]!);
});

test("every kind of fault comes, each as often and as long as its row says", () => {
  const all = rounds();
  for (const { name, forMs: [least, most], most: count = Infinity } of FAULTS) {
    const found = all.flatMap(({ faults }) => faults.filter((one) => one.name === name));
    expect([name, found.length > 0]).toEqual([name, true]);
    expect(found.filter(({ forMs }) => forMs < least || forMs > most)).toEqual([]);
    const often = all.filter(({ faults }) => faults.filter((one) => one.name === name).length > count);
    expect(often).toEqual([]);
  }
  for (const { faults, forMs } of all) {
    expect(faults.filter(({ atMs }) => atMs >= forMs)).toEqual([]);
    expect(faults.map(({ atMs }) => atMs)).toEqual(faults.map(({ atMs }) => atMs).sort((a, b) => a - b));
    for (const { others } of faults) expect([...others].sort()).toEqual([0, 1, 2]);
  }
});

test("one member at a time loses its log, or its place", () => {
  const kinds = FAULTS.filter(({ excludes }) => excludes !== undefined).map(({ name }) => name);
  expect(kinds).toEqual(["raft directory lost", "member replaced", "member comes or goes"]);
  const counts = rounds().map(({ faults }) => faults.filter(({ name }) => kinds.includes(name)).length);
  expect(Math.max(...counts)).toBe(1);
});

test("what only synchronous modes promise to bear is left out of the asynchronous one", () => {
  const names = rowsOf({ mode: "off" }).map(({ name }) => name);
  expect(FAULTS.map(({ name }) => name).filter((name) => !names.includes(name))).toEqual(["stop node"]);
  expect(rowsOf({ mode: "on" })).toEqual([...FAULTS]);
  const without = rowsOf({ mode: "on", lacks: ["faketime"] }).map(({ name }) => name);
  expect(FAULTS.map(({ name }) => name).filter((name) => !without.includes(name))).toEqual(["clock step"]);
});

test("faults can be chosen by a part of their names", () => {
  const chosen = rounds({ ...OPTIONS, only: ["kill a", "split"] } as typeof OPTIONS);
  const names = new Set(chosen.flatMap(({ faults }) => faults.map(({ name }) => name)));
  expect([...names].sort()).toEqual(["kill agent", "split"]);
  expect(() => roundOf({ ...OPTIONS, only: ["nothing"] }, 0)).toThrow("no fault is called so: nothing");
});
