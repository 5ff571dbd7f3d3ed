import { expect, test } from "bun:test";
import { Prng } from "../../../raft/sim/mod.ts";
import { cycles, type Edge } from "./graph.ts";

const edges = (...pairs: [number, number][]): Edge[] =>
  pairs.map(([from, to]) => ({ from, to, why: `${from}-${to}` }));

test("each knot has one short cycle", () => {
  expect(cycles(0, [])).toEqual([]);
  expect(cycles(4, edges([0, 1], [1, 2], [0, 2], [2, 3]))).toEqual([]);
  const found = cycles(7, edges([0, 1], [1, 2], [2, 0], [1, 0], [2, 3], [4, 5], [5, 4], [5, 6]));
  expect(found.map((cycle) => cycle.map(({ why }) => why).sort())).toContainEqual(["0-1", "1-0"]);
  expect(found.map((cycle) => cycle.map(({ why }) => why).sort())).toContainEqual(["4-5", "5-4"]);
  expect(found).toHaveLength(2);
});

test("a knot is found exactly where a node reaches itself", () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new Prng(seed);
    const nodes = 2 + random.below(7);
    const pairs = Array.from({ length: random.below(14) }, (): [number, number] => {
      const from = random.below(nodes);
      return [from, (from + 1 + random.below(nodes - 1)) % nodes];
    });
    const reaches = (from: number, to: number, seen = new Set<number>()): boolean =>
      pairs.some(([a, b]) =>
        a === from && (b === to || (!seen.has(b) && reaches(b, to, new Set([...seen, b]))))
      );
    const looped = Array.from({ length: nodes }, (_, i) => i).some((node) => reaches(node, node));
    const found = cycles(nodes, edges(...pairs));
    expect([seed, found.length > 0]).toEqual([seed, looped]);
    for (const cycle of found) {
      expect(cycle.map(({ to }) => to)).toEqual([...cycle.slice(1).map(({ from }) => from), cycle[0]!.from]);
    }
  }
});
