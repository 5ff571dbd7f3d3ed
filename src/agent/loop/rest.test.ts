import { expect, test } from "bun:test";
import {
  cluster,
  DYNAMIC,
  lock,
  node,
  postgres,
  RUNNING_PRIMARY,
  seen,
  status,
} from "../../brain/testing.ts";
import type { NodeView } from "../../brain/keep/view.ts";
import { isAtRest, isHeard } from "./rest.ts";

const NOW_MS = 100_000;
const OF_ALL = [seen(status("a")), seen(status("b")), seen(status("c"))];

function standby(change: Partial<NodeView> = {}): NodeView {
  return node({
    name: "b",
    nowMs: NOW_MS,
    dcs: cluster(),
    statuses: OF_ALL,
    tenure: "none",
    postgres: postgres({ lastLookMs: NOW_MS - 900 }),
    ...change,
  });
}

test("a standby that streams and a primary are at rest", () => {
  expect(isAtRest(standby())).toBe(true);
  const primary = postgres({ ...RUNNING_PRIMARY, lastLookMs: NOW_MS - 900 });
  expect(isAtRest(standby({ name: "a", tenure: "holding", postgres: primary }))).toBe(true);
});

const ENDS: readonly (readonly [string, Partial<NodeView>])[] = [
  ["the lock is free", { dcs: cluster({ lock: lock({ holder: null }) }) }],
  ["the epoch is unfenced", { dcs: cluster({ lock: lock({ unfenced: true }) }) }],
  ["maintenance mode", { dynamic: { ...DYNAMIC, pause: true } }],
  ["a switchover is asked for", { dcs: cluster({ failover: {} as never }) }],
  ["its own record is not applied", { joined: false }],
  ["the agent stops", { stopping: true }],
  ["a restart is asked for", { wantsRestart: true }],
  ["a reinit is asked for", { wantsReinit: "asked" as never }],
  ["PostgreSQL does not run", { postgres: postgres({ process: "none", lastLookMs: NOW_MS }) }],
  ["PostgreSQL is frozen", { postgres: postgres({ process: "frozen", lastLookMs: NOW_MS }) }],
  ["an action is under way", {
    postgres: postgres({ action: { kind: "restart" } as never, lastLookMs: NOW_MS }),
  }],
  ["PostgreSQL has not answered for long", { postgres: postgres({ lastLookMs: NOW_MS - 1200 }) }],
  ["PostgreSQL has never answered", { postgres: postgres({ lastLookMs: null }) }],
  ["the watchdog fails", { watchdogFailed: true }],
  ["failsafe mode has to be waited for", { failsafeWait: true }],
  ["raft has no leader", { raftLostForMs: 1 }],
  ["WAL does not come", { notStreamingForMs: 1 }],
  ["PostgreSQL starts", { startingForMs: 1 }],
  ["a server is not declared", { undeclaredForMs: 1 }],
  ["a member was never heard", { statuses: OF_ALL.slice(1) }],
];
for (const [what, change] of ENDS) {
  test(`no rest: ${what}`, () => {
    expect(isAtRest(standby(change))).toBe(false);
  });
}

test("a member that has fallen silent ends the rest, before any rule counts it as gone", () => {
  expect(isHeard(OF_ALL)).toBe(true);
  expect(isHeard([...OF_ALL, seen(status("d"), 699)])).toBe(true);
  expect(isHeard([...OF_ALL, seen(status("d"), 700)])).toBe(false);
});
