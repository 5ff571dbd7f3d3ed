/** Long actions that are under way. */
import { DYNAMIC, holder, node, postgres, RUNNING_PRIMARY, STOPPED } from "../testing.ts";
import { BUSY } from "./busy.ts";
import { type Case, decides, KILL } from "./testing.ts";

const RUNNING_ACTION = { sinceMs: 99_000, detail: "" };
const CASES: readonly Case[] = [
  [
    "a crash recovery beyond primary_start_timeout is ended",
    holder({
      dynamic: { ...DYNAMIC, primaryStartTimeoutS: 10 },
      postgres: postgres({
        ...RUNNING_PRIMARY,
        process: "starting",
        crashedAtMs: 80_000,
        action: { kind: "start", ...RUNNING_ACTION },
      }),
    }),
    "start-overdue",
    KILL,
  ],
  [
    "a long action is waited for",
    node({
      postgres: postgres({
        ...STOPPED,
        directory: { kind: "half-written", what: "clone" },
        action: { kind: "clone", ...RUNNING_ACTION },
      }),
    }),
    "busy",
  ],
  ["a primary that is being stopped already is left to it", {
    ...holder({
      postgres: postgres({
        ...RUNNING_PRIMARY,
        action: { kind: "stop", sinceMs: 0, detail: "fast" },
      }),
    }),
    watchdogFailed: true,
  }, "busy"],
  [
    "a crash recovery beyond primary_start_timeout goes on when nobody else could serve",
    holder({
      dynamic: { ...DYNAMIC, primaryStartTimeoutS: 10 },
      statuses: [],
      postgres: postgres({
        ...RUNNING_PRIMARY,
        process: "starting",
        crashedAtMs: 80_000,
        action: { kind: "start", sinceMs: 80_000, detail: "" },
      }),
    }),
    "busy",
  ],
];

decides(BUSY, CASES);
