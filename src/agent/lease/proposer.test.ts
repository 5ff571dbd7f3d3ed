/** What is proposed again and again, against a raft that answers as the test says. */
import { expect, test } from "bun:test";
import type { ProposeOutcome, Raft } from "../../../raft/mod.ts";
import { MemoryLog } from "../../lib/log.ts";
import { Proposer } from "./proposer.ts";

const COMMAND = { op: "claimInitialize", incarnation: 1 } as const;

test("what is owed is proposed again after a refusal, with a pause that grows, and said at its second time", () => {
  let nowMs = 0;
  let outcome: ProposeOutcome = { kind: "rejected", reason: "an older member votes" };
  let proposed = 0;
  const propose = (_command: Uint8Array, done: (outcome: ProposeOutcome) => void) => {
    proposed++;
    done(outcome);
  };
  const log = new MemoryLog();
  const proposer = new Proposer("a", { propose } as unknown as Raft, () => 0, { now: () => nowMs }, log);
  const times: number[] = [];
  for (; nowMs < 10_000; nowMs += 5) if (proposer.repeat(COMMAND, () => {})) times.push(nowMs);
  expect(times).toEqual([0, 50, 150, 350, 750, 1550, 3150, 5150, 7150, 9150]);
  // Once is a race that another member won; from then on it is a fault.
  expect(log.lines.map((line) => /(INFO|WARNING).*an older member votes/.exec(line)?.[1])).toEqual([
    "INFO",
    "WARNING",
  ]);
  // Another one does not wait for it, nor does what an operator asks for.
  expect(proposer.repeat({ ...COMMAND, incarnation: 2 }, () => {})).toBe(true);
  expect(proposer.propose(COMMAND, () => {})).toBe(true);
  outcome = { kind: "applied", index: 1, result: { ok: true, revision: 7 } };
  nowMs = 20_000;
  expect(proposer.repeat(COMMAND, () => {})).toBe(true);
  expect(proposer.repeat(COMMAND, () => {})).toBe(true);
  expect(proposed).toBe(times.length + 4);
});

test("who asks for what is under way gets its outcome, or one of its own where that was not applied", () => {
  const ends: ((outcome: ProposeOutcome) => void)[] = [];
  const propose = (_command: Uint8Array, done: (outcome: ProposeOutcome) => void) => void ends.push(done);
  const clock = { now: () => 0 };
  const proposer = new Proposer("a", { propose } as unknown as Raft, () => 0, clock, new MemoryLog());
  const got: string[] = [];
  proposer.propose(COMMAND, ({ kind }) => got.push(`owed ${kind}`));
  for (const who of ["first", "second"]) proposer.request(COMMAND, ({ kind }) => got.push(`${who} ${kind}`));
  expect(ends).toHaveLength(1);
  // Bound to a term that is over.
  ends[0]!({ kind: "rejected", reason: "not the leader" });
  expect(got).toEqual(["owed refused"]);
  expect(ends).toHaveLength(2);
  ends[1]!({ kind: "applied", index: 1, result: { ok: true, revision: 7 } });
  expect(got).toEqual(["owed refused", "first done", "second done"]);
  expect(ends).toHaveLength(2);
});
