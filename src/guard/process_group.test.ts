import { expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kill } from "../lib/ffi.ts";
import { isAlive, isStoppedOrWill, listChildren, readProcess } from "../lib/process_table.ts";
import { startHeadless, startZombie } from "../lib/testing_zombie.ts";
import { ProcessGroup } from "./process_group.ts";
import { identify, isSame, signalProcess } from "./process_id.ts";
import { startDetached, until } from "./testing.ts";

const nobody = () => ({ guard: 0, agent: 0 });

const mayMount = Bun.spawnSync(["unshare", "--mount", "true"], { stderr: "ignore" }).exitCode === 0;

async function inDirectory(body: (dir: string) => Promise<void>): Promise<void> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "group-")));
  const started: ProcessGroup[] = [new ProcessGroup(join(root, "data"), nobody)];
  mkdirSync(join(root, "data"));
  try {
    await body(join(root, "data"));
  } finally {
    for (const group of started) while (!group.kill(null)) await Bun.sleep(5);
    rmSync(root, { recursive: true, force: true });
  }
}

function pidsOf(group: ProcessGroup): number[] {
  return group.members().map((member) => member.pid);
}

test("a process whose first thread alone has ended is a member until the last of them is gone", () =>
  inDirectory(async (dir) => {
    const group = new ProcessGroup(dir, nobody);
    const headless = await startHeadless(dir);
    try {
      expect(pidsOf(group)).toEqual([headless.pid]);
      // Its number in the lock file is no stale lock: PostgreSQL's threads may still write here.
      writeFileSync(join(dir, "postmaster.pid"), `${headless.pid}\n`);
      expect(group.staleLock()).toBeNull();
      await until("it is gone", () => group.kill(null));
      expect(pidsOf(group)).toEqual([]);
    } finally {
      await headless.end();
    }
  }));

test("members are those with the directory as working directory, not those below it", () =>
  inDirectory(async (dir) => {
    const group = new ProcessGroup(dir, nobody);
    mkdirSync(join(dir, "base"));
    const inside = startDetached("exec sleep 60", dir);
    const below = startDetached("exec sleep 60", join(dir, "base"));
    await until("both run", () => [inside, below].every((pid) => readProcess(pid)?.name === "sleep"));
    expect(pidsOf(group)).toEqual([inside]);
    process.kill(below, "SIGKILL");
  }));

test("a directory reached by a symbolic link is the same one, also after the link was turned", () =>
  inDirectory(async (dir) => {
    const link = `${dir}.link`;
    symlinkSync(dir, link);
    const group = new ProcessGroup(link, nobody);
    const pid = startDetached("exec sleep 60", dir);
    await until("it runs", () => readProcess(pid)?.name === "sleep");
    expect(pidsOf(group)).toEqual([pid]);
    unlinkSync(link);
    mkdirSync(link);
    group.resolve();
    expect(pidsOf(group)).toEqual([pid]);
  }));

test("processes of a removed directory are still found", () =>
  inDirectory(async (dir) => {
    const group = new ProcessGroup(dir, nobody);
    const pid = startDetached("exec sleep 60", dir);
    await until("it runs", () => readProcess(pid)?.name === "sleep");
    rmSync(dir, { recursive: true });
    expect(pidsOf(group)).toEqual([pid]);
  }));

test("a directory that is moved away keeps its processes, as long as its postmaster is known", () =>
  inDirectory(async (dir) => {
    const group = new ProcessGroup(dir, nobody);
    group.resolve();
    const postmaster = startDetached("sleep 60 & exec sleep 61", dir);
    const elsewhere = startDetached("exec sleep 60", join(dir, ".."));
    await until("all run", () => pidsOf(group).length === 2 && readProcess(elsewhere)?.name === "sleep");
    renameSync(dir, `${dir}.moved`);
    expect(pidsOf(group)).toEqual([]);
    // What is not the directory that was resolved is nobody's.
    group.follow(identify(elsewhere));
    expect(pidsOf(group)).toEqual([]);
    group.follow(identify(postmaster));
    expect(pidsOf(group)).toHaveLength(2);
    group.freeze(identify(postmaster));
    expect(group.allStopped(identify(postmaster))).toBe(true);
    while (!group.kill(identify(postmaster))) await Bun.sleep(5);
    group.follow(null);
    const later = startDetached("exec sleep 60", `${dir}.moved`);
    await until("it runs", () => readProcess(later)?.name === "sleep");
    expect(pidsOf(group)).toEqual([]);
    expect(isAlive(elsewhere)).toBe(true);
    for (const pid of [elsewhere, later]) process.kill(pid, "SIGKILL");
  }));

