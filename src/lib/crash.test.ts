import { expect, test } from "bun:test";

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
