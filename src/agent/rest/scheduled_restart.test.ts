import { expect, test } from "bun:test";
import { StubPort } from "../../api/testing.ts";
import { RestartSchedule, takesPlace } from "./scheduled_restart.ts";

const DAY_MS = 24 * 3600 * 1000;
const turns = async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 1));
};

test("a restart in two months comes in two months, however long timers can be", async () => {
  let nowMs = Date.parse("2026-01-01T00:00:00Z");
  const due: string[] = [];
  const schedule = new RestartSchedule({
    wallMs: () => nowMs,
    due: (restart) => due.push(restart.schedule),
    lookAgainMs: 1,
  });
  const restart = { schedule: "2026-03-01T00:00:00+00:00" };
  expect(schedule.set(restart)).toBe(true);
  expect(schedule.set(restart)).toBe(false);
  nowMs += 30 * DAY_MS;
  await turns();
  expect(due).toEqual([]);
  expect(schedule.restart).toBe(restart);
  nowMs += 30 * DAY_MS;
  await turns();
  expect(due).toEqual([restart.schedule]);
  expect(schedule.restart).toBeNull();
  expect(schedule.cancel()).toBe(false);
});

test("one that is cancelled does not come", async () => {
  let nowMs = 0;
  const due: string[] = [];
  const schedule = new RestartSchedule({
    wallMs: () => nowMs,
    due: (restart) => due.push(restart.schedule),
    lookAgainMs: 1,
  });
  schedule.set({ schedule: "1970-01-02T00:00:00+00:00" });
  expect(schedule.cancel()).toBe(true);
  nowMs = 2 * DAY_MS;
  await turns();
  expect(due).toEqual([]);
});

test("one whose time has come takes place on the server that it means, and not in maintenance mode", () => {
  const port = new StubPort();
  const schedule = "1970-01-02T00:00:00+00:00";
  expect(takesPlace({ schedule }, port.view())).toBe(true);
  expect(takesPlace({ schedule, role: "primary" }, port.view())).toBe(true);
  expect(takesPlace({ schedule, role: "replica" }, port.view())).toBe(false);
  port.changeDynamic({ pause: true });
  expect(takesPlace({ schedule }, port.view())).toBe(false);
});
