/**
 * What .ci/run says in the end of a step that failed: of a long output only the last lines may be kept. And
 */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../src/demo/run.ts";

const steps = join(import.meta.dir, "../.ci/steps.sh");
const KEPT_LINES = 60;

/** The last lines of a check that consists of these steps. `$bun`: runs bun. */
async function check(
  script: string,
  files: Record<string, string> = {},
): Promise<{ code: number; end: string }> {
  const directory = mkdtempSync(join(tmpdir(), "agent-ci-"));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    const text = `set -uo pipefail\nbun=${process.execPath}\n. ${steps}\n${script}\nreport\n`;
    const { code, output } = await run("bash", ["-c", text], directory);
    return { code, end: output.trimEnd().split("\n").slice(-KEPT_LINES).join("\n") };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

test("a test that failed is told again in the end, with its error and its place, below its long log", async () => {
  const { code, end } = await check(
    `step "good" 60 true; step "some tests" 60 $bun test; step "also good" 60 true`,
    {
      "one.test.ts": `import { expect, test } from "bun:test";
      test("holds", () => {});
      test("does not hold", () => {
        for (let i = 0; i < 500; i++) console.error("2026-11-28 22:40:16,268 ERROR: a line of a node's log");
        expect([1, 2]).toEqual([1, 3]);
      });
      test("throws", () => { throw new TypeError("nothing is there"); });
      test("takes too long", () => new Promise(() => {}), 50);`,
    },
  );
  expect(code).toBe(1);
  expect(end).toContain("== failed: some tests (exit 1)\n(fail) does not hold");
  expect(end).toMatch(
    /\n {4}error: expect\(received\)\.toEqual\(expected\)\n(?: {4}.*\n)* {10}at <anonymous> \(.*one\.test\.ts:5:/,
  );
  expect(end).toMatch(/\(fail\) throws .*\n {4}TypeError: nothing is there\n/);
  expect(end).toMatch(/\(fail\) takes too long .*\n.*timed out after 50ms/);
  expect(end).not.toContain("(fail) holds");
  expect(end).toEndWith("\n3 passed, 3 failed");
});

test("a step that cannot be taken is told of with its reason, and counted as skipped", async () => {
  const { code, end } = await check(`step "good" 60 true; skip "newer" "it cannot be had here"`);
  expect(code).toBe(0);
  expect(end).toContain("== newer\n   skipped: it cannot be had here\n");
  expect(end).toEndWith("1 passed, 0 failed, 1 skipped");
});

test("many failures: as many as fit, and how many there are besides", async () => {
  const { end } = await check(`step "some tests" 60 $bun test`, {
    "many.test.ts": `import { expect, test } from "bun:test";
      for (let i = 0; i < 100; i++) test("number " + i, () => expect(i).toBe(-1));`,
  });
  expect(end).toContain("== failed: some tests");
  expect(end).toMatch(/\(fail\) number 0 .*\n {4}error: /);
  expect(end).toMatch(/\nand \d+ more that failed\n/);
});

test("a step without tests, and one that is broken off, are told by their last lines; all steps have their part", async () => {
  const { code, end } = await check(
    `step "a compiler" 60 bash -c 'seq 1000; printf "\\033[31mno such type\\033[0m\\n"; exit 2'
     step "a hanging test" 3 bash -c 'cat broken_off.log; sleep 60'`,
    {
      "broken_off.log": `bun test v1.4.5 (a7733435c)
        1 | nothing
error: first
      at <anonymous> (/one.test.ts:1:1)
(fail) fails [0.04ms]
hanging
`,
    },
  );
  expect(code).toBe(1);
  expect(end).toMatch(/== failed: a compiler \(exit 2\)\n\d+\n(?:.*\n)*no such type\n/);
  expect(end).toMatch(
    /== failed: a hanging test \(stopped after 3 s\)\n\(fail\) fails .*\n {4}error: first\n/,
  );
  expect(end).toContain("Broken off; the last lines:");
  expect(end).toContain("\nhanging\n");
  expect(end).toEndWith("\n0 passed, 2 failed");
});

test("when nothing fails, the last line is all there is", async () => {
  const { code, end } = await check(`step "good" 60 true`);
  expect(code).toBe(0);
  expect(end).toMatch(/^== good\n {3}ok, \d+ s\n1 passed, 0 failed$/);
});
