import { expect, test } from "bun:test";
import { judgeReplay } from "./replayed.ts";

test("decisions that come out as recorded, and one that does not", () => {
  const good = "/a/decisions: 12 decisions, 12 as recorded\n/a/decisions.1: 1 decision, 1 as recorded\n";
  expect(judgeReplay("node1", 0, good)).toEqual({ decisions: 13, violations: [] });
  const other = "/a/decisions: 12 decisions, 11 as recorded, 1 different\n  line 3\n";
  expect(judgeReplay("node1", 1, other).violations).toHaveLength(1);
  expect(judgeReplay("node1", 0, "").violations).toHaveLength(1);
});
