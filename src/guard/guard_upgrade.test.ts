/** A guard that becomes another program, with real processes. */
import { expect, test } from "bun:test";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockFile } from "../lib/ffi.ts";
import { isAlive, readProcess } from "../lib/process_table.ts";
import type { GuardClient } from "./client.ts";
import { type Answer, GuardConnection } from "./connection.ts";
import { ownedByAnother } from "./directory_owner.ts";
import { newFence } from "./fence_state.ts";
import { STATE_VERSION, UPGRADE_ROOM_MS } from "./hand_over.ts";
import { type Operation, PROTOCOL_VERSION } from "./protocol.ts";
import { armFor, reply, type Site, startPrimary, until, untilView, withSite } from "./testing.ts";
import { becomeProgram } from "./upgrade_self.ts";

const NEXT = "99.0.0";

/** A primary under a guard that has become release NEXT; the agent that asked for it is connected. */
async function upgraded(
  site: Site,
  leaseMs?: number,
): Promise<{ client: GuardClient; pid: number; guard: number }> {
  const older = site.client();
  const pid = await startPrimary(site, older);
  if (leaseMs !== undefined) await armFor(site, older, leaseMs);
  const guard = older.view().pid ?? 0;
  const before = readProcess(guard)?.startTicks;
  older.close();
  const client = site.client(undefined, NEXT);
  await until("the guard is upgraded", () => site.log.lines.join().includes(`goes on as release ${NEXT}`));
  expect(client.view()).toMatchObject({
    state: "ok",
    pid: guard,
    incarnation: 1,
    postmaster: { pid, epoch: 3 },
  });
  expect(readProcess(guard)?.startTicks).toBe(before);
  return { client, pid, guard };
}

test("a guard of another release becomes the agent's: same pid, same PostgreSQL, same deadline", () =>
  withSite(async (site) => {
    const { client, pid, guard } = await upgraded(site);
    expect(readFileSync(`/proc/${guard}/cmdline`, "utf8")).toContain(NEXT);
    expect(client.view()).toMatchObject({
      state: "ok",
      armed: { epoch: 3, unfenced: false },
      postmaster: { pid, phase: "running", child: true, writable: true },
    });
    await until("it acknowledges", () => site.acknowledges());
    expect(site.log.lines.join()).not.toContain("connection to the guard is lost");
  }));

test("afterwards the deadline of before fences, with nobody connected", () =>
  withSite(async (site) => {
    const { client, pid } = await upgraded(site, 8000);
    client.close();
    await until("it acknowledges", () => site.acknowledges());
    await until("it is frozen at the deadline of the old guard", () => readProcess(pid)?.state === "T");
    expect(await site.acknowledges()).toBe(false);
  }));

test("afterwards the end of PostgreSQL is noticed and reaped, with its exit code", () =>
  withSite(async (site) => {
    const { client, pid } = await upgraded(site);
    process.kill(pid, "SIGQUIT");
    await untilView(client, "it is gone", (view) => view.postmaster === null);
    expect(client.view().lastExit).toMatchObject({ pid, code: 2, signal: null, fenced: false });
    expect(readProcess(pid)).toBeNull();
    expect(await reply((done) => client.start(site.spec(3), done))).toEqual({ ok: true });
  }));

test("afterwards the death of the guard ends PostgreSQL still", () =>
  withSite(async (site) => {
    const { client, pid, guard } = await upgraded(site);
    client.close();
    process.kill(guard, "SIGKILL");
    await until("PostgreSQL has ended", () => site.group.members().length === 0);
    expect(isAlive(pid)).toBe(false);
  }));

test("afterwards the lock keeps other guards away, and no descriptor is left over", () =>
  withSite(async (site) => {
    const { client, guard } = await upgraded(site);
    expect(client.view().pid).toBe(guard);
    const open = readdirSync(`/proc/${guard}/fd`).map((fd) => linkOf(`/proc/${guard}/fd/${fd}`));
    expect(open.filter((path) => path.endsWith("guard.lock"))).toHaveLength(1);
    expect(open.filter((path) => path.includes("guard-state"))).toEqual([]);
    const second = openSync(join(site.root, "run", "guard.lock"), "w");
    expect(lockFile(second).ok).toBe(false);
    closeSync(second);
    expect(open.filter((path) => path === site.dataDir)).toHaveLength(1);
    expect(ownedByAnother(site.dataDir, join(site.root, "other"))).toContain(`guard ${guard}`);
  }));

