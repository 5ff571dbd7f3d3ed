import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DiskProbe } from "./disk_probe.ts";

const COMMAND = [process.execPath, join(import.meta.dir, "../../../cli/main.ts")];
const LIMIT_MS = 60_000;
const base = mkdtempSync(join(tmpdir(), "probe-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const newProbe = (command: readonly string[] = COMMAND) => new DiskProbe(command, () => 5);

function dataDirectory(name: string): string {
  const dir = join(base, name);
  mkdirSync(join(dir, "pg_wal"), { recursive: true });
  mkdirSync(join(dir, "pg_tblspc"));
  return dir;
}

test("a probe measures room and a write, and leaves nothing behind", async () => {
  const dir = dataDirectory("plain");
  const space = join(base, "space");
  mkdirSync(space);
  symlinkSync(space, join(dir, "pg_tblspc", "16400"));
  const probe = newProbe();
  const running = probe.run(dir, LIMIT_MS);
  expect([probe.running, probe.at]).toEqual([true, null]);
  const { places, failed } = await running;
  expect(failed).toBeNull();
  expect([probe.running, probe.at]).toEqual([false, null]);
  expect(places.map(({ kind, path, failure }) => ({ kind, path, failure }))).toEqual([
    { kind: "data", path: dir, failure: null },
    { kind: "wal", path: join(dir, "pg_wal"), failure: null },
    { kind: "tablespace", path: space, failure: null },
  ]);
  const [data, wal] = places;
  expect(data!.totalBytes).toBeGreaterThan(data!.freeBytes);
  expect(data!.freeBytes).toBeGreaterThan(0);
  expect(data!.writeMs).toBeGreaterThan(0);
  // The same file system: one file is enough.
  expect(wal!.device).toBe(data!.device);
  expect(wal!.writeMs).toBeNull();
  expect(readdirSync(dir).sort()).toEqual(["pg_tblspc", "pg_wal"]);
  expect(readdirSync(join(dir, "pg_wal"))).toEqual([]);
});

test("a probe under way is at the place that it has said last", async () => {
  const script = `echo '{"at":"/one","kind":"data"}'; echo '{"at":"/two","kind":"wal"}'; exec sleep 1`;
  const probe = newProbe(["sh", "-c", script]);
  const running = probe.run(base, LIMIT_MS);
  while (probe.at?.path !== "/two") await Bun.sleep(5);
  expect(probe.at).toEqual({ kind: "wal", path: "/two", sinceMs: 5 });
  await running;
});

test("a file that cannot be written is told with the call and its error", async () => {
  const dir = dataDirectory("refusing");
  // A directory has the name of the file: it refuses root as well.
  mkdirSync(join(dir, "pgsql_tmp_agent_probe"));
  const { places } = await newProbe().run(dir, LIMIT_MS);
  expect(places[0]?.failure).toEqual({ call: "open", code: "EISDIR" });
});

test("a directory that is not there is no failure of a disk", async () => {
  expect(await newProbe().run(join(base, "nowhere"), LIMIT_MS)).toEqual({ places: [], failed: null });
});

test("a probe that does not come to its end is ended", async () => {
  expect(await newProbe(["sh", "-c", "exec sleep 60"]).run(base, 50)).toEqual({
    places: [],
    failed: "timeout",
  });
});

test("a probe runs without the just-in-time compiler", async () => {
  const probe = newProbe(["sh", "-c", 'echo "compiler: $BUN_JSC_useJIT" >&2; exit 1']);
  expect((await probe.run(base, LIMIT_MS)).failed).toBe("compiler: 0");
});

test("a probe that cannot be started says so", async () => {
  const { places, failed } = await newProbe([join(base, "nothing")]).run(base, LIMIT_MS);
  expect(places).toEqual([]);
  expect(failed).toBe("not started");
});

const mounts = process.getuid?.() === 0 && spawnSync("unshare", ["-m", "true"]).status === 0;

test.skipIf(!mounts)("a file system that is full, and one that is read-only", async () => {
  const dir = dataDirectory("mounted");
  const wal = join(dir, "pg_wal");
  const mount = (...args: string[]) => expect(spawnSync("mount", args).status).toBe(0);
  mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", wal);
  try {
    spawnSync("dd", ["if=/dev/zero", `of=${join(wal, "filler")}`, "bs=4k"]);
    const full = (await newProbe().run(dir, LIMIT_MS)).places[1];
    expect(full).toMatchObject({ kind: "wal", totalBytes: 65_536, freeBytes: 0 });
    expect(full?.failure).toEqual({ call: "write", code: "ENOSPC" });
    rmSync(join(wal, "filler"));
    const roomy = (await newProbe().run(dir, LIMIT_MS)).places[1];
    expect(roomy?.failure).toBeNull();
    expect(roomy?.writeMs).toBeGreaterThan(0);
    expect(readdirSync(wal)).toEqual([]);
    mount("-o", "remount,ro", wal);
    const readOnly = (await newProbe().run(dir, LIMIT_MS)).places[1];
    expect(readOnly?.failure).toEqual({ call: "open", code: "EROFS" });
  } finally {
    spawnSync("umount", ["--lazy", wal]);
  }
});
