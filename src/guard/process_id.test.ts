import { expect, test } from "bun:test";
import { identify, isTooYoungFor } from "./process_id.ts";
import { SIGHUP, SIGUSR1 } from "./signals.ts";

test("a process takes a signal once it has a handler for it, or ignores it", async () => {
  const script = 'echo none; read -r _; trap : HUP; trap "" USR1; echo both; read -r _';
  const child = Bun.spawn(["sh", "-c", script], { stdin: "pipe", stdout: "pipe" });
  const said = child.stdout.getReader();
  await said.read();
  const id = identify(child.pid)!;
  expect([SIGHUP, SIGUSR1].map((signal) => isTooYoungFor(id, signal))).toEqual([true, true]);
  child.stdin.write("\n");
  child.stdin.flush();
  await said.read();
  expect([SIGHUP, SIGUSR1].map((signal) => isTooYoungFor(id, signal))).toEqual([false, false]);
  expect(isTooYoungFor({ ...id, startTicks: id.startTicks - 1 }, SIGHUP)).toBe(false);
  child.kill("SIGKILL");
  await child.exited;
  expect(isTooYoungFor(id, SIGHUP)).toBe(false);
});

test("this very program, before it becomes PostgreSQL, takes none", () => {
  expect(isTooYoungFor(identify(process.pid), SIGHUP)).toBe(true);
  expect(isTooYoungFor(null, SIGHUP)).toBe(false);
});
