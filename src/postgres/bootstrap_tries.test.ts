/** When a bootstrap that failed may be tried again. In temporary directories. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BootstrapTries } from "./bootstrap_tries.ts";

function inDirectory(body: (ownDir: string) => void): void {
  const root = mkdtempSync(join(tmpdir(), "agent-tries-"));
  try {
    body(join(root, "run"));
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("the pause before the next bootstrap grows with each that did not come to its end", () =>
  inDirectory((ownDir) => {
    const at = 1_800_000_000_000;
    const first = new BootstrapTries(ownDir);
    expect(first.pauseMs(at)).toBe(0);
    first.begin(at);
    // The agent has ended, and is started again.
    const next = new BootstrapTries(ownDir);
    expect(next.pauseMs(at + 500)).toBe(1_500);
    expect(next.pauseMs(at + 60_000)).toBe(0);
    next.begin(at + 2_000);
    next.failed(at + 50_000);
    expect(next.pauseMs(at + 50_000)).toBe(4_000);
    for (let tries = 0; tries < 100; tries++) next.begin(at);
    expect(next.pauseMs(at)).toBe(300_000);
    // The time of day was set back: no longer than the pause itself.
    expect(next.pauseMs(0)).toBe(300_000);
    next.done();
    expect(next.pauseMs(at)).toBe(0);
  }));

test("a file that says something else keeps nothing waiting", () =>
  inDirectory((ownDir) => {
    const tries = new BootstrapTries(ownDir);
    tries.begin(1);
    for (const text of ["", "1", "x y\n", "1 2 3\n", "99999999999 1\n"]) {
      writeFileSync(join(ownDir, "bootstrap.tries"), text);
      expect(tries.pauseMs(1)).toBe(0);
    }
  }));
