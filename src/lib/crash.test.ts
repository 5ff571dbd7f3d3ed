import { expect, test } from "bun:test";
import { join } from "node:path";

/** Runs `body` in a process of its own that has the handlers; a live timer keeps it from ending by itself. */
function crash(body: string): { exitCode: number; stderr: string } {
  const script = `import "${import.meta.dir}/crash.ts"; setInterval(() => {}, 1000); ${body}`;
  const child = Bun.spawnSync([process.execPath, "-e", script], { timeout: 10_000 });
  return { exitCode: child.exitCode, stderr: child.stderr.toString() };
}

test("an uncaught exception ends the process with 70", () => {
  const { exitCode, stderr } = crash(`setTimeout(() => { throw new Error("broken") }, 1)`);
  expect(exitCode).toBe(70);
  expect(stderr).toContain("fatal: uncaught exception: Error: broken");
});

test("an unhandled rejection ends the process with 71", () => {
  const { exitCode, stderr } = crash(`setTimeout(() => { Promise.reject("lost") }, 1)`);
  expect(exitCode).toBe(71);
  expect(stderr).toContain("fatal: unhandled rejection: lost");
});

test("also while the entry is suspended in a top-level await", () => {
  expect(crash(`setTimeout(() => { throw new Error("broken") }, 1); await new Promise(() => {})`).exitCode)
    .toBe(70);
});

test("a program that may not have executable memory says so: it has no C library to ask for room with", () => {
  const main = join(import.meta.dir, "../../cli/main.ts");
  const child = Bun.spawnSync([process.execPath, main, "run", "/nonexistent.yml"], {
    env: { ...process.env, BUN_JSC_useJIT: "0" },
    timeout: 60_000,
  });
  expect(child.exitCode).toBe(71);
  expect(child.stderr.toString()).toContain(
    "cannot open the C library: memory that is written and then run is forbidden here",
  );
});
