/** What an operator asks of one node. */
import { recordOf } from "../../sync/record.ts";
import {
  cluster,
  FREE,
  holder,
  lock,
  node,
  postgres,
  PRIMARY_DIRECTORY,
  STOPPED,
  withMethod,
} from "../testing.ts";
import { REQUEST } from "./request.ts";
import { type Case, decides, from, IMMEDIATE } from "./testing.ts";

/** b, whose flush some commits wait for, right after the request. */
function onDuty(change: Parameters<typeof node>[0], lock_: Parameters<typeof lock>[0] = {}) {
  const sync = { ...recordOf("a", "data-a", { b: "data-b" }, 0), revision: 4 };
  return node({ dcs: cluster({ sync, lock: lock(lock_) }), nowMs: 1000, askedMs: 500, ...change });
}

const FORMER = { ...STOPPED, directory: PRIMARY_DIRECTORY };

const CASES: readonly Case[] = [
  ["a requested restart is done in place", node({ wantsRestart: true }), "restart", { "kind": "restart" }],
  ["a synchronous standby is released first", onDuty({ wantsRestart: true }), "restart"],
  ["and is not held up for long", onDuty({ wantsRestart: true, nowMs: 3500 }), "restart", {
    kind: "restart",
  }],
  ["nor while nobody holds the lock", onDuty({ wantsRestart: true }, FREE), "restart", { kind: "restart" }],
  [
    "a reinitialize waits for the release, too",
    onDuty({ wantsReinit: { fromLeader: false } }),
    "reinitialize",
  ],
  [
    "and stops PostgreSQL then",
    onDuty({ wantsReinit: { fromLeader: false }, nowMs: 3500 }),
    "reinitialize",
    IMMEDIATE,
  ],
  [
    "reinitialize stops, then moves the directory aside",
    node({ wantsReinit: { fromLeader: true } }),
    "reinitialize",
    IMMEDIATE,
  ],
  [
    "reinitialize of a stopped standby moves the directory aside",
    node({ wantsReinit: { fromLeader: true }, postgres: postgres({ ...STOPPED }) }),
    "reinitialize",
    { "kind": "set-aside", "why": "reinitialize", "onRequest": true },
  ],
  [
    "a former primary's history is compared first, to tell what is lost",
    node({ wantsReinit: { fromLeader: true }, postgres: postgres(FORMER) }),
    "reinitialize",
    { kind: "compare-history", with: from("a") },
  ],
  ...(["diverged", "same", "unknown"] as const).map((verdict): Case => [
    `and moved aside after one comparison, whatever it says: ${verdict}`,
    node({
      wantsReinit: { fromLeader: true },
      postgres: postgres({
        ...FORMER,
        divergence: { from: "a", timelineOfOther: 1, verdict, detail: "", atMs: 0 },
      }),
    }),
    "reinitialize",
    { kind: "set-aside", why: "reinitialize", onRequest: true },
  ]),
  [
    "the directory is left to a method that goes on from it",
    node({
      wantsReinit: { fromLeader: false },
      postgres: postgres({ ...STOPPED }),
      dynamic: withMethod({ keepData: true }),
    }),
    "reinitialize",
    { kind: "set-aside", why: "reinitialize", onRequest: true, keep: true },
  ],
  [
    "not when the copy is asked for from the leader",
    node({
      wantsReinit: { fromLeader: true },
      postgres: postgres({ ...STOPPED }),
      dynamic: withMethod({ keepData: true }),
    }),
    "reinitialize",
    { kind: "set-aside", why: "reinitialize", onRequest: true },
  ],
  [
    "a primary without a lease is not restarted",
    holder({ wantsRestart: true, leaseUsable: false }),
    "idle",
  ],
];

decides(REQUEST, CASES);
