/** When the restart that the records have for this member takes place, and what becomes of it otherwise. */
import { expect, test } from "bun:test";
import type { ScheduledRestart } from "../model/records.ts";
import { duties } from "./duties.ts";
import { restartDueInMs, scheduledRestart } from "./scheduled_restart.ts";
import { cluster, duty, DYNAMIC, node, postgres } from "./testing.ts";
import type { NodeView } from "./keep/view.ts";

const TIME = "2026-03-01T00:00:00+00:00";
const AT_MS = Date.parse(TIME);

/** Member b so many ms after the time of its restart. */
function due(
  lateMs: number,
  change: Partial<NodeView> = {},
  restart: Partial<ScheduledRestart> = {},
  member = "b",
) {
  const dcs = cluster({ restarts: { [member]: { schedule: TIME, id: "r", ...restart } } });
  return duty(node({ dcs, ...change }), { wallMs: AT_MS + lateMs });
}
const DONE = {
  kind: "scheduled-restart",
  id: "r",
  restarts: true,
  timeoutS: null,
  text: "its time has come",
};

test("a restart comes at its time, and is a standing duty then, with the timeout that it has", () => {
  expect(scheduledRestart(due(-1))).toBeNull();
  expect(scheduledRestart(due(0))).toEqual(DONE as never);
  expect(duties(due(0, {}, { timeout: 30 })).find(({ kind }) => kind === "scheduled-restart")).toEqual({
    ...DONE,
    timeoutS: 30,
  } as never);
  expect(scheduledRestart(due(0, {}, {}, "c"))).toBeNull();
});

test("the next look is at that time, however far it is", () => {
  const twoMonthsMs = 60 * 24 * 3600 * 1000;
  expect(restartDueInMs(due(-twoMonthsMs))).toBe(twoMonthsMs);
  expect(restartDueInMs(due(1))).toBe(Infinity);
  expect(restartDueInMs(due(-1, {}, {}, "c"))).toBe(Infinity);
});

test("in pause it does not come, and what is late after that is dropped, as after a long stop of the agent", () => {
  expect(scheduledRestart(due(500, { dynamic: { ...DYNAMIC, pause: true } }))).toBeNull();
  expect(scheduledRestart(due(1500 * DYNAMIC.loopWaitS))).toMatchObject({ restarts: true });
  expect(scheduledRestart(due(60_000))).toMatchObject({
    restarts: false,
    text: "dropped: it is too late by 60 s",
  });
});

test("beside another action it waits for the end of that, and is dropped when that is too late", () => {
  const busy = postgres({ action: { kind: "restart", sinceMs: 0, detail: "" } });
  expect(scheduledRestart(due(500, { postgres: busy }, { timeout: 10 }))).toBeNull();
  expect(scheduledRestart(due(60_000, { postgres: busy }))).toMatchObject({ restarts: false });
});

test("an agent that does not know the present records yet, or is to end, leaves it alone", () => {
  expect(scheduledRestart(due(0, { joined: false }))).toBeNull();
  expect(scheduledRestart(due(0, { stopping: true }))).toBeNull();
});

test("only a server that the request means is restarted", () => {
  const restarts = (restart: Partial<ScheduledRestart>, server: Parameters<typeof postgres>[0] = {}) =>
    scheduledRestart(due(0, { postgres: postgres(server) }, restart))?.restarts;
  expect(restarts({ role: "replica" })).toBe(true);
  expect(restarts({ role: "primary" })).toBe(false);
  expect(restarts({ role: "primary" }, { inRecovery: false })).toBe(true);
  expect(restarts({ restart_pending: true })).toBe(false);
  const pendingRestart = { max_connections: { old_value: "100", new_value: "200" } };
  expect(restarts({ restart_pending: true }, { pendingRestart })).toBe(true);
  expect(restarts({ postgres_version: "15.9" }, { serverVersion: 150008 })).toBe(true);
  expect(restarts({ postgres_version: "15.9" }, { serverVersion: 150009 })).toBe(false);
});
