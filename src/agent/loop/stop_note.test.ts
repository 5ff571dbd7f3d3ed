import { expect, test } from "bun:test";
import { postgres, RUNNING_PRIMARY } from "../../brain/testing.ts";
import type { ExitReport } from "../../model/guard_view.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import { restartStep, StopNote } from "./stop_note.ts";

const running = postgres(RUNNING_PRIMARY);
const view = (change: Partial<PostgresView>): PostgresView => ({ ...running, ...change });
const acting = (kind: "stop" | "restart", detail = ""): PostgresView =>
  view({ action: { kind, detail, sinceMs: 0 } });
const fenced: ExitReport = { pid: 7, code: null, signal: "SIGKILL", fenced: true, atMs: 0 };

test("each step of a stop is kept with its reason, the same one once", () => {
  const note = new StopNote();
  note.look(running, null, "t0");
  expect(note.last).toBeNull();
  note.asked("fast", "demoting self", "t1");
  note.asked("fast", "demoting self, still", "t2");
  note.look(acting("stop", "fast"), null, "t2");
  note.asked("immediate", "one of its processes does not end after 4 s", "t3");
  note.asked("kill", "an immediate shutdown has not ended it", "t4");
  note.look(view({ process: "none" }), null, "t5");
  expect(note.last).toEqual({
    at: "t1",
    steps: ["fast", "immediate", "kill"],
    why: "demoting self; one of its processes does not end after 4 s; an immediate shutdown has not ended it",
    over: false,
  });
});

test("it is over when PostgreSQL runs again, and the next stop begins anew", () => {
  const note = new StopNote();
  note.asked("fast", "restart", "t1");
  note.look(acting("restart"), null, "t1");
  expect(note.last?.over).toBe(false);
  note.look(acting("restart", restartStep("immediate", "a backend hangs")), null, "t2");
  note.look(running, null, "t3");
  expect(note.last).toEqual({
    at: "t1",
    steps: ["fast", "immediate"],
    why: "restart; a backend hangs",
    over: true,
  });
  note.asked("kill", "the lock is lost", "t4");
  expect(note.last).toEqual({ at: "t4", steps: ["kill"], why: "the lock is lost", over: false });
});

test("a freeze and what the guard ended by itself are stops too", () => {
  const note = new StopNote();
  note.look(view({ process: "frozen" }), null, "t1");
  note.look(view({ process: "frozen" }), null, "t2");
  note.look(view({ process: "none" }), fenced, "t3");
  note.look(view({ process: "none" }), fenced, "t4");
  expect(note.last?.steps).toEqual(["freeze", "kill"]);
  expect(note.last?.why).toBe(
    "its lease was not renewed in time; the guard ended it, as its lease has ended",
  );
});

test("its text stays short", () => {
  const note = new StopNote();
  note.asked("fast", "x".repeat(1000), "t1");
  for (let i = 0; i < 20; i++) note.asked(i % 2 === 0 ? "kill" : "immediate", "y".repeat(1000), "t2");
  expect(note.last!.why.length).toBe(300);
  expect(note.last!.steps.length).toBe(6);
});
