/** Who may use a data directory, with real locks and real processes. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { waitFor } from "../demo/wait_for.ts";
import { OWNER_FILE } from "../model/owner_file.ts";
import { SystemClock } from "../lib/clock.ts";
import { DirectoryOwner, ownedByAnother } from "./directory_owner.ts";
import { LentDirectory } from "./lent_directory.ts";

let root: string;
let dataDir: string;
let children: Subprocess[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "owner-"));
  dataDir = join(root, "data");
  for (const name of ["data", "a/run", "b/run"]) mkdirSync(join(root, name), { recursive: true });
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children = [];
  rmSync(root, { recursive: true });
});

const raftDir = (name: string) => join(root, name);

/** `pid` of an agent and guard that live as long as the test wants them to. */
function owner(name: string, pid: number, directory = dataDir): DirectoryOwner {
  return new DirectoryOwner(directory, raftDir(name), () => ({ guard: pid, agent: pid }));
}

function sleeper(cwd = root): number {
  const child = Bun.spawn(["sleep", "60"], { cwd });
  children.push(child);
  return child.pid;
}

async function end(pid: number): Promise<void> {
  const child = children.find((one) => one.pid === pid)!;
  child.kill("SIGKILL");
  await child.exited;
}

/** As a killed guard leaves it: without the lock, with its file. */
function leaveBehind(one: DirectoryOwner): void {
  const file = join(dataDir, OWNER_FILE);
  const text = readFileSync(file, "utf8");
  one.release();
  writeFileSync(file, text);
}

test("one owner: another raft directory is refused with who holds it, under any name of the directory", () => {
  const first = owner("a", sleeper());
  expect(first.claim("look")).toEqual({ kind: "ours" });
  expect(first.claim("look")).toEqual({ kind: "ours" });
  symlinkSync(dataDir, join(root, "link"));
  for (const directory of [dataDir, join(root, "link")]) {
    const claim = owner("b", sleeper(), directory).claim("look");
    expect(claim).toMatchObject({ kind: "taken" });
    expect("why" in claim && claim.why).toContain(`the raft directory ${raftDir("a")} owns it`);
    expect(ownedByAnother(directory, raftDir("b"))).toContain("A data directory has one owner");
  }
  expect(ownedByAnother(dataDir, raftDir("a"))).toBeNull();
  first.release();
  expect(existsSync(join(dataDir, OWNER_FILE))).toBe(false);
  expect(ownedByAnother(dataDir, raftDir("b"))).toBeNull();
  const second = owner("b", sleeper());
  expect(second.claim("look")).toEqual({ kind: "ours" });
  second.release();
});

test("a directory with what is not PostgreSQL's is locked, and not written to before it is to be used", () => {
  writeFileSync(join(dataDir, "photo"), "holiday");
  const first = owner("a", sleeper());
  expect(first.claim("look")).toEqual({ kind: "foreign" });
  expect(first.claim("look")).toEqual({ kind: "foreign" });
  expect(readdirSync(dataDir)).toEqual(["photo"]);
  expect(owner("b", sleeper()).claim("look")).toMatchObject({ kind: "taken" });
  expect(first.claim("use")).toEqual({ kind: "ours" });
  expect(readdirSync(dataDir).sort()).toEqual([OWNER_FILE, "photo"]);
  first.release();
  expect(readdirSync(dataDir)).toEqual(["photo"]);
});

test("a whole data directory is locked, and not written to before the agent that has judged it uses it", () => {
  writeFileSync(join(dataDir, "PG_VERSION"), "17");
  const first = owner("a", sleeper());
  expect(first.claim("look")).toEqual({ kind: "ours" });
  expect(readdirSync(dataDir)).toEqual(["PG_VERSION"]);
  expect(owner("b", sleeper()).claim("look")).toMatchObject({ kind: "taken" });
  expect(first.claim("use")).toEqual({ kind: "ours" });
  // Known again by its file, also by a guard that replaces this one.
  leaveBehind(first);
  const next = owner("a", sleeper());
  const before = readFileSync(join(dataDir, OWNER_FILE), "utf8");
  expect(next.claim("look")).toEqual({ kind: "ours" });
  expect(readFileSync(join(dataDir, OWNER_FILE), "utf8")).not.toBe(before);
  next.release();
  expect(readdirSync(dataDir)).toEqual(["PG_VERSION"]);
});

for (
  const name of ["PG_VERSION", "global", "pg_wal", "postgresql.conf", "agent.staging", "agent.unfinished"]
) {
  test(`a directory in which ${name} is left is a data directory, or was one`, () => {
    for (const one of [name, "lost+found"]) writeFileSync(join(dataDir, one), "");
    writeFileSync(join(dataDir, "photo"), "");
    const first = owner("a", sleeper());
    expect(first.claim("look")).toEqual({ kind: "ours" });
    first.release();
  });
}

