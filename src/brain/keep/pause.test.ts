/** Maintenance mode. */
import { holder, node, postgres, PRIMARY_DIRECTORY, STOPPED } from "../testing.ts";
import { PAUSE } from "./pause.ts";
import { type Case, decides, LOST, PAUSED } from "./testing.ts";

const CASES: readonly Case[] = [
  [
    "in pause, a directory that is empty without it stays so",
    node({
      ...PAUSED,
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" } }),
    }),
    "pause-stopped",
  ],
  [
    "in pause a primary that crashed is not started",
    holder({ ...PAUSED, postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, crashedAtMs: 0 }) }),
    "pause-holder",
  ],
  [
    "in pause a primary that lost raft and ended is not started, not even read-only",
    holder({ ...PAUSED, ...LOST, postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }) }),
    "pause-holder",
  ],
  [
    "in pause a stopped standby is not started",
    node({ ...PAUSED, postgres: postgres(STOPPED) }),
    "pause-stopped",
  ],
];

decides(PAUSE, CASES);
