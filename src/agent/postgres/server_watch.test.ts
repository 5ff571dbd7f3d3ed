import { expect, test } from "bun:test";
import type { ExitReport, GuardView, Postmaster } from "../../guard/port.ts";
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
  expect(watch.endAsked).toBe(false);
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
  expect(watch.endAsked).toBe(true);
  watch.expectNoEnd();
  expect(watch.endAsked).toBe(false);
});
