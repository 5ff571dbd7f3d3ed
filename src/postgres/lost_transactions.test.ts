import { expect, test } from "bun:test";
import { commitsIn } from "./lost_transactions.ts";

const HEAD =
  "WAL statistics between 0/3000148 and 0/3012340:\nType                N      (%)\n----   -   ---\n";
const TOTAL = "               --------\nTotal               4            136 [40.00%]\n";

test("commits are counted, of two phases as well, and by each line of a type", () => {
  const rows = [
    "Transaction/COMMIT                       2 ( 40.00)    68 ( 50.00)    0 (  0.00)    68 ( 50.00)",
    "Transaction/ABORT                        7 ( 40.00)    68 ( 50.00)    0 (  0.00)    68 ( 50.00)",
    "Transaction/COMMIT                       1 ( 40.00)    68 ( 50.00)    0 (  0.00)    68 ( 50.00)",
    "Transaction/COMMIT_PREPARED              1 ( 40.00)    68 ( 50.00)    0 (  0.00)    68 ( 50.00)",
    "",
  ];
  expect(commitsIn(HEAD + rows.join("\n") + TOTAL)).toBe(4);
});

test("a table without a commit says none, no table says nothing", () => {
  expect(commitsIn(HEAD + TOTAL)).toBe(0);
  expect(commitsIn("")).toBeNull();
  expect(commitsIn("pg_waldump: error: could not find a valid record after 0/3000148")).toBeNull();
});
