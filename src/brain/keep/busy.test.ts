/** Long actions that are under way. */
import { DYNAMIC, holder, node, postgres, RUNNING_PRIMARY, STOPPED } from "../testing.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import { BUSY } from "./busy.ts";
import { type Case, decides, failed, KILL } from "./testing.ts";
import type { NodeView } from "./view.ts";

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
  ["a promotion that goes on is waited for, however long it takes", promoting(3_999), "busy"],
  ["a promotion that stands still is ended", promoting(4_000), "promotion-hangs", KILL],
  ["after a failure it has twice the time", promoting(7_999, { last: failed("promote", 1, 90_000) }), "busy"],
  [
    "after a failure it is ended all the same",
    promoting(8_000, { last: failed("promote", 1, 90_000) }),
    "promotion-hangs",
    KILL,
  ],
  ["with nobody else it has twice the time", { ...promoting(7_999), statuses: [] }, "busy"],
  [
    "with nobody else it is ended, to be tried again",
    { ...promoting(8_000), statuses: [] },
    "promotion-hangs",
    KILL,
  ],
  [
    "what precedes it (pre_promote) is waited for",
    holder({ postgres: postgres({ action: { kind: "promote", sinceMs: 0, detail: "" } }) }),
    "busy",
  ],
];

function promoting(stillForMs: number, change: Partial<PostgresView> = {}): NodeView {
  const action = { kind: "promote", sinceMs: 0, detail: "", movedMs: 100_000 - stillForMs } as const;
  return holder({ nowMs: 100_000, postgres: postgres({ writable: true, epoch: 3, action, ...change }) });
}

decides(BUSY, CASES);
