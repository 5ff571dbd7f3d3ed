import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PROBE_FILE, probeFile, type ProbeFileOptions } from "./probe_file.ts";

const base = mkdtempSync(join(tmpdir(), "probe-file-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** A directory of PostgreSQL's, and a look at it. */
function directory() {
  const path = mkdtempSync(join(base, "data-"));
  writeFileSync(join(path, "PG_VERSION"), "15\n");
  const file = join(path, PROBE_FILE);
  const look = (nowMs: number, options: Partial<ProbeFileOptions> = {}) =>
    probeFile({ directory: path, beside: "PG_VERSION", isScarce: false, nowMs, ...options });
  return { path, file, look, bornMs: () => new DataView(readFileSync(file).buffer).getFloat64(0) };
}

test("the file stays for five minutes, and is then another one", () => {
  const { file, look, bornMs } = directory();
  const made: number[] = [];
  for (const nowMs of [100_000, 110_000, 399_999, 400_000, 410_000]) {
    const { writeMs, failure } = look(nowMs);
    expect(failure).toBeNull();
    expect(writeMs).toBeGreaterThan(0);
    expect(readFileSync(file).length).toBe(512);
    made.push(bornMs());
  }
  expect(made).toEqual([100_000, 100_000, 100_000, 400_000, 400_000]);
});

test("each look writes: what lay in the file before is not read again", () => {
  const { file, look } = directory();
  look(1000);
  const bytes = readFileSync(file);
  writeFileSync(file, bytes.fill(0, 8));
  expect(look(2000).failure).toBeNull();
  expect(readFileSync(file).subarray(8).every((byte) => byte === process.pid % 256)).toBe(true);
});

test("a file whose time is after now, or is none, is made anew", () => {
  const { file, look, bornMs } = directory();
  look(500_000);
  look(400_000);
  expect(bornMs()).toBe(400_000);
  writeFileSync(file, new Uint8Array(512).fill(255));
  look(410_000);
  expect(bornMs()).toBe(410_000);
  writeFileSync(file, "short");
  look(420_000);
  expect(bornMs()).toBe(420_000);
});

test("while room is scarce each look makes a file, and none stays", () => {
  const { file, look } = directory();
  look(1000);
  expect(look(2000, { isScarce: true }).failure).toBeNull();
  expect(existsSync(file)).toBe(false);
});

test("no file stays in a directory that PostgreSQL's files have left", () => {
  const { path, look } = directory();
  look(1000);
  rmSync(join(path, "PG_VERSION"));
  expect(look(2000).failure).toBeNull();
  expect(readdirSync(path)).toEqual([]);
});

test("what has the file's name and another one, too, is not written over", () => {
  const { path, file, look } = directory();
  look(1000);
  linkSync(file, join(path, "precious"));
  const before = readFileSync(join(path, "precious"));
  rmSync(file);
  writeFileSync(join(path, "precious"), before.fill(7, 8));
  linkSync(join(path, "precious"), file);
  expect(look(2000).failure).toBeNull();
  expect(readFileSync(join(path, "precious")).equals(before)).toBe(true);
});

test("a symbolic link in its place is not followed", () => {
  const { path, file, look } = directory();
  writeFileSync(join(path, "precious"), "precious");
  symlinkSync("precious", file);
  expect(look(2000)).toEqual({ writeMs: null, failure: { call: "open", code: "ELOOP" } });
  expect(readFileSync(join(path, "precious"), "utf8")).toBe("precious");
});

const mounts = process.getuid?.() === 0 && spawnSync("unshare", ["-m", "true"]).status === 0;

test.skipIf(!mounts)("a look that finds no inode for a new file finds none at the next, either", () => {
  const { path, file, look } = directory();
  // One is the directory's own.
  expect(spawnSync("mount", ["-t", "tmpfs", "-o", "nr_inodes=4", "tmpfs", path]).status).toBe(0);
  try {
    writeFileSync(join(path, "PG_VERSION"), "15\n");
    expect(look(100_000).failure).toBeNull();
    expect(existsSync(file)).toBe(true);
    writeFileSync(join(path, "filler"), "");
    // Until a new one is due, the old one can be written over.
    expect(look(399_999).failure).toBeNull();
    const full = { writeMs: null, failure: { call: "open", code: "ENOSPC" } };
    expect(look(110_000, { isScarce: true })).toEqual(full);
    expect([look(400_000), look(410_000), look(420_000)]).toEqual([full, full, full]);
    rmSync(join(path, "filler"));
    expect(look(430_000).failure).toBeNull();
    expect(readdirSync(path).sort()).toEqual(["PG_VERSION", PROBE_FILE]);
  } finally {
    spawnSync("umount", ["--lazy", path]);
  }
});

test("its mode is that of PostgreSQL's files there: the group may read it where it may read the directory", () => {
  for (const [directoryMode, mode] of [[0o700, 0o600], [0o750, 0o640]] as const) {
    const { path, file, look } = directory();
    chmodSync(path, directoryMode);
    expect(look(100_000).failure).toBeNull();
    expect(statSync(file).mode & 0o777).toBe(mode);
  }
});