test("a directory that is moved away right before the deadline is frozen and killed where it is", () =>
  inDirectory(async (dir) => {
    const group = new ProcessGroup(dir, nobody);
    group.resolve();
    const pid = startDetached("sleep 60 & exec sleep 61", dir);
    await until("both run", () => pidsOf(group).length === 2);
    const postmaster = identify(pid);
    const [child] = pidsOf(group).filter((one) => one !== pid);
    renameSync(dir, `${dir}.moved`);
    // Nobody is found, which is no proof that nobody runs.
    expect([pidsOf(group), group.allStopped(postmaster)]).toEqual([[], false]);
    group.freeze(postmaster);
    expect(pidsOf(group)).toHaveLength(2);
    expect(group.allStopped(postmaster)).toBe(true);
    group.thaw(postmaster);
    renameSync(`${dir}.moved`, `${dir}.again`);
    await until("all are gone", () => group.kill(postmaster));
    expect([isAlive(pid), isAlive(child!)]).toEqual([false, false]);
  }));

test.skipIf(!mayMount)(
  "a directory that is mounted twice is one, whichever path PostgreSQL was started with",
  () =>
    inDirectory(async (dir) => {
      const other = join(dir, "..", "mounted");
      mkdirSync(other);
      expect(Bun.spawnSync(["mount", "--bind", dir, other]).exitCode).toBe(0);
      const pid = startDetached("exec sleep 60", other);
      try {
        await until("it runs", () => readProcess(pid)?.name === "sleep");
        writeFileSync(join(dir, "postmaster.pid"), `${pid}\n${other}\n1700000000\n5432\n`);
        const group = new ProcessGroup(dir, nobody);
        expect([pidsOf(group), group.findPostmaster()?.pid]).toEqual([[pid], pid]);
        expect(group.staleLock()).toBeNull();
        await until("it is ended", () => group.kill(identify(pid)));
        // What comes to that path later belongs to somebody else.
        group.follow(null);
        const stranger = startDetached("exec sleep 60", other);
        await until("it runs", () => readProcess(stranger)?.name === "sleep");
        expect(pidsOf(group)).toEqual([]);
        process.kill(stranger, "SIGKILL");
        await until("it is gone", () => !isAlive(stranger));
      } finally {
        if (isAlive(pid)) process.kill(pid, "SIGKILL");
        await until("it can be unmounted", () => Bun.spawnSync(["umount", other]).exitCode === 0);
      }
    }),
);

test("a directory that comes later is found once it was looked for", () =>
  inDirectory(async (dir) => {
    rmSync(dir, { recursive: true });
    const group = new ProcessGroup(dir, nobody);
    mkdirSync(`${dir}.new`);
    renameSync(`${dir}.new`, dir);
    group.resolve();
    const pid = startDetached("exec sleep 60", dir);
    await until("it runs", () => readProcess(pid)?.name === "sleep");
    expect(pidsOf(group)).toEqual([pid]);
  }));

test("an operator's shell with a terminal is no member", () =>
  inDirectory(async (dir) => {
    const group = new ProcessGroup(dir, nobody);
    // script(1) gives its command a terminal of its own.
    const shell = Bun.spawn(["script", "-qc", `cd ${dir} && exec sleep 60`, "/dev/null"], {
      cwd: tmpdir(),
      stdio: ["ignore", "ignore", "ignore"],
    });
    const plain = startDetached("exec sleep 60", dir);
    const operators = () =>
      Bun.spawnSync([
        "sh",
        "-c",
        `for p in /proc/[0-9]*; do [ "$(readlink $p/cwd)" = ${dir} ] && echo \${p#/proc/}; done`,
      ])
        .stdout.toString().split("\n").filter((line) => line !== "").map(Number).filter((pid) =>
          pid !== plain
        );
    await until("both run", () => readProcess(plain)?.name === "sleep" && operators().length > 0);
    expect(pidsOf(group)).toEqual([plain]);
    for (const pid of operators()) process.kill(pid, "SIGKILL");
    shell.kill("SIGKILL");
    await shell.exited;
  }));

