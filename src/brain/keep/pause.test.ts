/** Maintenance mode. */
import { holder, node, postgres, PRIMARY_DIRECTORY, STOPPED } from "../testing.ts";
import { PAUSE } from "./pause.ts";
import { type Case, decides, from, LOST, PAUSED } from "./testing.ts";

const ended = (kind: "stop" | "start", atMs: number, ok = true) => ({
  kind,
  ok,
  atMs,
  detail: "",
  failures: ok ? 0 : 1,
});

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
    "in pause a primary that stepped down for a request comes back as a standby",
    node({ ...PAUSED, postgres: postgres({ ...STOPPED, last: { stop: ended("stop", 10) } }) }),
    "start-standby",
    { kind: "start-standby", follow: from("a") },
  ],
  [
    "in pause it is started again where that has failed",
    node({
      ...PAUSED,
      postgres: postgres({ ...STOPPED, last: { stop: ended("stop", 10), start: ended("start", 20, false) } }),
    }),
    "start-standby",
    { kind: "start-standby", follow: from("a") },
  ],
  [
    "in pause it is not started a second time, once it has come back and was stopped by others",
    node({
      ...PAUSED,
      postgres: postgres({ ...STOPPED, last: { stop: ended("stop", 10), start: ended("start", 20) } }),
    }),
    "pause-stopped",
  ],
  [
    "in pause a stopped standby is not started",
    node({ ...PAUSED, postgres: postgres(STOPPED) }),
    "pause-stopped",
  ],
];

decides(PAUSE, CASES);