test("a guard that let its directory go, and looks at it again, names itself: its agent may come back", () => {
  const guard = owner("a", sleeper());
  writeFileSync(join(dataDir, "PG_VERSION"), "15");
  expect(guard.claim("use")).toEqual({ kind: "ours" });
  guard.release();
  expect(existsSync(join(dataDir, OWNER_FILE))).toBe(false);
  expect(guard.claim("look")).toEqual({ kind: "ours" });
  expect(existsSync(join(dataDir, OWNER_FILE))).toBe(true);
  expect(ownedByAnother(dataDir, raftDir("a"))).toBeNull();
  expect(ownedByAnother(dataDir, raftDir("b"))).toContain("owns it");
  guard.release();
});

test("an empty file system is ours to fill", () => {
  mkdirSync(join(dataDir, "lost+found"));
  const first = owner("a", sleeper());
  expect(first.claim("look")).toEqual({ kind: "ours" });
  first.release();
});

test("a guard that was killed leaves the directory to its own agent while that lives, and to nobody else", async () => {
  const pid = sleeper();
  const first = owner("a", pid);
  first.claim("look");
  leaveBehind(first);
  expect(owner("b", sleeper()).claim("look")).toMatchObject({ kind: "taken" });
  expect(ownedByAnother(dataDir, raftDir("b"))).toContain("that agent runs");
  const next = owner("a", pid);
  expect(next.claim("look")).toEqual({ kind: "ours" });
  leaveBehind(next);
  await end(pid);
  const other = owner("b", sleeper());
  expect(other.claim("look")).toEqual({ kind: "ours" });
  other.release();
});

test("the guard of an agent that has ended keeps the directory as long as it lives", async () => {
  const [guard, agent] = [sleeper(), sleeper()];
  const first = new DirectoryOwner(dataDir, raftDir("a"), () => ({ guard, agent }));
  first.claim("look");
  leaveBehind(first);
  await end(agent);
  expect(ownedByAnother(dataDir, raftDir("b"))).toContain("its guard runs");
  expect(owner("b", sleeper()).claim("look")).toMatchObject({ kind: "taken" });
  await end(guard);
  expect(ownedByAnother(dataDir, raftDir("b"))).toBeNull();
});

test("a raft directory that takes the place of the owner's is another one, at the same path", () => {
  const first = owner("a", sleeper());
  first.claim("look");
  leaveBehind(first);
  renameSync(raftDir("a"), join(root, "aside"));
  mkdirSync(join(raftDir("a"), "run"), { recursive: true });
  expect(owner("a", sleeper()).claim("look")).toMatchObject({ kind: "taken" });
  expect(ownedByAnother(dataDir, raftDir("a"))).toContain("(as it was before this one)");
  expect(ownedByAnother(dataDir, join(root, "aside"))).toBeNull();
});

test("while a process works in it, a directory stays with the owner that its file names", async () => {
  const pid = sleeper();
  const first = owner("a", pid);
  first.claim("look");
  leaveBehind(first);
  await end(pid);
  const server = sleeper(dataDir);
  expect(owner("b", sleeper()).claim("look")).toMatchObject({ kind: "taken" });
  expect(ownedByAnother(dataDir, raftDir("b"))).toContain("its PostgreSQL runs");
  expect(ownedByAnother(dataDir, raftDir("a"))).toBeNull();
  await end(server);
  expect(ownedByAnother(dataDir, raftDir("b"))).toBeNull();
});

test("a server that was started by hand may be adopted: the directory has no owner yet", () => {
  sleeper(dataDir);
  const first = owner("a", sleeper());
  expect(first.claim("look")).toEqual({ kind: "ours" });
  first.release();
});

test("a directory that takes the place of another is claimed anew, and the old one let go", () => {
  const first = owner("a", sleeper());
  rmSync(dataDir, { recursive: true });
  expect(first.claim("look")).toEqual({ kind: "ours" });
  mkdirSync(dataDir);
  first.claim("look");
  const aside = join(root, "aside");
  renameSync(dataDir, aside);
  mkdirSync(dataDir);
  expect(ownedByAnother(dataDir, raftDir("b"))).toBeNull();
  first.claim("look");
  expect(ownedByAnother(dataDir, raftDir("b"))).toContain(dataDir);
  expect(ownedByAnother(aside, raftDir("b"))).toBeNull();
  expect(existsSync(join(aside, OWNER_FILE))).toBe(false);
  first.release();
});

