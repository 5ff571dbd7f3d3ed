import { expect, test } from "bun:test";
import type { ReadOutcome } from "./api.ts";
import { Reads } from "./reads.ts";

function pendingRead() {
  const reads = new Reads((run) => run());
  const outcomes: ReadOutcome[] = [];
  reads.add({ kind: "pending", token: 7 }, 3, (outcome) => outcomes.push(outcome));
  return { reads, outcomes };
}

test("a read is answered when it is confirmed, and applied up to its index", () => {
  const { reads, outcomes } = pendingRead();
  reads.settle(9, 3);
  reads.confirmed([{ token: 8, index: 5 }]);
  reads.settle(9, 3);
  expect(outcomes).toEqual([]);
  reads.confirmed([{ token: 7, index: 10 }]);
  reads.settle(9, 3);
  expect(outcomes).toEqual([]);
  reads.settle(10, 3);
  expect(outcomes).toEqual([{ kind: "confirmed", index: 10, term: 3 }]);
  reads.settle(11, 3);
  expect(outcomes.length).toBe(1);
});

test("a read ends with the term it was asked in, also when the node leads again in a later one", () => {
  for (const term of [null, 4]) {
    const { reads, outcomes } = pendingRead();
    reads.confirmed([{ token: 7, index: 1 }]);
    reads.settle(5, term);
    expect(outcomes).toEqual([{ kind: "rejected", reason: "leadership was lost" }]);
  }
});
