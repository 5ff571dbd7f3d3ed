import { expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import { HeldSignals } from "./held_signals.ts";

function recorder() {
  const handled: string[] = [];
  const handler = (name: string) => () => void handled.push(name);
  return {
    handled,
    handlers: { SIGTERM: handler("stop"), SIGINT: handler("stop"), SIGHUP: handler("reload") },
  };
}

test("signals that come during the start are handled after it, in their order and once", () => {
  const source = new EventEmitter();
  const held = new HeldSignals(source);
  for (const signal of ["SIGHUP", "SIGTERM", "SIGHUP"]) expect(source.emit(signal)).toBe(true);
  const { handled, handlers } = recorder();
  held.handle(handlers);
  expect(handled).toEqual(["reload", "stop"]);
});

test("later ones are handled as they come", () => {
  const source = new EventEmitter();
  const { handled, handlers } = recorder();
  new HeldSignals(source).handle(handlers);
  expect(handled).toEqual([]);
  for (const signal of ["SIGHUP", "SIGHUP", "SIGTERM"]) source.emit(signal);
  expect(handled).toEqual(["reload", "reload", "stop"]);
});

test("a real process that is told to stop while it starts lives until it has started", async () => {
  const script = `import { HeldSignals } from "${import.meta.dir}/held_signals.ts";
    const held = new HeldSignals(process);
    console.log("starting");
    // The start of an agent blocks the loop, and then it has one turn.
    for await (const line of console) {
      held.handle({ SIGTERM: () => process.exit(40), SIGINT() {}, SIGHUP: () => console.log("reloaded") });
    }`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdin: "pipe", stdout: "pipe" });
  const reader = child.stdout.getReader();
  const said = async () => new TextDecoder().decode((await reader.read()).value);
  expect(await said()).toBe("starting\n");
  child.kill("SIGHUP");
  child.kill("SIGTERM");
  // Both are pending or held by the time it reads this.
  child.stdin.write("go\n");
  child.stdin.flush();
  expect(await child.exited).toBe(40);
});