test("a file of the owner that cannot be removed is no end of the guard, and the lock is let go", () => {
  const one = owner("a", sleeper());
  expect(one.claim("use")).toEqual({ kind: "ours" });
  // As on a file system that may only be read by now, also for root.
  rmSync(join(dataDir, OWNER_FILE));
  mkdirSync(join(dataDir, OWNER_FILE, "in the way"), { recursive: true });
  expect(one.claim("lend")).toEqual({ kind: "ours" });
  one.release();
  expect(owner("b", sleeper()).claim("use")).toEqual({ kind: "ours" });
});

test("the file of another directory, of another boot, or half a file says nothing", () => {
  const first = owner("a", sleeper());
  first.claim("look");
  const text = readFileSync(join(dataDir, OWNER_FILE), "utf8");
  const copy = join(root, "copy");
  mkdirSync(copy);
  writeFileSync(join(copy, OWNER_FILE), text);
  expect(ownedByAnother(copy, raftDir("b"))).toBeNull();
  first.release();
  const earlier = JSON.stringify({ ...JSON.parse(text), boot: "earlier" });
  for (const content of [text.slice(0, 40), earlier, "", "null"]) {
    writeFileSync(join(dataDir, OWNER_FILE), content);
    expect(ownedByAnother(dataDir, raftDir("b"))).toBeNull();
  }
});

test("what a rewind wrote over the file of the owner is put right with the next claim", () => {
  const first = owner("a", sleeper());
  first.claim("look");
  const text = readFileSync(join(dataDir, OWNER_FILE), "utf8");
  writeFileSync(join(dataDir, OWNER_FILE), "of the source");
  expect(ownedByAnother(dataDir, raftDir("b"))).toContain("another process holds its lock");
  first.claim("look");
  expect(readFileSync(join(dataDir, OWNER_FILE), "utf8")).toBe(text);
  first.release();
});

test("a directory that is lent to a command stays empty, and stays with its owner", () => {
  const first = owner("a", sleeper());
  first.claim("use");
  expect(readdirSync(dataDir)).toEqual([OWNER_FILE]);
  expect(first.claim("lend")).toEqual({ kind: "ours" });
  expect(first.claim("look")).toEqual({ kind: "ours" });
  expect(readdirSync(dataDir)).toEqual([]);
  // The command makes another one, and half of the data.
  rmSync(dataDir, { recursive: true });
  expect(first.claim("look")).toEqual({ kind: "ours" });
  mkdirSync(join(dataDir, "base"), { recursive: true });
  expect(first.claim("look")).toEqual({ kind: "ours" });
  expect(readdirSync(dataDir)).toEqual(["base"]);
  expect(owner("b", sleeper()).claim("look")).toMatchObject({ kind: "taken" });
  expect(ownedByAnother(dataDir, raftDir("b"))).toContain("another process holds its lock");
  expect(first.claim("use")).toEqual({ kind: "ours" });
  expect(readdirSync(dataDir).sort()).toEqual([OWNER_FILE, "base"]);
  first.release();
});

test("a lent directory is a new agent's to write into: it knows of no command", () => {
  let agent = sleeper();
  const first = new DirectoryOwner(dataDir, raftDir("a"), () => ({ guard: process.pid, agent }));
  first.claim("lend");
  agent = sleeper();
  first.claim("look");
  expect(readdirSync(dataDir)).toEqual([OWNER_FILE]);
  first.release();
});

test("a guard that was killed while a command works leaves the directory to its own agent alone", async () => {
  const first = owner("a", sleeper());
  const lent = new LentDirectory(dataDir, raftDir("a"), new SystemClock());
  lent.hold();
  first.claim("lend");
  // As the kernel does for a killed one. No file names the owner.
  first.release();
  expect(owner("b", sleeper()).claim("look")).toMatchObject({ kind: "taken" });
  expect(ownedByAnother(dataDir, raftDir("b"))).toContain("a command of another agent");
  expect(ownedByAnother(dataDir, raftDir("a"))).toBeNull();
  const next = owner("a", sleeper());
  expect(next.claim("look")).toEqual({ kind: "ours" });
  next.release();
  // The command puts another directory in its place.
  rmSync(dataDir, { recursive: true });
  mkdirSync(dataDir);
  await waitFor("its lock is on that one", 5000, () => ownedByAnother(dataDir, raftDir("b")) !== null);
  lent.release();
  expect(lent.isHeld).toBe(false);
  expect(ownedByAnother(dataDir, raftDir("b"))).toBeNull();
  const other = owner("b", sleeper());
  expect(other.claim("look")).toEqual({ kind: "ours" });
  other.release();
});
