import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeStaleSocketLocks } from "./socket_lock.ts";

const root = mkdtempSync(join(tmpdir(), "agent-lock-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const socket = join(root, ".s.PGSQL.5432");
const lock = `${socket}.lock`;

/** Whether a lock file of this content and age is removed. */
async function isRemoved(text: string, ageS = 60): Promise<boolean> {
  writeFileSync(lock, text);
  const at = Date.now() / 1000 - ageS;
  utimesSync(lock, at, at);
  const said: string[] = [];
  await removeStaleSocketLocks({
    directories: [join(root, "none"), root],
    port: 5432,
    nowMs: Date.now(),
    info: (line) => void said.push(line),
  });
  const removed = !existsSync(lock);
  expect(said.length).toBe(removed ? 1 : 0);
  return removed;
}

test("a lock file of a socket that names no process is removed, once it has stood for a while", async () => {
  for (const text of ["", "\0\0\0\0", "0\n", "nobody\n"]) expect(await isRemoved(text)).toBe(true);
  expect(await isRemoved("", 3)).toBe(false);
  // The clock was set back since.
  expect(await isRemoved("", -3600)).toBe(true);
  expect(await isRemoved(`${process.pid}\n/data\n`)).toBe(false);
  expect(await isRemoved(`-${process.pid}\n/data\n`)).toBe(false);
});

test("not while somebody listens there; a socket that a dead server has left is none", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  expect(await isRemoved("")).toBe(false);
  await new Promise((resolve) => server.close(resolve));
  writeFileSync(socket, "");
  expect(await isRemoved("")).toBe(true);
});
