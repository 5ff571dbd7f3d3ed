/** When lateness is worth a word, as a table. */
import { expect, test } from "bun:test";
import type { LatenessKind, MeasuredLateness } from "../model/timing.ts";
import { judgeLateness, latenessAdvice, latenessBudgetMs, MIN_SAMPLES } from "./lateness.ts";

const BUDGETS: readonly [LatenessKind, number, number][] = [
  // what, ttl ms, budget ms
  ["guard", 5000, 250],
  ["guard", 2000, 250],
  ["event_loop", 30_000, 250],
  ["renewal", 5000, 3040],
  ["renewal", 2000, 296],
  ["renewal", 1000, 0],
];

test("the inequalities say how much lateness there may be", () => {
  for (const [kind, ttlMs, budgetMs] of BUDGETS) {
    expect([kind, ttlMs, latenessBudgetMs(kind, ttlMs, 1000)]).toEqual([kind, ttlMs, budgetMs]);
  }
});

const MANY = MIN_SAMPLES;
const CASES: readonly [LatenessKind, number, number | null, MeasuredLateness["verdict"], boolean][] = [
  // what, samples, p99.9 ms of a budget of 250 ms, verdict, is a warning due
  ["guard", 0, null, "not measured", false],
  ["guard", MANY, 1, "ok", false],
  ["guard", MANY, 125, "ok", false],
  ["guard", MANY, 126, "near its budget", true],
  ["event_loop", MANY, 126, "near its budget", true],
  ["renewal", MANY, 300, "over its budget", true],
  ["renewal", MANY - 1, 300, "over its budget", false],
  ["guard", MANY - 1, 200, "near its budget", false],
  ["guard", 1, 300, "over its budget", true],
];

test("a warning is due when the slowest of a thousand has used half of its budget", () => {
  for (const [kind, samples, p999Ms, verdict, due] of CASES) {
    const quantiles = { samples, p50Ms: p999Ms, p99Ms: p999Ms, p999Ms, maxMs: p999Ms };
    const judged = judgeLateness(kind, quantiles, 250);
    expect([kind, p999Ms, judged.verdict]).toEqual([kind, p999Ms, verdict]);
    expect([kind, p999Ms, latenessAdvice(judged, 5000) !== null]).toEqual([kind, p999Ms, due]);
  }
});

test("once beyond J is too much for the guard, whatever the others were", () => {
  const quantiles = { samples: 5000, p50Ms: 1, p99Ms: 2, p999Ms: 3, maxMs: 251 };
  expect(judgeLateness("guard", quantiles, 250).verdict).toBe("over its budget");
  expect(judgeLateness("event_loop", quantiles, 250).verdict).toBe("ok");
});

test("the warning names the numbers and what to change", () => {
  const advice = (kind: LatenessKind) =>
    latenessAdvice(
      judgeLateness(kind, { samples: 1000, p50Ms: 1, p99Ms: 5, p999Ms: 180.4, maxMs: 201.2 }, 250),
      5000,
    );
  expect(advice("guard")).toBe(
    "the guard's timer fires late: 99.9 % within 180 ms, the worst 201 ms, of 250 ms that there are. Beyond that " +
      "PostgreSQL could acknowledge commits after the end of its lease (I1). A longer ttl does not help: put less " +
      "load on this host, allow the guard real-time priority (systemd: LimitRTPRIO=10, " +
      "AmbientCapabilities=CAP_SYS_NICE), or use a watchdog. See: agent ctl timing",
  );
  expect(advice("event_loop")).toContain("raise ttl: agent ctl edit-config -s ttl=10.");
  expect(advice("renewal")).toContain("move raft.data_dir to a disk of its own");
});
