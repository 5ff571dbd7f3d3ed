/** SIGTERM. */
import { holder, node, postgres, PRIMARY_DIRECTORY, STOPPED } from "../testing.ts";
import { LEAVE } from "./leave.ts";
import {
  type Case,
  decides,
  FAST,
  FAST_AFTER_CHECKPOINT,
  MAY_LEAVE,
  PAUSED,
  RELEASE,
  UNFENCED,
} from "./testing.ts";

const CASES: readonly Case[] = [
  ["SIGTERM stops a primary", holder({ stopping: true }), "stop-to-leave", FAST_AFTER_CHECKPOINT],
  [
    "SIGTERM releases the lock once PostgreSQL is stopped",
    holder({ stopping: true, postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }) }),
    "stopped",
    RELEASE,
  ],
  ["SIGTERM stops a standby", node({ stopping: true }), "stop-to-leave", FAST],
  [
    "SIGTERM in pause leaves an unfenced primary running",
    holder({ ...PAUSED, dcs: UNFENCED, stopping: true }),
    "leave-running",
    MAY_LEAVE,
  ],
  [
    "SIGTERM in pause stops a primary whose epoch is still fenced",
    holder({ ...PAUSED, stopping: true }),
    "stop-to-leave",
    FAST_AFTER_CHECKPOINT,
  ],
  [
    "SIGTERM in pause stops a primary that was to be demoted",
    holder({ dynamic: { ...PAUSED.dynamic, standbyCluster: { host: "10.0.0.9" } }, stopping: true }),
    "stop-to-leave",
    FAST_AFTER_CHECKPOINT,
  ],
  [
    "SIGTERM in pause leaves a standby leader running, whose epoch is fenced: it needs no lease",
    holder({
      dynamic: { ...PAUSED.dynamic, standbyCluster: { host: "10.0.0.9" } },
      stopping: true,
      postgres: postgres({ following: "remote/10.0.0.9:5432" }),
    }),
    "leave-running",
    MAY_LEAVE,
  ],
  [
    "SIGTERM in pause leaves a standby running",
    node({ ...PAUSED, stopping: true }),
    "leave-running",
    MAY_LEAVE,
  ],
];

decides(LEAVE, CASES);
