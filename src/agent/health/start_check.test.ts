import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryLog } from "../../lib/log.ts";
import { StartCheck } from "./start_check.ts";
import { SYNC_PROBE_COMMAND, SYNCS } from "./sync_probe_process.ts";

const AGENT = [process.execPath, join(import.meta.dir, "../../../cli/main.ts")];
const base = mkdtempSync(join(tmpdir(), "start-check-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** Runs a check to its end with timers that fire at once, each so late. Returns what it warned of. */
async function warned(
  command: readonly string[],
  over: { readonly lateMs?: number; readonly guardMs?: number; readonly endAtMs?: number } = {},
): Promise<string[]> {
  const log = new MemoryLog();
  let nowMs = 0;
  let asked = 0;
  let running = 0;
  let idle = () => {};
  const check: StartCheck = new StartCheck({
    clock: {
      now: () => nowMs,
      soon: queueMicrotask,
      after: (delayMs, fire) => {
        running++;
        queueMicrotask(() => {
          // Time stands still where several wait, which is enough here: there is one timer at a time.
          nowMs += delayMs + (over.lateMs ?? 0);
          if (nowMs >= (over.endAtMs ?? Infinity)) check.end();
          fire();
          if (--running === 0) idle();
        });
        return { cancel: () => {} };
      },
    },
    log,
    command,
    directory: base,
    ttlMs: () => (asked++, 2000),
    electionMaxMs: 1000,
    guardMs: () => over.guardMs ?? null,
  });
  const ticked = new Promise<void>((resolve) => idle = resolve);
  check.start();
  await ticked;
  // The process of the probe ends some time after that.
  const deadlineMs = performance.now() + 60_000;
  while (asked === 0 && over.endAtMs === undefined && performance.now() < deadlineMs) await Bun.sleep(5);
  await Bun.sleep(0);
  return log.lines.filter((line) => line.startsWith("WARNING"));
}

const saying = (line: string) => ["sh", "-c", `echo '${line}'`];

test("a quiet host is no news", async () => {
  expect(await warned(saying("[0.1,0.2,3]"))).toEqual([]);
});

test("a late loop, a slow disk and a late guard are one warning", async () => {
  const [line, ...others] = await warned(saying("[40,50,60]"), { lateMs: 30, guardMs: 200 });
  expect(others).toEqual([]);
  expect(line).toContain("came up to 30 ms late");
  expect(line).toContain("took up to 60 ms (median 50)");
  expect(line).toContain("guard's timer fired up to 200 ms late");
});

test("a disk that cannot be measured is said, where there is something to say", async () => {
  for (const command of [saying("{}"), saying('["1"]'), ["/nonexistent"], ["sh", "-c", "exit 1"]]) {
    expect(await warned(command)).toEqual([]);
    expect((await warned(command, { lateMs: 100 })).join()).toContain("could not be measured");
  }
});

test("an agent that stops meanwhile says nothing", async () => {
  expect(await warned(saying("[900,900]"), { endAtMs: 25_000 })).toEqual([]);
});

test("the probe measures as many writes as it says, and leaves nothing behind", () => {
  const [program, ...args] = AGENT;
  const { stdout, status } = spawnSync(program!, [...args, SYNC_PROBE_COMMAND, base], { encoding: "utf8" });
  expect(status).toBe(0);
  const found = JSON.parse(stdout) as number[];
  expect(found).toHaveLength(SYNCS);
  expect(Math.min(...found)).toBeGreaterThan(0);
  expect(readdirSync(base)).toEqual([]);
});

test("a directory that cannot be written ends it with an error", () => {
  const [program, ...args] = AGENT;
  const { stdout, status } = spawnSync(program!, [...args, SYNC_PROBE_COMMAND, join(base, "none")], {
    encoding: "utf8",
  });
  expect([stdout, status]).toEqual(["", 1]);
});