test("freeze stops everyone, also what is being forked; thaw lets them go on", () =>
  inDirectory(async (dir) => {
    const group = new ProcessGroup(dir, nobody);
    startDetached("while :; do sh -c 'sleep 0.001; sleep 0.001' & sleep 0.002; done", dir);
    await until("it forks", () => group.members().length > 2);
    group.freeze(null);
    await until("all are stopped", () => group.allStopped(null));
    const frozen = pidsOf(group).sort();
    await Bun.sleep(50);
    expect(pidsOf(group).sort()).toEqual(frozen);
    group.thaw(null);
    await until("it forks again", () => pidsOf(group).some((pid) => !frozen.includes(pid)));
  }));

test("a child whose fork had begun before the stop is stopped too", () =>
  inDirectory(async (dir) => {
    let postmaster = 0;
    let told = false;
    // The stop takes effect a while after it was sent, and a child appears in between.
    const group = new ProcessGroup(dir, nobody, (pid, signal) => {
      if (pid !== postmaster || signal !== 19 || told) return kill(pid, signal);
      told = true;
      startDetached(`sleep 0.01; (cd ${dir} && exec sleep 60) & sleep 0.01; kill -STOP ${postmaster}`, "/");
      return kill(pid, 0);
    });
    postmaster = startDetached("exec sleep 60", dir);
    await until("it runs", () => readProcess(postmaster)?.name === "sleep");
    expect(group.freeze(identify(postmaster))).toBe(2);
    expect(group.members().length).toBe(2);
    await until("all are stopped", () => group.allStopped(null));
  }));

test("the postmaster's children are stopped before anything is looked for, wherever they are, and go on", () =>
  inDirectory(async (dir) => {
    const group = new ProcessGroup(dir, nobody);
    const postmaster = startDetached("(cd / && exec sleep 60) & exec sleep 60", dir);
    await until("both run", () => {
      const [child] = listChildren(postmaster);
      return child !== undefined && [postmaster, child].every((pid) => readProcess(pid)?.name === "sleep");
    });
    const child = listChildren(postmaster)[0]!;
    const id = identify(postmaster);
    const stopped = () => [postmaster, child].map((pid) => isStoppedOrWill(readProcess(pid)!));
    expect(group.freeze(id)).toBe(2);
    await until("both are stopped", () => !stopped().includes(false));
    expect(group.thaw(id)).toBe(2);
    await until("both go on", () => !stopped().includes(true));
    kill(child, 9);
  }));

test("all are stopped only when every one is", () =>
  inDirectory(async (dir) => {
    const group = new ProcessGroup(dir, nobody);
    const [one, other] = [1, 2].map(() => startDetached("exec sleep 60", dir)) as [number, number];
    await until("both run", () => [one, other].every((pid) => readProcess(pid)?.name === "sleep"));
    expect(group.allStopped(null)).toBe(false);
    process.kill(one, "SIGSTOP");
    await until("it is stopped", () => readProcess(one)?.state === "T");
    expect(group.allStopped(null)).toBe(false);
    process.kill(other, "SIGSTOP");
    // On its way from being queued to having its effect a signal is seen in neither place.
    await until("all are", () => group.allStopped(null));
  }));

test("whoever may run is not doomed, nor a postmaster that works elsewhere by now", () =>
  inDirectory(async (dir) => {
    const group = new ProcessGroup(dir, nobody);
    const elsewhere = startDetached("exec sleep 60", tmpdir());
    await until("it runs", () => readProcess(elsewhere)?.name === "sleep");
    const id = identify(elsewhere)!;
    expect([group.allDoomed(null), group.allDoomed(id)]).toEqual([true, false]);
    kill(elsewhere, 9);
    await until("it is gone", () => group.allDoomed(id));
    const member = startDetached("exec sleep 60", dir);
    await until("it works here", () => pidsOf(group).includes(member));
    expect(group.allDoomed(null)).toBe(false);
  }));

