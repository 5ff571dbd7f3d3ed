import { expect, test } from "bun:test";
import type { GuardView } from "../../model/guard_view.ts";
import { GuardNews } from "./guard_news.ts";

const VIEW: GuardView = {
  state: "ok",
  pid: 7,
  incarnation: 1,
  armed: { epoch: 3, deadlineMs: 5000, unfenced: false },
  endedEpoch: 2,
  postmaster: { pid: 9, writable: true, epoch: 3, phase: "running", child: true },
  anyProcess: true,
  lastExit: null,
  lastAnswerMs: 1000,
  lateMs: 1,
  clocks: null,
};

/** Whether the second view says something new after the first. */
function isNew(change: Partial<GuardView>): boolean {
  const news = new GuardNews();
  news.look(VIEW);
  return news.look({ ...VIEW, ...change });
}

test("the times that each answer of the guard moves are no news", () => {
  expect(new GuardNews().look(VIEW)).toBe(true);
  expect(isNew({})).toBe(false);
  expect(isNew({ lastAnswerMs: 1500, lateMs: 9, armed: { ...VIEW.armed!, deadlineMs: 5500 } })).toBe(false);
});

test("everything else that the guard says is news", () => {
  const postmaster = VIEW.postmaster!;
  const changes: Partial<GuardView>[] = [
    { state: "none" },
    { pid: 8 },
    { incarnation: 2 },
    { armed: null },
    { armed: { ...VIEW.armed!, epoch: 4 } },
    { armed: { ...VIEW.armed!, unfenced: true } },
    { endedEpoch: 3 },
    { postmaster: null },
    { postmaster: { ...postmaster, pid: 10 } },
    { postmaster: { ...postmaster, phase: "frozen" } },
    { postmaster: { ...postmaster, closed: true } },
    { anyProcess: false },
    { doomed: true },
    { allStopped: true },
    { lastExit: { pid: 9, code: 0, signal: null, fenced: false, atMs: 1 } },
    { lastAnswerMs: null },
    { ofALaterRelease: 1 } as Partial<GuardView>,
  ];
  for (const change of changes) expect([change, isNew(change)]).toEqual([change, true]);
});
