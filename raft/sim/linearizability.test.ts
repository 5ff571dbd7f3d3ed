import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { EMPTY, isLinearizable, type Operation } from "./linearizability.ts";

const swap = (callMs: number, returnMs: number, writes: number, saw: number | null): Operation => ({
  callMs,
  returnMs,
  writes,
  saw,
});
const read = (callMs: number, returnMs: number, saw: number): Operation => ({
  callMs,
  returnMs,
  writes: null,
  saw,
});
const unanswered = (callMs: number, writes: number): Operation => swap(callMs, Infinity, writes, null);

const CASES: [string, boolean, Operation[]][] = [
  ["nothing", true, []],
  ["one after the other", true, [swap(0, 1, 7, EMPTY), read(2, 3, 7)]],
  ["a read that misses what was written before it", false, [swap(0, 1, 7, EMPTY), read(2, 3, EMPTY)]],
  ["a read beside a write may see either", true, [swap(0, 9, 7, EMPTY), read(1, 2, EMPTY), read(3, 4, 7)]],
  ["a value that was seen is not unseen", false, [swap(0, 9, 7, EMPTY), read(1, 2, 7), read(3, 4, EMPTY)]],
  ["two that saw the same before them", false, [swap(0, 9, 7, EMPTY), swap(1, 8, 8, EMPTY)]],
  ["an unanswered write that nobody sees", true, [unanswered(0, 7), read(5, 6, EMPTY)]],
  ["an unanswered write that is seen late", true, [unanswered(0, 7), read(5, 6, EMPTY), read(7, 8, 7)]],
  ["an unanswered write cannot be seen before it", false, [read(0, 1, 7), unanswered(2, 7)]],
  ["an unanswered write happens once", false, [
    unanswered(0, 7),
    read(1, 2, 7),
    swap(3, 4, 8, 7),
    read(5, 6, 7),
  ]],
  ["a value that nobody wrote", false, [read(0, 1, 5)]],
];

for (const [name, expected, history] of CASES) {
  test(`${name}: ${expected ? "" : "not "}linearizable`, () =>
    expect(isLinearizable(history)).toBe(expected));
}

/** Tries every order, and unanswered operations both as done and as not done. */
function bruteForce(left: readonly Operation[], value: number): boolean {
  if (left.every(({ returnMs }) => returnMs === Infinity)) return true;
  const firstReturnMs = Math.min(...left.map(({ returnMs }) => returnMs));
  return left.some((operation) => {
    if (operation.callMs > firstReturnMs) return false;
    const rest = left.filter((other) => other !== operation);
    const fits = operation.saw === null || operation.saw === value;
    return fits && bruteForce(rest, operation.writes ?? value);
  });
}

test("it agrees with trying every order", () => {
  const operations = fc.array(
    fc.record({
      callMs: fc.integer({ min: 0, max: 20 }),
      lastsMs: fc.option(fc.integer({ min: 0, max: 10 }), { nil: Infinity }),
      isWrite: fc.boolean(),
      saw: fc.integer({ min: 0, max: 5 }),
    }),
    { maxLength: 7 },
  );
  let linearizable = 0;
  fc.assert(
    fc.property(operations, (drawn) => {
      const history = drawn.map(({ callMs, lastsMs, isWrite, saw }, i): Operation => ({
        callMs,
        returnMs: callMs + lastsMs,
        writes: isWrite ? i + 1 : null,
        saw: lastsMs === Infinity ? null : saw,
      }));
      const expected = bruteForce(history, EMPTY);
      if (expected) linearizable++;
      expect(isLinearizable(history)).toBe(expected);
    }),
    { numRuns: 5000 },
  );
  expect(linearizable).toBeGreaterThan(100);
});

test("a long history is checked quickly, with many writes that have no answer", () => {
  const history: Operation[] = [];
  for (let i = 0; i < 1000; i++) history.push(swap(i, i + 3, i + 1, i));
  expect(isLinearizable(history)).toBe(true);
  // Each is seen, so that it happened, and may have happened at any time before that.
  for (let k = 0; k < 40; k++) {
    history.push(unanswered(1000, 5000 + k), read(2000 + 10 * k, 2100 + 10 * k, 5000 + k));
  }
  expect(isLinearizable(history)).toBe(true);
  expect(isLinearizable([...history, read(3000, 3001, 1000)])).toBe(false);
});