test("a process that got the number of a postmaster that died is not taken for it, and not left out", () =>
  inDirectory(async (dir) => {
    const sent: number[] = [];
    const group = new ProcessGroup(dir, nobody, (pid, signal) => {
      sent.push(signal);
      return kill(pid, signal);
    });
    const pid = startDetached("exec sleep 60", dir);
    await until("it runs", () => readProcess(pid)?.name === "sleep");
    const own = identify(pid)!;
    const former = { pid, startTicks: own.startTicks - 1 };
    expect([isSame(own), isSame(former)]).toEqual([true, false]);
    expect(signalProcess(former, 9, (_, signal) => (sent.push(signal), { ok: true, value: 0 }))).toBe(false);
    expect(sent).toEqual([]);
    expect(group.freeze(former)).toBe(1);
    await until("it is stopped", () => group.allStopped(null));
    expect(group.thaw(former)).toBe(1);
    await until("it goes on", () => !group.allStopped(null));
    await until("it is ended", () => group.kill(former));
    // Nothing of what only the postmaster gets: SIGQUIT.
    expect(sent).not.toContain(3);
    expect(isAlive(pid)).toBe(false);
  }));

test("a process that has ended and is not reaped is gone", async () => {
  const zombie = await startZombie();
  try {
    expect(isSame(identify(zombie.pid)!)).toBe(false);
  } finally {
    await zombie.end();
  }
});

test("kill leaves nobody", () =>
  inDirectory(async (dir) => {
    const group = new ProcessGroup(dir, nobody);
    const pid = startDetached("while :; do sh -c 'sleep 0.001' & sleep 0.002; done", dir);
    await until("it forks", () => group.members().length > 1);
    const id = identify(pid);
    await until("nobody is left", () => group.kill(id));
    expect(group.members()).toEqual([]);
    expect(isAlive(pid)).toBe(false);
    expect(id !== null && isSame(id)).toBe(false);
  }));

test("whoever is killed while it signals leaves a postmaster that can end the rest", () =>
  inDirectory(async (dir) => {
    const sent: string[] = [];
    let postmaster = 0;
    const names: { readonly [signal: number]: string } = { 3: "QUIT", 9: "KILL", 18: "CONT", 19: "STOP" };
    const group = new ProcessGroup(dir, nobody, (pid, signal) => {
      sent.push(`${pid === postmaster ? "postmaster" : "backend"} ${names[signal]}`);
      return kill(pid, signal);
    });
    postmaster = startDetached("trap '' QUIT; sleep 60 & sleep 60 & wait; sleep 60", dir);
    await until("all run", () => group.members().length === 3);
    const id = identify(postmaster);
    expect(group.freeze(id)).toBe(3);
    expect(sent.splice(0)).toEqual(["backend STOP", "backend STOP", "postmaster STOP"]);
    expect(group.thaw(id)).toBe(3);
    expect(sent.splice(0)).toEqual(["postmaster CONT", "backend CONT", "backend CONT"]);
    group.kill(id);
    expect(sent.slice(0, 3)).toEqual(["postmaster QUIT", "backend KILL", "backend KILL"]);
    expect(sent.at(-1)).toBe("postmaster KILL");
    expect(sent).not.toContain("postmaster STOP");
  }));

test("so does it where a backend is no child of the postmaster, and has a lower number", () =>
  inDirectory(async (dir) => {
    const sent: string[] = [];
    let backend = 0;
    const group = new ProcessGroup(dir, nobody, (pid, signal) => {
      sent.push(`${pid === backend ? "backend" : "postmaster"} ${signal}`);
      return kill(pid, signal);
    });
    const starts = () => startDetached("exec sleep 60", dir);
    backend = starts();
    let postmaster = starts();
    // Numbers begin anew at their end.
    if (postmaster < backend) [backend, postmaster] = [postmaster, backend];
    await until("both run", () => [backend, postmaster].every((pid) => readProcess(pid)?.name === "sleep"));
    const id = identify(postmaster);
    group.freeze(id);
    expect(sent.splice(0)).toEqual(["backend 19", "postmaster 19"]);
    group.thaw(id);
    expect(sent).toEqual(["postmaster 18", "backend 18"]);
  }));

