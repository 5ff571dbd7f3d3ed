/** With a process that stands for PostgreSQL, in real directories. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import type { Displaced } from "../../model/postgres_view.ts";
import { DirectoryWatch, inspect, worksElsewhere } from "./directory_watch.ts";

let root: string;
let dataDir: string;
let server: Subprocess;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "displaced-")));
  dataDir = join(root, "data");
  make(dataDir);
  server = Bun.spawn(["sleep", "60"], { cwd: dataDir });
  writeFileSync(join(dataDir, "postmaster.pid"), `${server.pid}\n${dataDir}\n`);
});
afterEach(() => {
  server.kill("SIGKILL");
  rmSync(root, { recursive: true, force: true });
});

async function whyDisplaced(dataDir: string, pid: number): Promise<Displaced | null> {
  return (await inspect(dataDir, pid)).displaced;
}

function make(directory: string): void {
  mkdirSync(join(directory, "global"), { recursive: true });
  writeFileSync(join(directory, "global", "pg_control"), "");
}

test("in its place nothing is wrong; a server that has ended says nothing", async () => {
  expect(await whyDisplaced(dataDir, server.pid)).toBeNull();
  server.kill("SIGKILL");
  await server.exited;
  rmSync(dataDir, { recursive: true });
  expect(await whyDisplaced(dataDir, server.pid)).toBeNull();
});

test("moved away, replaced, removed, and without the files that make it one", async () => {
  const aside = join(root, "aside");
  renameSync(dataDir, aside);
  const moved = { why: expect.stringContaining(`is at ${aside} now`), removed: false };
  expect(await whyDisplaced(dataDir, server.pid)).toEqual(moved);
  make(dataDir);
  expect(await whyDisplaced(dataDir, server.pid)).toEqual(moved);
  rmSync(aside, { recursive: true });
  expect(await whyDisplaced(dataDir, server.pid)).toEqual({
    why: expect.stringContaining("was removed"),
    removed: true,
  });
});

test("files of the data directory that are missing, or another server's", async () => {
  writeFileSync(join(dataDir, "postmaster.pid"), "1\n");
  expect((await whyDisplaced(dataDir, server.pid))?.why).toContain("postmaster.pid names process 1 ");
  rmSync(join(dataDir, "postmaster.pid"));
  expect((await whyDisplaced(dataDir, server.pid))?.why).toContain("postmaster.pid is missing");
  rmSync(join(dataDir, "global", "pg_control"));
  expect((await whyDisplaced(dataDir, server.pid))?.why).toContain("global/pg_control is missing");
});

test("said after two looks in a row, and taken back when it is in its place again", async () => {
  const heard: (Displaced | null)[] = [];
  const watch = new DirectoryWatch(dataDir, { displaced: (found) => heard.push(found), toldToEnd: () => {} });
  const look = async () => {
    // One reading: the second asks while the first is under way.
    await Promise.all([watch.look(server.pid), watch.look(server.pid)]);
  };
  renameSync(dataDir, join(root, "aside"));
  await look();
  expect(heard).toEqual([]);
  await look();
  expect(heard).toHaveLength(1);
  expect(heard[0]?.why).toContain("is at ");
  renameSync(join(root, "aside"), dataDir);
  await look();
  expect(heard.slice(1)).toEqual([null]);
});

test("a server that was told to end says so in its lock file, also while connections stand", async () => {
  const told: number[] = [];
  const watch = new DirectoryWatch(dataDir, { displaced: () => {}, toldToEnd: (pid) => told.push(pid) });
  const lock = (status: string, pid = server.pid) =>
    writeFileSync(
      join(dataDir, "postmaster.pid"),
      [pid, dataDir, 1700000000, 5432, "/tmp", "*", "  1 2", `${status.padEnd(8)}`, ""].join("\n"),
    );
  for (const status of ["starting", "ready", "standby"]) {
    lock(status);
    await watch.look(server.pid);
  }
  lock("stopping", 1);
  await watch.look(server.pid);
  expect(told).toEqual([]);
  lock("stopping");
  await watch.look(server.pid);
  expect(told).toEqual([server.pid]);
});

test("a process works elsewhere when another directory is at the place, or none; one that has ended does not", async () => {
  expect(await worksElsewhere(dataDir, server.pid)).toBe(false);
  renameSync(dataDir, join(root, "aside"));
  expect(await worksElsewhere(dataDir, server.pid)).toBe(true);
  make(dataDir);
  expect(await worksElsewhere(dataDir, server.pid)).toBe(true);
  server.kill("SIGKILL");
  await server.exited;
  expect(await worksElsewhere(dataDir, server.pid)).toBe(false);
});
