/**
 * A stop that hangs: how long each step lasts, and when the lock is handed over although processes are left.
 */
import { expect, test } from "bun:test";
import type { PostgresView, Shutdown } from "../model/postgres_view.ts";
import { keep } from "./keep/rules.ts";
import type { NodeView } from "./keep/view.ts";
import {
  ENDING_MS,
  IMMEDIATE_MS,
  LEFTOVERS_AFTER_RELEASE_MS,
  LEFTOVERS_MS,
  longestStopMs,
  shutdownStep,
  wantsCheckpoint,
} from "./shutdown.ts";
import {
  cluster,
  DYNAMIC,
  FREE,
  holder,
  lock,
  postgres,
  PRIMARY_DIRECTORY,
  RUNNING_PRIMARY,
  seen,
  status,
  SWITCHOVER,
} from "./testing.ts";

const NOW = 100_000;
const primary = { primary: true, primaryStopTimeoutS: 0, pgCtlTimeoutS: 60 };
const at = (stage: Shutdown["stage"], ageMs: number): Shutdown => ({
  stage,
  beganMs: NOW - ageMs,
  stageMs: NOW - ageMs,
});
const step = (
  shutdown: Shutdown,
  limits = primary,
  how: "fast" | "immediate" | "kill" = "fast",
  ageMs = 0,
) => {
  const next = shutdownStep(shutdown, how, NOW - ageMs, NOW, limits);
  return next === null ? null : `${next.early ? "early " : ""}${next.how}`;
};

test("a primary whose processes do not end is told to end at once, then killed", () => {
  expect(step(at("ending", ENDING_MS - 1))).toBe(null);
  expect(step(at("ending", ENDING_MS))).toBe("early immediate");
  expect(step(at("ending", 9000), primary, "immediate", IMMEDIATE_MS - 1)).toBe(null);
  expect(step(at("ending", 9000), primary, "immediate", IMMEDIATE_MS)).toBe("kill");
  expect(step(at("ending", 9000), primary, "kill", 60_000)).toBe(null);
});

test("a shutdown checkpoint at work has pg_ctl_timeout", () => {
  expect(step(at("checkpoint", 59_999))).toBe(null);
  expect(step(at("checkpoint", 60_000))).toBe("immediate");
});

test("primary_stop_timeout is the limit of the whole, and ends in a kill", () => {
  const limits = { ...primary, primaryStopTimeoutS: 20 };
  expect(step(at("ending", 19_999), limits)).toBe(null);
  expect(step(at("ending", 20_000), limits)).toBe("kill");
  expect(step({ stage: "checkpoint", beganMs: NOW - 20_000, stageMs: NOW - 1000 }, limits)).toBe("kill");
});

test("nobody waits for a standby: it has pg_ctl_timeout for everything", () => {
  expect(step(at("ending", 59_999), { ...primary, primary: false, primaryStopTimeoutS: 20 })).toBe(null);
  expect(step(at("ending", 60_000), { ...primary, primary: false })).toBe("immediate");
});

test("before_stop, and what is past the checkpoint, are not the server's to end", () => {
  expect(step(at("announced", 600_000))).toBe(null);
  expect(step(at("closed", 600_000))).toBe(null);
});

const SHUT_DOWN = {
  ...PRIMARY_DIRECTORY,
  control: { ...PRIMARY_DIRECTORY.control, clusterState: "shut down", checkpointLsn: 1000 },
};
const STEP_DOWN = cluster({ failover: SWITCHOVER });
/** Member a, told to end. The checkpoint record begins at 1000. */
function stopping(
  shutdown: Shutdown,
  { how = "fast", received = 1100, grewMs = -Infinity, ...change }:
    & { how?: string; received?: number; grewMs?: number }
    & Partial<NodeView> = {},
  server: Partial<PostgresView> = {},
): NodeView {
  const closed = shutdown.stage === "closed";
  const has = (name: string, lsn: number) => seen(status(name, { receivedLsn: lsn, replayedLsn: lsn }));
  return holder({
    dcs: STEP_DOWN,
    receivedGrewMs: grewMs,
    statuses: [has("b", received), has("c", 500)],
    postgres: postgres({
      ...RUNNING_PRIMARY,
      process: "stopping",
      directory: closed ? SHUT_DOWN : PRIMARY_DIRECTORY,
      writable: !closed,
      action: { kind: "stop", sinceMs: shutdown.beganMs, detail: how },
      shutdown,
      ...server,
    }),
    ...change,
  });
}
const decided = (view: NodeView): string =>
  keep(view).actions.map((action) => action.kind === "stop" ? `stop ${action.how}` : action.kind).join(" ");