test("the postmaster is the process that the lock file names, unless it is another's child", () =>
  inDirectory(async (dir) => {
    const group = new ProcessGroup(dir, nobody);
    expect(group.findPostmaster()).toBeNull();
    const pid = startDetached("sleep 60 & wait", dir);
    const child = () => group.members().find((member) => member.parentPid === pid && member.name === "sleep");
    await until("it runs", () => child() !== undefined);
    writeFileSync(join(dir, "postmaster.pid"), `${pid}\n${dir}\n`);
    expect(group.findPostmaster()?.pid).toBe(pid);
    writeFileSync(join(dir, "postmaster.pid"), `${child()?.pid}\n${dir}\n`);
    expect(group.findPostmaster()).toBeNull();
    writeFileSync(join(dir, "postmaster.pid"), `${process.pid}\n${dir}\n`);
    expect(group.findPostmaster()).toBeNull();
    writeFileSync(join(dir, "postmaster.pid"), `-${pid}\n${dir}\n`);
    expect(group.findPostmaster()).toBeNull();
    expect(group.isSingleUser()).toBe(true);
  }));

test("a directory that cannot be looked into holds no lock file that would be stale", () =>
  inDirectory((dir) => {
    const loop = join(dir, "loop");
    symlinkSync(loop, loop);
    expect(new ProcessGroup(loop, nobody).staleLock()).toBeNull();
    return Promise.resolve();
  }));

test("a lock file that names somebody else's process is stale, one that may be a server's is not", () =>
  inDirectory(async (dir) => {
    const group = new ProcessGroup(dir, nobody);
    group.resolve();
    const lock = join(dir, "postmaster.pid");
    const socketLock = join(dir, "..", ".s.PGSQL.5432.lock");
    const name = (pid: number) => {
      writeFileSync(lock, `${pid}\n${dir}\n1700000000\n5432\n${join(dir, "..")}\nlocalhost\n`);
      writeFileSync(socketLock, `${pid}\n${dir}\n1700000000\n5432\n${join(dir, "..")}\n`);
    };
    expect(group.staleLock()).toBeNull();
    for (const text of ["", "\0\0\0", "0\n", "nobody\n"]) {
      writeFileSync(lock, text);
      expect(group.staleLock()).toEqual({ kind: "nameless" });
    }
    const stranger = startDetached("exec sleep 60", tmpdir());
    const below = startDetached("exec sleep 60", join(dir, ".."));
    await until("both run", () => [stranger, below].every((pid) => readProcess(pid)?.name === "sleep"));
    for (const pid of [stranger, -stranger]) {
      name(pid);
      expect(group.staleLock()).toEqual({ kind: "stranger", pid: stranger, name: "sleep" });
    }
    // As long as anybody works here, it may be his.
    const member = startDetached("exec sleep 60", dir);
    await until("it runs", () => group.members().length === 1);
    expect(group.staleLock()).toBeNull();
    name(member);
    expect(group.staleLock()).toBeNull();
    writeFileSync(lock, "");
    expect(group.staleLock()).toBeNull();
    name(member);
    while (!group.kill(null)) await Bun.sleep(5);
    // Nobody, or one that is not reaped yet.
    expect(group.staleLock()?.kind).not.toBe("stranger");
    // Another one has taken the lock since.
    name(below);
    group.removeLock({ kind: "nameless" });
    group.removeLock({ kind: "stranger", pid: stranger, name: "sleep" });
    expect(existsSync(lock)).toBe(true);
    // A socket of somebody else's keeps its lock.
    writeFileSync(socketLock, `${below}\n/elsewhere\n1700000000\n5432\n`);
    group.removeLock(group.staleLock()!);
    expect([existsSync(lock), existsSync(socketLock)]).toEqual([false, true]);
    name(below);
    group.removeLock(group.staleLock()!);
    expect([existsSync(lock), existsSync(socketLock)]).toEqual([false, false]);
    writeFileSync(lock, "");
    group.removeLock(group.staleLock()!);
    expect(existsSync(lock)).toBe(false);
    for (const pid of [stranger, below]) process.kill(pid, "SIGKILL");
  }));
