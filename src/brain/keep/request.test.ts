/** What an operator asks of one node. */
import { holder, node, postgres, STOPPED, withMethod } from "../testing.ts";
import { REQUEST } from "./request.ts";
import { type Case, decides, IMMEDIATE } from "./testing.ts";

const CASES: readonly Case[] = [
  ["a requested restart is done in place", node({ wantsRestart: true }), "restart", { "kind": "restart" }],
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
