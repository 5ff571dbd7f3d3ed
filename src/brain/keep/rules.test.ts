/** The table as a whole: what no rule decides, and what no view may bring. */
import { expect, test } from "bun:test";
import {
  cluster,
  FREE,
  holder,
  lock,
  node,
  postgres,
  PRIMARY_DIRECTORY,
  primaryStatus,
  RUNNING_PRIMARY,
  seen,
  STANDBY_DIRECTORY,
  status,
  STOPPED,
  SWITCHOVER,
} from "../testing.ts";
import { keep, RULES } from "./rules.ts";
import { type Case, decides, failed, FORMER, KILL, PAUSED, UNFENCED, verdict } from "./testing.ts";

const CASES: readonly Case[] = [
  ["a healthy primary with the lock has nothing to do", holder(), "idle"],
  ["a healthy standby has nothing to do", node(), "idle"],
  [
    "what is left of a dead postmaster is ended before anything is started",
    holder({ postgres: postgres({ ...STOPPED, process: "orphans", directory: PRIMARY_DIRECTORY }) }),
    "leftovers",
    KILL,
  ],
  [
    "a switchover that is not accepted yet changes nothing",
    holder({
      dcs: cluster({
        failover: { ...SWITCHOVER, accepted: false, epoch: 0 },
      }),
    }),
    "idle",
  ],
  [
    "the winner of a switchover does not step down for the same request",
    holder({
      dcs: cluster({
        lock: lock({ epoch: 4 }),
        failover: { ...SWITCHOVER, leader: "b", candidate: null },
      }),
      postgres: postgres({ ...RUNNING_PRIMARY, epoch: 4 }),
    }),
    "idle",
  ],
  [
    "reinitialize waits for a primary to copy from",
    node({ wantsReinit: { fromLeader: true }, statuses: [seen(primaryStatus("a"), 5000)] }),
    "idle",
  ],
  ["a holder is never reinitialized", holder({ wantsReinit: { fromLeader: true } }), "idle"],
  [
    "a former primary that streams an older timeline is none",
    node({ postgres: FORMER, statuses: [seen(primaryStatus("a", { timeline: 2 }))] }),
    "idle",
  ],
  [
    "a standby whose comparison has just failed waits",
    node({
      notStreamingForMs: 4000,
      postgres: postgres({ replicationState: null, divergence: verdict("unknown", 99_500) }),
    }),
    "idle",
  ],
  [
    "a standby whose history has just been found the same goes on trying",
    node({
      notStreamingForMs: 4000,
      postgres: postgres({ replicationState: null, divergence: verdict("same", 95_000) }),
    }),
    "idle",
  ],
];

decides(RULES.filter(({ name }) => name === "leftovers"), CASES);

test("no view makes the keeper start or promote a writable server without a usable lease", () => {
  const directories = [PRIMARY_DIRECTORY, STANDBY_DIRECTORY, { kind: "absent" }, {
    kind: "half-written",
    what: "bootstrap",
  }] as const;
  const processes = ["none", "orphans", "starting", "running", "stopping", "frozen"] as const;
  for (const directory of directories) {
    for (const process of processes) {
      for (const tenure of ["none", "holding", "to-release"] as const) {
        for (const initialize of [null, { systemId: "", by: "a", incarnation: 1 }, cluster().initialize]) {
          for (const free of [true, false]) {
            const view = node({
              name: "a",
              tenure,
              leaseUsable: false,
              dcs: cluster({ initialize, lock: free ? lock(FREE) : lock() }),
              postgres: postgres({ directory, process }),
              statuses: [seen(status("b"))],
            });
            const dangerous = keep(view).actions.filter((action) =>
              action.kind === "start-primary" || action.kind === "promote"
            );
            expect(dangerous).toEqual([]);
          }
        }
      }
    }
  }
});

test("what is decided in pause says so, and the agent may end beside a running PostgreSQL", () => {
  expect(keep(holder({ ...PAUSED, dcs: UNFENCED })).reason).toBe(
    "PAUSE: no action. I am (a), the leader with the lock",
  );
  expect(keep(holder({ ...PAUSED, dcs: UNFENCED, stopping: true })).mayLeave).toBe(true);
  expect(keep(node({ stopping: true })).mayLeave).toBeUndefined();
});

test("an action that failed is not begun again before its pause is over, and says what failed", () => {
  const server = { ...STOPPED, directory: PRIMARY_DIRECTORY, last: failed("start", 1, 99_000) };
  expect(keep(holder({ postgres: postgres(server) }))).toEqual({
    rule: "start-primary",
    reason: "start failed, trying again soon: broken",
    actions: [],
  });
});

test("each rule has a name of its own, and words for people", () => {
  expect(new Set(RULES.map(({ name }) => name)).size).toBe(RULES.length);
  for (const { name, when, then } of RULES) {
    expect(name).toMatch(/^[a-z]+(?:-[a-z]+)*$/);
    for (const words of [when, then]) expect(words).toMatch(/^[A-Z].*\.$/);
  }
});
