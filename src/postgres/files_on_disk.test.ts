/**
 * What must hold of files: atomic replacement, the marker, moving aside. In temporary directories, without
 * PostgreSQL.
 */
import { afterAll, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryLog } from "../lib/log.ts";
import type { Credentials } from "../model/config.ts";
import type { EffectivePostgresql } from "../model/config.ts";
import { Callbacks } from "./callbacks.ts";
import { ConfigFiles } from "./config_files.ts";
import type { ConfigInForce } from "./config_in_force.ts";
import { writeAtomically } from "./disk.ts";
import { emptyParts, partsFilled } from "./outside_parts.ts";
import { PgpassFile } from "./pgpass.ts";
import type { Programs } from "./programs.ts";
import { runProgram } from "./run_program.ts";
import { NO_RECOVERY } from "./server_conf.ts";
import { setAside, stamp } from "./set_aside.ts";
import { clearUnfinished } from "./staging.ts";
import { formatMarker, parseMarker, UnfinishedMarker } from "./unfinished.ts";

const root = mkdtempSync(join(tmpdir(), "agent-files-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const beforeRemoval = () => Promise.resolve();
let directories = 0;
function directory(): string {
  const path = join(root, String(++directories));
  mkdirSync(path);
  return path;
}

test("a file is replaced with its permissions, and left alone when nothing changes", () => {
  const file = join(directory(), "postgresql.conf");
  writeFileSync(file, "old", { mode: 0o640 });
  expect(writeAtomically(file, "new", 0o600)).toBe(true);
  expect(statSync(file).mode & 0o777).toBe(0o640);
  const before = statSync(file).ino;
  expect(writeAtomically(file, "new", 0o600)).toBe(false);
  expect(statSync(file).ino).toBe(before);
});

test("the password file is for its owner only and keeps the servers of before", () => {
  const file = join(directory(), "sub", "pgpass");
  let users: Credentials[] = [
    { username: "rep", password: "p", options: {} },
    { username: "none", password: null, options: {} },
  ];
  const pgpass = new PgpassFile(file, () => users);
  expect(pgpass.mend()).toBe(false);
  pgpass.allow("postgres://10.0.0.1:5432/postgres");
  pgpass.allow("postgres://10.0.0.2:5432/postgres");
  const both = "10.0.0.1:5432:*:rep:p\n10.0.0.2:5432:*:rep:p\n";
  expect(readFileSync(file, "utf8")).toBe(both);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(pgpass.mend()).toBe(false);
  // Somebody else removes it, changes it, or lets others read it, in which case libpq would not.
  unlinkSync(file);
  expect([pgpass.mend(), readFileSync(file, "utf8")]).toEqual([true, both]);
  writeFileSync(file, "other");
  expect([pgpass.mend(), readFileSync(file, "utf8")]).toEqual([true, both]);
  chmodSync(file, 0o644);
  expect([pgpass.mend(), statSync(file).mode & 0o777]).toEqual([true, 0o600]);
  // After a rotation no old password is left for any of the servers.
  users = [{ username: "rep", password: "q", options: {} }];
  expect([pgpass.mend(), readFileSync(file, "utf8")]).toEqual([true, both.replaceAll(":p\n", ":q\n")]);
});

test("a half-written directory is known even when the marker inside is gone", async () => {
  const dataDir = directory();
  const own = join(directory(), "run");
  const marker = new UnfinishedMarker(dataDir, own);
  expect(marker.read()).toBeNull();
  await marker.write("rewind", process.pid);
  expect(marker.read()).toMatchObject({ what: "rewind", program: { pid: process.pid } });
  rmSync(join(dataDir, "agent.unfinished"));
  expect(marker.read()?.what).toBe("rewind");
  expect(new UnfinishedMarker(directory(), own).read()).toBeNull();
  await marker.remove();
  expect(marker.read()).toBeNull();
});

test("a marker that cannot be read marks all the same", () => {
  expect(parseMarker("", null)?.what).toBe("rewind");
  expect(parseMarker("bootstrap\n{bro", null)?.what).toBe("bootstrap");
  const text = formatMarker({ what: "rewind", program: null, parts: ["/wal"] }, "/d");
  expect(parseMarker(text, "/d")).toEqual({ what: "rewind", program: null, parts: ["/wal"] });
  expect(parseMarker('clone\n{"directory":"/d"}\n', "/d")?.parts).toEqual([]);
  expect(parseMarker(text, "/e")).toBeNull();
});

test("a directory is moved aside with its tablespaces, and the newest two are kept", async () => {
  const base = directory();
  const dataDir = join(base, "data");
  for (let round = 1; round <= 3; round++) {
    mkdirSync(join(dataDir, "pg_tblspc"), { recursive: true });
    mkdirSync(join(base, "space"), { recursive: true });
    writeFileSync(join(base, "space", "rows"), String(round));
    symlinkSync(join(base, "space"), join(dataDir, "pg_tblspc", "1"));
    await setAside({
      dataDir,
      now: new Date(2026, 0, round),
      mayRemove: false,
      beforeRemoval,
      info: () => {},
    });
    expect(readdirSync(dataDir)).toEqual([]);
    rmSync(join(dataDir), { recursive: true });
  }
  const second = stamp(new Date(2026, 0, 2));
  const third = stamp(new Date(2026, 0, 3));
  expect(readdirSync(base).sort()).toEqual(
    [`data.failed-${second}`, `data.failed-${third}`, `space.failed-${second}`, `space.failed-${third}`],
  );
  const link = readlinkSync(join(base, `data.failed-${third}`, "pg_tblspc", "1"));
  expect(readFileSync(join(link, "rows"), "utf8")).toBe("3");
});

test("moved aside twice within a second, or by a clock that went back: all are there, the newest two kept", async () => {
  const base = directory();
  const dataDir = join(base, "data");
  const midnight = new Date(2026, 0, 31, 23, 59, 59);
  const times = [midnight, midnight, new Date(2025, 5, 1), midnight];
  const said: string[] = [];
  for (const [round, now] of times.entries()) {
    mkdirSync(join(dataDir, "pg_tblspc"), { recursive: true });
    mkdirSync(join(base, "space"), { recursive: true });
    writeFileSync(join(base, "space", "rows"), String(round));
    writeFileSync(join(dataDir, "round"), String(round));
    symlinkSync(join(base, "space"), join(dataDir, "pg_tblspc", "1"));
    // The user would allow to remove it; that is for what cannot be moved.
    await setAside({ dataDir, now, mayRemove: true, beforeRemoval, info: (text) => said.push(text) });
    expect(readdirSync(dataDir)).toEqual([]);
  }
  const kept = ["data.failed-20260201000001", "data.failed-20260201000002"];
  expect(readdirSync(base).filter((name) => name.startsWith("data.")).sort()).toEqual(kept);
  expect(kept.map((name) => readFileSync(join(base, name, "round"), "utf8"))).toEqual(["2", "3"]);
  expect(kept.map((name) => readFileSync(join(base, name, "pg_tblspc", "1", "rows"), "utf8"))).toEqual([
    "2",
    "3",
  ]);
  expect(said.filter((text) => text.includes("cannot be moved"))).toEqual([]);
});

test("a tablespace that is named by a link of the user's moves, and the link leads to an empty place", async () => {
  const base = directory();
  const dataDir = join(base, "data");
  for (const path of ["data/pg_tblspc", "disk/space"]) mkdirSync(join(base, path), { recursive: true });
  writeFileSync(join(base, "disk", "space", "rows"), "1");
  symlinkSync(join(base, "disk", "space"), join(base, "space"));
  symlinkSync(join(base, "space"), join(dataDir, "pg_tblspc", "1"));
  await setAside({ dataDir, now: new Date(2026, 0, 1), mayRemove: false, beforeRemoval, info: () => {} });
  const suffix = `failed-${stamp(new Date(2026, 0, 1))}`;
  expect(readdirSync(join(base, "space"))).toEqual([]);
  expect(readFileSync(join(base, `data.${suffix}`, "pg_tblspc", "1", "rows"), "utf8")).toBe("1");
  expect(readdirSync(join(base, "disk")).sort()).toEqual(["space", `space.${suffix}`]);
});

test("a data directory that is not there is not made by its configuration", async () => {
  const dataDir = join(directory(), "data");
  for (const configDir of [dataDir, join(dataDir, "conf")]) {
    const config = { postgresql: { dataDir, configDir } } as unknown as ConfigInForce;
    const files = new ConfigFiles({ config, programs: {} as unknown as Programs, warn: () => {} });
    const written = files.write({} as unknown as EffectivePostgresql, NO_RECOVERY);
    await expect(written).rejects.toThrow(`${dataDir} is not there`);
    expect(existsSync(dataDir)).toBe(false);
  }
});

test("what cannot be moved is removed only by leave, marked as half-written before", async () => {
  const base = directory();
  // Moved aside, its name would be too long.
  const dataDir = join(base, "d".repeat(240));
  const wal = join(base, "wal");
  for (const path of [dataDir, join(dataDir, "lost+found"), wal, join(wal, "lost+found")]) mkdirSync(path);
  for (const path of [join(dataDir, "PG_VERSION"), join(wal, "0001")]) writeFileSync(path, "");
  symlinkSync(wal, join(dataDir, "pg_wal"));
  const content = () => [readdirSync(dataDir).sort(), readdirSync(wal).sort()];
  const before = content();
  const options = { dataDir, now: new Date(2026, 0, 1), beforeRemoval, info: () => {} };
  await expect(setAside({ ...options, mayRemove: false })).rejects.toThrow("move or empty it by hand");
  expect(content()).toEqual(before);
  const marked: unknown[] = [];
  await setAside({
    ...options,
    mayRemove: true,
    beforeRemoval: (parts) => Promise.resolve(void marked.push(parts, content())),
  });
  expect(marked).toEqual([[wal], before]);
  expect(content()).toEqual([["lost+found"], ["lost+found"]]);
});

test("what an unfinished copy has left outside of the data directory is cleared, its directories stay", async () => {
  const base = directory();
  const [dataDir, wal, space, other] = ["data", "wal", "space", "other"].map((name) => join(base, name));
  for (const path of [dataDir!, wal!, space!, other!]) mkdirSync(path);
  const options = [`--waldir=${wal}`, `--tablespace-mapping=/old\\=1=${space}`];
  const parts = emptyParts(partsFilled(options, ["/old=1", other!]));
  expect(parts).toEqual([wal!, space!, other!]);
  const marker = new UnfinishedMarker(dataDir!, join(base, "run"));
  await marker.write("clone", null, parts);
  for (const path of [wal!, space!]) mkdirSync(join(path, "PG_17", "lost+found"), { recursive: true });
  mkdirSync(join(wal!, "lost+found"));
  // A link that the program has made already.
  const linked = join(base, "linked");
  for (const path of [linked, join(linked, "PG_17"), join(dataDir!, "agent.staging", "pg_tblspc")]) {
    mkdirSync(path, { recursive: true });
  }
  symlinkSync(linked, join(dataDir!, "agent.staging", "pg_tblspc", "7"));
  await clearUnfinished(dataDir!, marker);
  expect([wal!, space!, other!, linked].map((path) => readdirSync(path))).toEqual([
    ["lost+found"],
    [],
    [],
    [],
  ]);
  expect(readdirSync(dataDir!)).toEqual(["agent.unfinished"]);
});

test("a place where somebody has something is none that a copy fills", () => {
  const full = directory();
  writeFileSync(join(full, "letter"), "");
  expect(emptyParts([full, join(full, "not there")])).toEqual([join(full, "not there")]);
});

test("a program is ended with its children, and its last words are kept", async () => {
  const controller = new AbortController();
  let said = "";
  const running = runProgram("sh", ["-c", "echo begun >&2; sleep 100 & wait"], {
    signal: controller.signal,
    onOutput: (_stream, text) => {
      said += text;
      controller.abort();
    },
  });
  expect(await running).toMatchObject({ failure: "aborted", stderr: "begun\n" });
  expect(said).toBe("begun\n");
  const began = Date.now();
  const left = await runProgram("sh", ["-c", "sleep 20 & echo $!"]);
  expect(left.code).toBe(0);
  process.kill(Number(left.stdout));
  expect(Date.now() - began).toBeLessThan(10_000);
  expect(await runProgram("/nonexistent/program", [])).toMatchObject({ failure: "not started", code: null });
});

test("a callback gets action, role and scope, and ends the one before it", async () => {
  const out = join(directory(), "out");
  const command =
    `sh -c 'test "$1" = on_stop || sleep 100; echo "$@" $AGENT_OLD_ROLE $AGENT_TIMELINE > ${out}' x`;
  const log = new MemoryLog();
  const commands = () => ({ on_start: command, on_stop: command });
  const callbacks = new Callbacks({ commands, scope: "demo", log });
  const facts = { oldRole: "primary" as const, timeline: 3, leader: null };
  callbacks.call("on_start", "replica", facts);
  callbacks.call("on_restart", "replica", facts);
  callbacks.call("on_stop", "primary", facts);
  const deadline = Date.now() + 5000;
  while (
    !(existsSync(out) && readFileSync(out, "utf8") !== "" && log.lines.length > 0) && Date.now() < deadline
  ) await Bun.sleep(5);
  expect(readFileSync(out, "utf8")).toBe("on_stop primary demo primary 3\n");
  expect(log.lines[0]).toContain("cancelled");
});