/** A controller that says what it likes. */
function controller(site: Site): Promise<(operation: Operation) => Promise<Answer>> {
  return new Promise((resolve, reject) => {
    const connection = new GuardConnection(join(site.root, "run", "guard.sock"), site.clock, {
      onOpen: () => void ask({ op: "hello", version: PROTOCOL_VERSION }).then(() => resolve(ask), reject),
      onMessage: () => {},
      onClose: () => {},
    });
    const ask = (operation: Operation) =>
      new Promise<Answer>((answered, lost) =>
        connection.request(
          operation,
          false,
          (answer) => answer ? answered(answer) : lost(new Error("it is gone")),
        )
      );
  });
}

function upgradeTo(path: string, stateVersion = STATE_VERSION): Operation {
  const { dev, ino } = statSync(path);
  return { op: "upgrade", program: path, file: `${dev}:${ino}`, command: [path], stateVersion };
}

test("refused: another program than the controller's, one that cannot read the state, one that comes at a bad time", () =>
  withSite(async (site) => {
    const client = site.client();
    const pid = await startPrimary(site, client);
    const guard = client.view().pid ?? 0;
    client.close();
    const ask = await controller(site);
    expect((await ask(upgradeTo("/bin/sh"))).reply).toMatchObject({
      error: "/bin/sh is not the program of the agent any more",
    });
    expect((await ask(upgradeTo("/proc/self/exe", 0))).reply).toMatchObject({
      error: "it could not take over: it reads version 0, not 1",
    });
    const started = ask({ op: "signal", signal: "fast" });
    expect((await ask(upgradeTo("/proc/self/exe"))).reply).toMatchObject({ ok: false });
    await started;
    expect(isAlive(guard)).toBe(true);
    await until("the shutdown is over", () => !isAlive(pid));
  }));

test("not with too little of the lease left, nor frozen", () =>
  withSite(async (site) => {
    const client = site.client();
    const pid = await startPrimary(site, client);
    client.close();
    const ask = await controller(site);
    // Not asked one after the other: on a busy host the lease would be over by then.
    const deadlineMs = site.clock.now() + UPGRADE_ROOM_MS - 100;
    const armed = ask({ op: "arm", epoch: 3, deadlineMs, unfenced: false });
    const refused = ask(upgradeTo("/proc/self/exe"));
    expect((await armed).reply).toEqual({ ok: true });
    expect((await refused).reply).toMatchObject({
      error: expect.stringContaining(`less than ${UPGRADE_ROOM_MS}`),
    });
    await until("it is frozen at its time", () => readProcess(pid)?.state === "T");
    expect((await ask(upgradeTo("/proc/self/exe"))).reply).toMatchObject({ error: "PostgreSQL is frozen" });
  }));

test("a program that cannot be run leaves this one as it was", () => {
  const dir = mkdtempSync(join(tmpdir(), "upgrade-"));
  const lockFd = openSync(join(dir, "lock"), "w");
  const program = openSync(join(dir, "program"), "w+");
  const guard = { fence: newFence(5000), process: null, lastExit: null };
  const state = { version: STATE_VERSION, guard, release: NEXT, token: "t", dataDir: dir, oomScoreAdj: "0" };
  expect(becomeProgram(program, ["guard"], { ...state, controllerPid: 0, lockFd, atMs: 0 })).toBe("EACCES");
  expect(readFileSync(`/proc/self/fdinfo/${lockFd}`, "utf8")).toMatch(/^flags:\s+0?2[0-7]{6}$/m);
  for (const fd of [lockFd, program]) closeSync(fd);
  rmSync(dir, { recursive: true });
});

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed since
  }
}
