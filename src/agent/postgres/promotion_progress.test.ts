/** Whether a promotion goes on, by what the kernel says of its processes. */
import { expect, test } from "bun:test";
import type { ProcessStat } from "../../lib/process_table.ts";
import { PromotionProgress } from "./promotion_progress.ts";

const POSTMASTER = 10;
const STARTUP = 11;
const RESTORE = 12;

class World {
  readonly processes = new Map<number, ProcessStat>();
  readonly progress = new PromotionProgress();

  constructor() {
    for (const pid of [POSTMASTER, STARTUP]) this.set(pid, 5);
    this.progress.startup = STARTUP;
  }

  set(pid: number, cpuTicks: number, state = "S"): void {
    this.processes.set(pid, {
      pid,
      name: "postgres",
      state,
      parentPid: pid - 1,
      terminal: 0,
      startTicks: 1,
      cpuTicks,
      threads: 1,
    });
  }

  moves(): boolean {
    return this.progress.moves(
      POSTMASTER,
      (pid) => this.processes.get(pid) ?? null,
      (pid) => this.processes.has(pid + 1) ? [pid + 1] : [],
    );
  }
}

test("a startup process that computes goes on, and one that does nothing stands still", () => {
  const world = new World();
  expect([world.moves(), world.moves()]).toEqual([true, false]);
  world.set(STARTUP, 6);
  expect([world.moves(), world.moves()]).toEqual([true, false]);
  world.set(STARTUP, 6, "R");
  expect([world.moves(), world.moves()]).toEqual([true, true]);
  world.set(STARTUP, 6, "T");
  expect(world.moves()).toBe(false);
  world.set(STARTUP, 6, "D");
  expect(world.moves()).toBe(false);
});

test("the postmaster, which answers others, does not move for the startup process", () => {
  const world = new World();
  world.moves();
  world.set(POSTMASTER, 50);
  expect(world.moves()).toBe(false);
});

test("each restore_command that the startup process runs is work, and one that hangs is none", () => {
  const world = new World();
  world.moves();
  world.set(RESTORE, 0);
  expect([world.moves(), world.moves()]).toEqual([true, false]);
  world.set(RESTORE, 3);
  expect(world.moves()).toBe(true);
  world.processes.delete(RESTORE);
  expect([world.moves(), world.moves()]).toEqual([true, false]);
});

test("where the startup process is not known, or gone, the postmaster is looked at", () => {
  const world = new World();
  world.progress.startup = null;
  expect([world.moves(), world.moves()]).toEqual([true, false]);
  world.set(POSTMASTER, 6);
  expect(world.moves()).toBe(true);
  world.progress.startup = STARTUP;
  world.set(STARTUP, 5, "Z");
  expect(world.moves()).toBe(false);
  world.set(POSTMASTER, 7);
  expect(world.moves()).toBe(true);
});
