import { expect, test } from "bun:test";
import { compared } from "./subscriber.ts";

test("rows that are missing, twice there, late or only at the subscriber are told apart", () => {
  expect(compared([1, 2, 3, 5], [1, 2, 3, 5])).toEqual({
    rows: 4,
    missing: [],
    twice: [],
    late: [],
    lostByCluster: [],
  });
  expect(compared([1, 2, 3, 4, 6], [2, 1, 3, 3, 5, 6])).toEqual({
    rows: 5,
    missing: [4],
    twice: [3],
    late: [1],
    lostByCluster: [5],
  });
});
