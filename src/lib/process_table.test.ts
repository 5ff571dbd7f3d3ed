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

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
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
  // The shell's child ends while the shell, replaced by sleep, never asks for its status.
  const parent = Bun.spawn(["sh", "-c", "sleep 0 & echo $!; exec sleep 60"], { stdout: "pipe" });
  const { value } = await parent.stdout.getReader().read();
  const pid = Number(new TextDecoder().decode(value));
  await until(() => readProcess(pid)?.state === "Z");
  expect(isAlive(pid)).toBe(false);
  parent.kill("SIGKILL");
  await parent.exited;
});

test("a pid that does not exist is dead", () => {
  expect(readProcess(2 ** 22 + 1)).toBeNull();
  expect(isAlive(2 ** 22 + 1)).toBe(false);
});
