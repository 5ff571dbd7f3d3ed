/** The user's commands: their limits, their output in the log, and how they ended. */
import { expect, spyOn, test } from "bun:test";
import { isAlive } from "../lib/process_table.ts";
import { MemoryLog } from "../lib/log.ts";
import { Callbacks } from "./callbacks.ts";
import { Hooks, MAX_HOOK_OUTPUT } from "./hooks.ts";

const FACTS = { oldRole: null, timeline: null, leader: null };

async function until(what: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!what() && Date.now() < deadline) await Bun.sleep(5);
  expect(what()).toBe(true);
}

test("each end of a command is counted by its code, and what it said is in the log", async () => {
  const log = new MemoryLog();
  const hooks = new Hooks(log);
  expect(await hooks.run("pre_promote", "sh -c 'echo ready'")).toBeNull();
  await hooks.run("pre_promote", "true");
  expect(await hooks.run("before_stop", "sh -c 'echo no >&2; exit 3'")).toMatchObject({ replaced: false });
  expect((await hooks.run("before_stop", "'"))?.text).toContain("not a command");
  await hooks.run("before_stop", "/nonexistent");
  await hooks.run("post_bootstrap", "sh -c 'kill -TERM $$'");
  await hooks.run("post_bootstrap", "sleep 60", { timeoutMs: 20 });
  expect(hooks.exits().map(({ hook, code, count }) => `${hook} ${code} ${count}`)).toEqual([
    "pre_promote 0 2",
    "before_stop 3 1",
    "before_stop not started 2",
    "post_bootstrap SIGTERM 1",
    "post_bootstrap timeout 1",
  ]);
  expect(log.lines.join("\n")).toContain("pre_promote: ready");
  expect(log.lines.join("\n")).toContain("before_stop: no");
});

test("why a command failed is told to everybody, and so without the credentials in its output", async () => {
  const failed = await new Hooks(new MemoryLog()).run(
    "pre_promote",
    "sh -c 'echo error: postgres://u:hidden@db password=hidden --token hidden >&2; exit 1'",
  );
  expect(failed?.text).toBe(
    "sh failed with exit code 1: error: postgres://u:***@db password=*** --token ***",
  );
});

test("of a command that says much, the end is in the log", async () => {
  const log = new MemoryLog();
  await new Hooks(log).run("on_start", "sh -c 'yes x | head -c 1000000; echo last'");
  expect(log.lines).toHaveLength(1);
  expect(log.lines[0]!.length).toBeLessThan(2 * MAX_HOOK_OUTPUT + 100);
  expect(log.lines[0]).toContain("on_start: ... x");
  expect(log.lines[0]).toEndWith("last");
});

test("a callback that takes too long is ended with its children, also those in a session of their own", async () => {
  const log = new MemoryLog();
  const hooks = new Hooks(log);
  const command = `sh -c 'setsid sleep 61.5 & echo $!; wait' x`;
  const callbacks = new Callbacks({
    commands: () => ({ on_start: command }),
    timeoutS: () => 0.5,
    hooks,
    scope: "demo",
    log,
  });
  callbacks.call("on_start", "replica", FACTS);
  await until(() => log.lines.some((line) => line.includes("took too long")));
  expect(hooks.exits()).toEqual([{ hook: "on_start", code: "timeout", count: 1 }]);
  const pid = Number(/on_start: (\d+)/.exec(log.lines.join("\n"))?.[1]);
  expect(pid).toBeGreaterThan(0);
  await until(() => !isAlive(pid));
});

test("a callback that the next one replaces is no failure", async () => {
  const log = new MemoryLog();
  const hooks = new Hooks(log);
  const callbacks = new Callbacks({
    commands: () => ({ on_start: "sleep 60", on_stop: "true" }),
    timeoutS: () => 0,
    hooks,
    scope: "demo",
    log,
  });
  callbacks.call("on_start", "replica", FACTS);
  callbacks.call("on_stop", "replica", FACTS);
  await until(() => hooks.exits().length === 2);
  const exits = hooks.exits().map(({ hook, code }) => `${hook} ${code}`).sort();
  expect(exits).toEqual(["on_start replaced", "on_stop 0"]);
});

test("a command that cannot be ended, as one under sudo, is left after its time", async () => {
  const log = new MemoryLog();
  const kill = spyOn(process, "kill").mockImplementation(() => {
    throw Object.assign(new Error("kill EPERM"), { code: "EPERM" });
  });
  let failed: Awaited<ReturnType<Hooks["run"]>>;
  try {
    failed = await new Hooks(log).run("pre_promote", "sh -c 'echo $$; exec sleep 61.7'", { timeoutMs: 200 });
    expect(kill).toHaveBeenCalled();
  } finally {
    kill.mockRestore();
  }
  const pid = Number(/pre_promote: (\d+)/.exec(log.lines.join("\n"))?.[1]);
  expect(isAlive(pid)).toBe(true);
  process.kill(pid, "SIGKILL");
  expect(failed?.text).toContain("took too long, and could not be ended: it runs on");
});
