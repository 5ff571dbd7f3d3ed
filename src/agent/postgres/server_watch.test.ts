import { expect, test } from "bun:test";
import type { ExitReport, GuardView, Postmaster } from "../../model/guard_view.ts";
import { PostgresMemory } from "./memory.ts";
import { ServerWatch } from "./server_watch.ts";

const postmaster = (pid: number, change: Partial<Postmaster> = {}) =>
  ({ pid, writable: true, epoch: 3, phase: "running", closed: false, ...change }) as Postmaster;

const guard = (server: Postmaster | null, lastExit: Partial<ExitReport> | null = null) =>
  ({ postmaster: server, lastExit }) as GuardView;

function watched() {
  const memory = new PostgresMemory();
  const seen: string[] = [];
  const watch = new ServerWatch(memory, () => 50, {
    ended: ({ server, asked }) =>
      seen.push(`${server.pid} ended${asked ? " as asked" : ""}, known ${memory.server?.pid}`),
    appeared: ({ pid }) => seen.push(`${pid} appeared`),
    declared: ({ pid, epoch }) => seen.push(`${pid} declared ${epoch}`),
  });
  return { memory, seen, watch };
}

test("a primary that ends unasked has crashed, and the first of several ends counts", () => {
  const { memory, seen, watch } = watched();
  watch.look(guard(postmaster(7)), true);
  watch.look(guard(null, { pid: 7, atMs: 20 }), false);
  expect({ failure: memory.failure, at: memory.crashedAtMs }).toEqual({ failure: "crashed", at: 20 });
  expect({ settling: memory.settling, diskEnd: memory.diskEnd }).toEqual({ settling: true, diskEnd: null });
  watch.look(guard(postmaster(8)), true);
  watch.look(guard(null), false);
  expect(memory.crashedAtMs).toBe(20);
  // What the server said of itself is still known when its end is told.
  expect(seen).toEqual(["7 ended, known 7", "8 ended, known 8"]);
});

test("an end that was asked for, or is the fence's, is no crash; nor is a standby's one of a primary", () => {
  for (const end of ["asked", "fenced", "standby"]) {
    const { memory, watch } = watched();
    watch.look(
      guard(postmaster(7, { epoch: end === "standby" ? null : 3, writable: end !== "standby" })),
      true,
    );
    if (end === "asked") watch.askEnd();
    watch.look(guard(null, { pid: 7, fenced: end === "fenced" }), true);
    expect(memory.crashedAtMs).toBeNull();
    expect(memory.failure).toBe(end === "standby" ? "crashed" : null);
  }
});

test("the fence that ended another server says nothing of this one", () => {
  const { memory, watch } = watched();
  watch.look(guard(postmaster(7)), true);
  watch.look(guard(null, { pid: 6, fenced: true }), true);
  expect({ failure: memory.failure, at: memory.crashedAtMs }).toEqual({ failure: "crashed", at: 50 });
});

test("a server that nobody here has started appears, and its end would be news again", () => {
  const { memory, seen, watch } = watched();
  watch.askEnd();
  watch.look(guard(postmaster(7)), false);
  watch.look(guard(postmaster(7)), false);
  expect(seen).toEqual(["7 appeared"]);
  // One takes the place of the other between two looks.
  watch.look(guard(postmaster(9)), false);
  expect(seen).toEqual(["7 appeared", "7 ended, known 7", "9 appeared"]);
  expect({ known: watch.known?.pid, tracked: memory.server?.pid }).toEqual({ known: 9, tracked: 9 });
});

test("while an action runs, a server that appears is its work, and an end that was asked for stays so", () => {
  const { seen, watch } = watched();
  watch.askEnd();
  watch.look(guard(postmaster(7)), true);
  expect(seen).toEqual([]);
  watch.look(guard(null), true);
  watch.look(guard(postmaster(8)), true);
  watch.expectNoEnd();
  watch.look(guard(null), true);
  expect(seen).toEqual(["7 ended as asked, known 7", "8 ended, known 8"]);
});

test("a server that others have killed has crashed, though the agent sees to its end from then on", () => {
  const { memory, seen, watch } = watched();
  watch.look(guard(postmaster(7)), true);
  // The guard kills its remaining processes.
  watch.look(guard(postmaster(7, { phase: "ending" })), false);
  watch.askEnd();
  watch.look(guard(postmaster(7, { phase: "ending" })), true);
  watch.look(guard(null, { pid: 7, atMs: 20 }), true);
  expect([seen, memory.crashedAtMs]).toEqual([["7 ended, known 7"], 20]);
  // The next one is stopped by the agent.
  watch.look(guard(postmaster(8)), true);
  watch.askEnd();
  watch.look(guard(postmaster(8, { phase: "ending" })), true);
  watch.look(guard(null, { pid: 8, atMs: 30 }), true);
  expect(seen[1]).toBe("8 ended as asked, known 8");
});

test("so has one that others have told to shut down, while one that an earlier agent told was asked to", () => {
  const { memory, seen, watch } = watched();
  watch.look(guard(postmaster(7)), true);
  memory.shutdownAt("ending", 10);
  watch.askEnd();
  watch.look(guard(postmaster(7, { phase: "ending" })), true);
  watch.look(guard(null, { pid: 7, atMs: 20 }), true);
  expect([seen, memory.crashedAtMs]).toEqual([["7 ended, known 7"], 20]);

  const restarted = watched();
  restarted.watch.look(guard(postmaster(7, { phase: "ending" })), false);
  restarted.watch.look(guard(postmaster(7, { phase: "ending" })), false);
  restarted.watch.askEnd();
  restarted.watch.look(guard(null, { pid: 7 }), true);
  expect(restarted.seen).toEqual(["7 appeared", "7 ended as asked, known 7"]);
});

test("a server that was found running is taken over when the guard is told its role, once", () => {
  for (const role of [{ epoch: 3 }, { writable: false, epoch: null }]) {
    const { memory, seen, watch } = watched();
    watch.look(guard(postmaster(7, { epoch: null })), false);
    memory.crashedAtMs = 20;
    watch.look(guard(postmaster(7, { epoch: null })), false);
    expect(memory.crashedAtMs).toBe(20);
    watch.look(guard(postmaster(7, role)), true);
    watch.look(guard(postmaster(7, role)), false);
    expect(memory.crashedAtMs).toBeNull();
    expect(seen).toEqual(["7 appeared", `7 declared ${role.epoch}`]);
  }
});
