import { expect, test } from "bun:test";
import { realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import {
  isAlive,
  isDead,
  isStopped,
  isStoppedOrWill,
  listPids,
  readProcess,
  workingDirectory,
} from "./process_table.ts";
import { startHeadless, startZombie } from "./testing_zombie.ts";

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("waited too long");
    await Bun.sleep(5);
  }
}

test("a process is seen with parent, working directory and start time", () => {
  const own = readProcess(process.pid);
  expect(own?.parentPid).toBe(process.ppid);
  expect(own?.startTicks).toBeGreaterThan(0);
  expect(workingDirectory(process.pid)).toBe(realpathSync(process.cwd()));
  expect(listPids()).toContain(process.pid);
});

test("a stopped process is told from a running and from a dead one", async () => {
  const child = Bun.spawn(["sleep", "60"], { cwd: tmpdir() });
  const state = () => readProcess(child.pid);
  await until(() => state()?.name === "sleep");
  expect(isDead(state())).toBe(false);
  process.kill(child.pid, "SIGSTOP");
  await until(() => {
    const seen = state();
    return seen !== null && isStopped(seen) && isStoppedOrWill(seen);
  });
  process.kill(child.pid, "SIGKILL");
  await child.exited;
  expect(isAlive(child.pid)).toBe(false);
});

test("a zombie counts as dead", async () => {
  const zombie = await startZombie();
  try {
    expect(isDead(readProcess(zombie.pid))).toBe(true);
    expect(isAlive(zombie.pid)).toBe(false);
  } finally {
    await zombie.end();
  }
});

test("a process whose first thread has ended lives for as long as another of its threads does", async () => {
  const headless = await startHeadless(tmpdir());
  try {
    expect(readProcess(headless.pid)?.threads).toBeGreaterThan(1);
    expect(isAlive(headless.pid)).toBe(true);
    expect(workingDirectory(headless.pid)).toBe(realpathSync(tmpdir()));
  } finally {
    await headless.end();
  }
  expect(isAlive(headless.pid)).toBe(false);
});

test("a pid that does not exist is dead", () => {
  expect(readProcess(2 ** 22 + 1)).toBeNull();
  expect(isAlive(2 ** 22 + 1)).toBe(false);
});
