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
import { isAlive } from "../lib/process_table.ts";
import type { Credentials } from "../model/config.ts";
import type { EffectivePostgresql } from "../model/config.ts";
import { Callbacks } from "./callbacks.ts";
import { Hooks } from "./hooks.ts";
import { ConfigFiles } from "./config_files.ts";
import type { ConfigInForce } from "./config_in_force.ts";
import { waitFor } from "../demo/wait_for.ts";
import { birthMs, writeAtomically } from "./disk.ts";
import { emptyParts, partsFilled } from "./outside_parts.ts";
import { PgpassFile } from "./pgpass.ts";
import type { Programs } from "./programs.ts";
import { runProgram, runWriter } from "./run_program.ts";
import { NO_RECOVERY } from "./server_conf.ts";
import { prune, setAside, stamp } from "./set_aside.ts";
import { clearUnfinished } from "./staging.ts";
import { readDataId } from "./data_id.ts";
import { DataMark } from "./data_mark.ts";
import { formatMarker, parseMarker, UnfinishedMarker } from "./unfinished.ts";

const root = mkdtempSync(join(tmpdir(), "agent-files-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const UNMARKED = {
  commandBeganMs: null,
  beforeRemoval: () => Promise.resolve(),
  beforeMoves: () => Promise.resolve(),
  movedBack: () => {},
};
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

function markerOf(dataDir: string, ownDir: string): UnfinishedMarker {
  return new UnfinishedMarker(dataDir, ownDir, new DataMark(ownDir));
}

test("a half-written directory is known even when the marker inside is gone", async () => {
  const dataDir = directory();
  const own = join(directory(), "run");
  const marker = markerOf(dataDir, own);
  expect(marker.read()).toBeNull();
  await marker.write("rewind", process.pid);
  expect(marker.read()).toMatchObject({ what: "rewind", program: { pid: process.pid } });
  rmSync(join(dataDir, "agent.unfinished"));
  expect(marker.read()?.what).toBe("rewind");
  expect(markerOf(directory(), own).read()).toBeNull();
  await marker.remove();
  expect(marker.read()).toBeNull();
});

test("finished work leaves other data than the directory had, or was copied with", async () => {
  const dataDir = directory();
  const marker = markerOf(dataDir, join(directory(), "run"));
  expect(readDataId(dataDir)).toBeNull();
  writeFileSync(join(dataDir, "PG_VERSION"), "15\n");
  const ids = new Set<string | null>();
  for (const what of ["clone", "rewind"] as const) {
    await marker.write(what, null);
    await marker.remove();
    ids.add(readDataId(dataDir));
  }
  expect(ids.size).toBe(2);
  expect([...ids].every((id) => /^[0-9a-f]{32}$/.test(id ?? ""))).toBe(true);
  writeFileSync(join(dataDir, "agent.data_id"), "half");
  expect(readDataId(dataDir)).toBeNull();
});

test("a marker that cannot be read marks all the same", () => {
  expect(parseMarker("", null)?.what).toBe("rewind");
  expect(parseMarker("bootstrap\n{bro", null)?.what).toBe("bootstrap");
  const mark = {
    what: "rewind",
    content: "own",
    program: null,
    parts: ["/wal"],
    beganMs: null,
    by: 7,
  } as const;
  const place = { path: "/d", identity: "/d 1 2" };
  const text = formatMarker(mark, place.identity);
  expect(parseMarker(text, place)).toEqual(mark);
  expect(parseMarker('clone\n{"directory":"/d 1 2"}\n', place)?.parts).toEqual([]);
  expect(parseMarker(text, { path: "/d", identity: "/d 1 3" })).toBeNull();
  const command = { ...mark, what: "clone", content: "command", beganMs: 1_800_000_000_000 } as const;
  expect(parseMarker(formatMarker(command, "/d"), place)).toEqual(command);
  expect(parseMarker(formatMarker(command, "/e"), place)).toBeNull();
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
      ...UNMARKED,
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
    await setAside({ dataDir, now, mayRemove: true, ...UNMARKED, info: (text) => said.push(text) });
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
  await setAside({ dataDir, now: new Date(2026, 0, 1), mayRemove: false, ...UNMARKED, info: () => {} });
  const suffix = `failed-${stamp(new Date(2026, 0, 1))}`;
  expect(readdirSync(join(base, "space"))).toEqual([]);
  expect(readFileSync(join(base, `data.${suffix}`, "pg_tblspc", "1", "rows"), "utf8")).toBe("1");
  expect(readdirSync(join(base, "disk")).sort()).toEqual(["space", `space.${suffix}`]);
});

test("an upstream that could not be written is not the one of the files", async () => {
  const dataDir = directory();
  const config = { postgresql: { dataDir, configDir: dataDir } } as unknown as ConfigInForce;
  const files = new ConfigFiles({
    config,
    programs: {} as unknown as Programs,
    warn: () => {},
    walBudgetMib: () => null,
    syncNames: () => null,
    othersSync: () => {},
  });
  const following = { name: "a", connUrl: "postgres://a:5432/postgres" };
  const written = files.write(
    {} as unknown as EffectivePostgresql,
    { ...NO_RECOVERY, following },
    "replica",
  );
  await expect(written).rejects.toThrow();
  expect(files.intended()).toBeUndefined();
});

test("synchronous standbys that others have set are told before they are taken back", async () => {
  const dataDir = directory();
  const program = join(dataDir, "postgres");
  writeFileSync(program, "#!/bin/sh\n", { mode: 0o755 });
  const postgresql = { dataDir, configDir: dataDir, customConf: null, listenAddresses: [], port: 1 };
  const config = { postgresql, local: { scope: "demo" } } as unknown as ConfigInForce;
  let ours: string | null = null;
  const told: string[] = [];
  const files = new ConfigFiles({
    config,
    programs: { major: 15, path: () => program } as unknown as Programs,
    warn: () => {},
    walBudgetMib: () => null,
    syncNames: () => ours,
    othersSync: (names) => told.push(names),
  });
  const replica = { parameters: {}, pgHba: null, pgIdent: null };
  const settings = { roles: { replica }, pgHba: null, pgIdent: null, controlled: {}, recoveryConf: {} };
  const effective = settings as unknown as EffectivePostgresql;
  const set = (file: string, names: string) =>
    writeFileSync(join(dataDir, file), `synchronous_standby_names = '${names}'\n`);
  const write = async () => {
    await files.write(effective, NO_RECOVERY, "replica");
    return told.splice(0);
  };
  set("postgresql.auto.conf", "users");
  expect(await write()).toEqual([]);
  ours = "a";
  expect(await write()).toEqual([]);
  ours = "b";
  expect(await write()).toEqual([]);
  set("postgresql.auto.conf", "nobody");
  expect(await write()).toEqual(["nobody"]);
  expect(await write()).toEqual([]);
  set("postgresql.conf", "anybody");
  expect(await write()).toEqual([""]);
  unlinkSync(join(dataDir, "postgresql.conf"));
  expect(await write()).toEqual([]);
});

test("a data directory that is not there is not made by its configuration", async () => {
  const dataDir = join(directory(), "data");
  for (const configDir of [dataDir, join(dataDir, "conf")]) {
    const config = { postgresql: { dataDir, configDir } } as unknown as ConfigInForce;
    const files = new ConfigFiles({
      config,
      programs: {} as unknown as Programs,
      warn: () => {},
      walBudgetMib: () => null,
      syncNames: () => null,
      othersSync: () => {},
    });
    const written = files.write({} as unknown as EffectivePostgresql, NO_RECOVERY, "replica");
    await expect(written).rejects.toThrow(`${dataDir} is not there`);
    expect(existsSync(dataDir)).toBe(false);
  }
});

test("what the links of a command's directory lead to stays, where it was there before the command", async () => {
  for (const mayRemove of [false, true]) {
    const base = directory();
    // Too long a name cannot be moved aside.
    const dataDir = join(base, mayRemove ? "d".repeat(240) : "data");
    for (const path of [join(dataDir, "pg_tblspc"), join(base, "live"), join(base, "made")]) {
      mkdirSync(path, { recursive: true });
    }
    writeFileSync(join(base, "live", "rows"), "of another cluster");
    await waitFor("a later time", 5000, () => Date.now() > birthMs(join(base, "live", "rows")) + 1100);
    const commandBeganMs = Date.now();
    writeFileSync(join(base, "made", "rows"), "restored");
    for (const name of ["live", "made"]) symlinkSync(join(base, name), join(dataDir, "pg_tblspc", name));
    const said: string[] = [];
    const info = (text: string) => void said.push(text);
    await setAside({ dataDir, now: new Date(2026, 0, 1), mayRemove, ...UNMARKED, commandBeganMs, info });
    expect(readFileSync(join(base, "live", "rows"), "utf8")).toBe("of another cluster");
    expect(existsSync(join(base, "made", "rows"))).toBe(false);
    expect(said.join("\n")).toContain(`${join(base, "live")} stays where it is`);
    expect(readdirSync(dataDir)).toEqual([]);
    await prune(dataDir, 0, info);
    expect(readFileSync(join(base, "live", "rows"), "utf8")).toBe("of another cluster");
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
  const options = { dataDir, now: new Date(2026, 0, 1), ...UNMARKED, info: () => {} };
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

test("a removal in place that is interrupted leaves the marker, and the next start ends it", async () => {
  const base = directory();
  const dataDir = join(base, "d".repeat(240));
  const own = join(base, "run");
  const marker = markerOf(dataDir, own);
  const mine = ["agent.owner", "agent.unfinished", "lost+found"];
  for (const name of ["", "global", "lost+found"]) mkdirSync(join(dataDir, name));
  for (const name of ["PG_VERSION", "agent.owner"]) writeFileSync(join(dataDir, name), "");
  await setAside({
    dataDir,
    now: new Date(2026, 0, 1),
    ...UNMARKED,
    mayRemove: true,
    beforeRemoval: (parts) => marker.write("clone", null, parts),
    info: () => {},
  });
  expect(readdirSync(dataDir).sort()).toEqual(mine);
  // As the agent's death leaves it: PG_VERSION and global are gone, by which the directory would be known.
  mkdirSync(join(dataDir, "pg_xact"));
  expect(markerOf(dataDir, own).read()?.what).toBe("clone");
  await clearUnfinished(dataDir, marker);
  expect(readdirSync(dataDir).sort()).toEqual(mine);
});

test("parts outside move under a mark, which ends with the move of the directory or of them back", async () => {
  const base = directory();
  const dataDir = join(base, "data");
  const marker = markerOf(dataDir, join(base, "run"));
  const marked: (string | undefined)[] = [];
  const options = (now: Date) => ({
    dataDir,
    now,
    mayRemove: false,
    ...UNMARKED,
    beforeMoves: async () => {
      await marker.writeOutside("rewind");
      marked.push(marker.read()?.what);
    },
    movedBack: () => {
      marked.push("back");
      marker.forget();
    },
    info: () => {},
  });
  const fill = () => {
    for (const path of ["data/global", "data/pg_tblspc", "space"]) {
      mkdirSync(join(base, path), { recursive: true });
    }
    symlinkSync(join(base, "space"), join(dataDir, "pg_tblspc", "1"));
  };
  fill();
  await setAside(options(new Date(2026, 0, 1)));
  expect(marked).toEqual(["rewind"]);
  expect(marker.read()).toBeNull();
  const aside = join(base, `data.failed-${stamp(new Date(2026, 0, 1))}`);
  expect(readdirSync(aside).sort()).toEqual(["global", "pg_tblspc"]);

  fill();
  mkdirSync(join(base, "long"));
  const long = join(base, "long", "s".repeat(240));
  mkdirSync(long);
  symlinkSync(long, join(dataDir, "pg_tblspc", "2"));
  await expect(setAside(options(new Date(2026, 0, 2)))).rejects.toThrow("move or empty it by hand");
  expect(marked).toEqual(["rewind", "rewind", "back"]);
  expect(marker.read()).toBeNull();
  expect(readlinkSync(join(dataDir, "pg_tblspc", "1"))).toBe(join(base, "space"));
});

test("what an unfinished copy has left outside of the data directory is cleared, its directories stay", async () => {
  const base = directory();
  const [dataDir, wal, space, other] = ["data", "wal", "space", "other"].map((name) => join(base, name));
  for (const path of [dataDir!, wal!, space!, other!]) mkdirSync(path);
  const options = [`--waldir=${wal}`, `--tablespace-mapping=/old\\=1=${space}`];
  const parts = emptyParts(partsFilled(options, ["/old=1", other!]));
  expect(parts).toEqual([wal!, space!, other!]);
  const marker = markerOf(dataDir!, join(base, "run"));
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

test("with a program that writes, all that it has started is at its end, also where that alone was killed", async () => {
  const { stdout, signal } = await runWriter("sh", ["-c", "sleep 600 >&2 & echo $!; kill -9 $$"]);
  expect(signal).toBe("SIGKILL");
  expect(Number(stdout)).toBeGreaterThan(0);
  expect(isAlive(Number(stdout))).toBe(false);
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
  const hooks = new Hooks(log);
  const callbacks = new Callbacks({ commands, timeoutS: () => 0, hooks, scope: "demo", log });
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