test("past its shutdown checkpoint, which the candidate has, a primary hands over at once", () => {
  expect(decided(stopping(at("closed", 0)))).toBe("release");
  expect(decided(stopping(at("closed", 0), { dcs: cluster(), stopping: true }))).toBe("release");
  expect(decided(stopping(at("closed", 0), { dcs: cluster(), watchdogFailed: true }))).toBe("release");
});

test("nothing is handed over before the server is closed", () => {
  expect(decided(stopping(at("ending", 0)))).toBe("");
  expect(decided(stopping(at("checkpoint", 0)))).toBe("");
});

test("a standby that has not got the whole shutdown checkpoint is waited for as long as WAL arrives", () => {
  expect(decided(stopping(at("closed", 1000), { received: 1000 }))).toBe("");
  expect(decided(stopping(at("closed", LEFTOVERS_MS), { received: 1000 }))).toBe("stop kill");
  expect(decided(stopping(at("closed", LEFTOVERS_MS), { received: 1000, grewMs: NOW - 1000 }))).toBe("");
  expect(decided(stopping(at("closed", 60_000), { received: 1000, grewMs: NOW - 1000 }))).toBe("stop kill");
});

test("the limit of a step is the pg_ctl_timeout in force", () => {
  const dynamic = { ...DYNAMIC, postgresql: { ...DYNAMIC.postgresql, pgCtlTimeoutS: 300 } };
  const grewMs = NOW - 1000;
  expect(decided(stopping(at("checkpoint", 60_000), { dynamic }))).toBe("");
  expect(decided(stopping(at("checkpoint", 300_000), { dynamic }))).toBe("stop immediate");
  expect(decided(stopping(at("closed", 60_000), { received: 1000, grewMs, dynamic }))).toBe("");
});

test("another member than the named candidate does not count as one that has everything", () => {
  const statuses = [seen(status("b", { receivedLsn: 900 })), seen(status("c", { receivedLsn: 1100 }))];
  expect(decided(stopping(at("closed", 0), { statuses }))).toBe("");
  expect(decided(stopping(at("closed", 0), { statuses, dcs: cluster(), stopping: true }))).toBe("release");
});

test("the archiver of a primary that is to start again is given little time", () => {
  expect(decided(stopping(at("closed", LEFTOVERS_MS - 1), { dcs: cluster() }))).toBe("");
  expect(decided(stopping(at("closed", LEFTOVERS_MS), { dcs: cluster() }))).toBe("stop kill");
});

test("once the lock is another's, the archiver may go on for a while, and then its member rejoins", () => {
  const over = { tenure: "none" as const, dcs: cluster({ lock: lock(FREE) }) };
  expect(decided(stopping(at("closed", LEFTOVERS_AFTER_RELEASE_MS - 1), over))).toBe("");
  expect(decided(stopping(at("closed", LEFTOVERS_AFTER_RELEASE_MS), over))).toBe("stop kill");
  expect(decided(stopping(at("closed", 99_000), { ...over, how: "kill" }))).toBe("");
});

test("a release that was not answered is repeated, and does not end the archiver", () => {
  expect(decided(stopping(at("closed", 0), { tenure: "to-release" }))).toBe("release");
});

