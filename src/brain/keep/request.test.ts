/** What an operator asks of one node. */
import { holder, node, postgres, STOPPED } from "../testing.ts";
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
    "a primary without a lease is not restarted",
    holder({ wantsRestart: true, leaseUsable: false }),
    "idle",
  ],
];

decides(REQUEST, CASES);
