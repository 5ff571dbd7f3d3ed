import { expect, test } from "bun:test";
import type { GuardView } from "../../model/guard_view.ts";
import { MemorySink } from "../../lib/line_sink.ts";
import { Logger } from "../../lib/log.ts";
import { LatenessWatch } from "./lateness_watch.ts";

function watched() {
  const sink = new MemorySink();
  const time = { nowMs: 0 };
  const watch = new LatenessWatch({
    log: new Logger({ sink }),
    nowMs: () => time.nowMs,
    ttlMs: () => 5000,
    electionMaxMs: 1000,
  });
  return { watch, time, lines: () => sink.lines.length };
}

function armed(part: Partial<GuardView>): GuardView {
  return {
    state: "ok",
    pid: 1,
    incarnation: 1,
    armed: { epoch: 1, deadlineMs: 1, unfenced: false },
    endedEpoch: 0,
    postmaster: { pid: 2, writable: true, epoch: 1, phase: "running", child: true },
    anyProcess: true,
    lastExit: null,
    lastAnswerMs: 1,
    lateMs: 0,
    ...part,
  };
}

test("a rare stall is no news, frequent ones are, once a minute for each kind", () => {
  const { watch, time, lines } = watched();
  for (let i = 0; i < 2000; i++) watch.record("event_loop", 1);
  watch.record("event_loop", 200);
  expect(lines()).toBe(0);
  for (let i = 0; i < 10; i++) watch.record("event_loop", 200);
  expect(lines()).toBe(1);
  for (let i = 0; i < 300; i++) watch.record("renewal", 2000);
  expect(lines()).toBe(2);
  time.nowMs = 59_000;
  watch.record("event_loop", 200);
  expect(lines()).toBe(2);
  time.nowMs = 60_000;
  watch.record("event_loop", 1);
  expect(lines()).toBe(2);
  watch.record("event_loop", 200);
  expect(lines()).toBe(3);
});

test("the guard's lateness counts once an answer, while it watches a primary", () => {
  const { watch } = watched();
  const samples = () => watch.measured().find(({ kind }) => kind === "guard")!.samples;
  watch.guardSaid(armed({ armed: null }));
  watch.guardSaid(armed({ lastAnswerMs: 2, armed: { epoch: 1, deadlineMs: 1, unfenced: true } }));
  watch.guardSaid(armed({ lastAnswerMs: 3, postmaster: null }));
  expect(samples()).toBe(0);
  watch.guardSaid(armed({ lastAnswerMs: 4, lateMs: 3 }));
  watch.guardSaid(armed({ lastAnswerMs: 4, lateMs: 3 }));
  expect(samples()).toBe(1);
  expect(watch.measured().find(({ kind }) => kind === "guard")).toMatchObject({ maxMs: 3, verdict: "ok" });
  expect(watch.reading("guard").count).toBe(1);
});
