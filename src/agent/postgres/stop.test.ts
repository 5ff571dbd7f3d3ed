/** With a process that stands for PostgreSQL, and a pg_controldata that says what a cold copy would say. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import type { GuardReply } from "../../guard/port.ts";
import { SystemClock } from "../../lib/clock.ts";
import type { PostgresContext } from "./context.ts";
import { PostgresStop } from "./stop.ts";

const SHUT_DOWN = `Database system identifier: 7
Database cluster state: shut down
Latest checkpoint location: 0/100
Latest checkpoint's REDO location: 0/100
Latest checkpoint's TimeLineID: 1
Minimum recovery ending location: 0/0
Bytes per WAL segment: 16777216
`;

let root: string;
let dataDir: string;
let controlData: string;
let looks: string;
let server: Subprocess;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "stop-")));
  dataDir = join(root, "data");
  mkdirSync(dataDir);
  controlData = join(root, "pg_controldata");
  looks = join(root, "looks");
  writeFileSync(controlData, `#!/bin/sh\necho >> ${looks}\ncat <<'END'\n${SHUT_DOWN}END\n`);
  chmodSync(controlData, 0o755);
  server = Bun.spawn(["sleep", "60"], { cwd: dataDir });
});
afterEach(() => {
  server.kill("SIGKILL");
  rmSync(root, { recursive: true, force: true });
});

/** Waits for the end of a server that was told to end, until `enough`. True: it was called closed. */
async function isClosed(enough: (closed: boolean, looks: number) => boolean): Promise<boolean> {
  const over = new AbortController();
  const shutdown = { stage: "ending", beganMs: 0, stageMs: Infinity };
  const clock = new SystemClock();
  const memory = {
    server: { pid: server.pid, status: { inRecovery: false }, shutdown },
    shutdownAt: (stage: string) => shutdown.stage = stage,
  };
  const guard = {
    view: () => {
      const lines = existsSync(looks) ? readFileSync(looks, "utf8").length : 0;
      if (enough(shutdown.stage === "closed", lines)) over.abort();
      return { postmaster: { pid: server.pid }, anyProcess: true };
    },
    ping: () => {},
    pastCheckpoint: (_pid: number, _leftoversMs: number, done: (reply: GuardReply) => void) =>
      done({ ok: true }),
  };
  const programs = { path: () => controlData };
  const parts = { memory, guard, clock, programs, postgresql: { pgCtlTimeoutS: 60 }, changed: () => {} };
  const warn = (text: string) => {
    throw new Error(text);
  };
  const context = { parts, dataDir, warn, survey: () => Promise.resolve() };
  const stop = new PostgresStop(context as unknown as PostgresContext, () => Promise.resolve());
  await stop.untilGone(over.signal);
  return shutdown.stage === "closed";
}

test("a primary is closed by the control file of the directory in which it works, and by no other one", async () => {
  renameSync(dataDir, join(root, "aside"));
  mkdirSync(dataDir);
  // The second look begins after the first one's answer was judged.
  expect(await isClosed((closed, lines) => closed || lines >= 2)).toBe(false);
  rmSync(dataDir, { recursive: true });
  renameSync(join(root, "aside"), dataDir);
  expect(await isClosed((closed) => closed)).toBe(true);
});