test("a hung backend is cut short only when a successor has all that was seen of our WAL", () => {
  expect(decided(stopping(at("ending", ENDING_MS)))).toBe("stop immediate");
  expect(decided(stopping(at("ending", ENDING_MS), { received: 999 }))).toBe("");
  expect(decided(stopping(at("ending", ENDING_MS), {}, { walLsn: null }))).toBe("");
  expect(decided(stopping(at("ending", 60_000), { received: 999 }))).toBe("stop immediate");
  const limited = { ...DYNAMIC, primaryStopTimeoutS: 2 };
  expect(decided(stopping(at("ending", 2000), { received: 999, dynamic: limited }))).toBe("stop kill");
});

test("a shutdown that no action stands behind is followed to its end, but not in pause", () => {
  const alone = { action: null };
  expect(decided(stopping(at("ending", 0), { dcs: cluster() }, alone))).toBe("stop fast");
  const paused = { dcs: cluster(), dynamic: { ...DYNAMIC, pause: true } };
  expect(decided(stopping(at("ending", 99_000), paused, alone))).toBe("");
  expect(decided(stopping(at("ending", 0), { dcs: cluster(), anyProcess: false }, alone))).toBe("");
});

test("before its records are known a stopping agent sees to a hung server, too", () => {
  const unknown = { joined: false, stopping: true, dcs: cluster() };
  expect(decided(stopping(at("ending", 60_000), unknown))).toBe("stop immediate");
});

test("a lock that is lost in a shutdown ends it at once", () => {
  expect(decided(stopping(at("ending", 0), { tenure: "none", dcs: cluster({ lock: lock(FREE) }) }))).toBe(
    "stop kill",
  );
});

test("what was killed and is kept by the kernel hands over, if anybody can take over", () => {
  const kept = { writable: false };
  const ending = at("ending", 5000);
  expect(decided(stopping(ending, { how: "kill" }))).toBe("");
  expect(decided(stopping(ending, { how: "kill" }, kept))).toBe("release");
  expect(decided(stopping(ending, { how: "kill", stopping: true, dcs: cluster() }, kept))).toBe("release");
  // Not only where it was to hand over: nobody knows when it can start again.
  expect(decided(stopping(ending, { how: "kill", dcs: cluster() }, kept))).toBe("release");
  expect(decided(stopping(ending, { how: "kill", dcs: cluster(), statuses: [] }, kept))).toBe("");
  // Not answered, the release is repeated, and nothing more is killed for it.
  expect(decided(stopping(ending, { how: "kill", tenure: "to-release" }, kept))).toBe("release");
  const standby = { ...kept, epoch: null };
  expect(decided(stopping(ending, { how: "kill", tenure: "to-release" }, standby))).toBe("stop kill");
});

test("a stop is prepared by checkpoints until one is short, or is not half as long as the one before", () => {
  const made = (lengths: readonly number[]) => {
    const took: number[] = [];
    while (wantsCheckpoint(took)) took.push(lengths[took.length]!);
    return took.length;
  };
  expect(made([20])).toBe(1);
  expect(made([4700, 390, 100])).toBe(3);
  expect(made([4700, 290])).toBe(2);
  expect(made([4700, 3000])).toBe(2);
  expect(made([4700, 2300, 1200])).toBe(3);
});

test("the service manager waits longer than all steps of a stop together", () => {
  const longest = (pgCtlTimeoutS: number, primaryStopTimeoutS: number) =>
    longestStopMs({ ...DYNAMIC, primaryStopTimeoutS, postgresql: { ...DYNAMIC.postgresql, pgCtlTimeoutS } });
  // CHECKPOINTs of 60, 30, 15 ... s, before_stop, and three steps of the shutdown.
  expect(longest(60, 0)).toBeGreaterThan((60 * 2 + 60 * 4) * 1000 + LEFTOVERS_AFTER_RELEASE_MS);
  expect(longest(60, 600)).toBe(longest(60, 0) + 540_000);
  expect(longest(600, 0)).toBeGreaterThan(longest(60, 600));
});
