/** The guard process and its client, with real processes. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive, readProcess } from "../lib/process_table.ts";
import { startZombie } from "../lib/testing_zombie.ts";
import { OWNER_FILE } from "../model/owner_file.ts";
import type { GuardClient } from "./client.ts";
import { ownedByAnother } from "./directory_owner.ts";
import { prepareDirectory } from "./guard_socket.ts";
import { servingGuard } from "./serving_guard.ts";
import {
  armFor,
  connected,
  reply,
  type Site,
  startDetached,
  startPrimary,
  until,
  untilView,
  withSite,
} from "./testing.ts";

function startStandby(site: Site, client: GuardClient): Promise<void> {
  return reply((done) => client.start(site.spec(null), done)).then((answer) => {
    expect(answer).toEqual({ ok: true });
    return until("it runs", () => site.isUp());
  });
}

test("a primary is frozen at its deadline, thawed by a renewal, and loses no process", () =>
  withSite(async (site) => {
    const client = site.client();
    const pid = await startPrimary(site, client);
    const backends = () => site.group.members().filter((member) => member.parentPid === pid);
    // Each begins as a shell that becomes another program.
    await until("there are two backends", () => backends().length === 2);
    const before = backends();
    await armFor(site, client, 700);
    await untilView(
      client,
      "it is frozen, and every process is seen stopped",
      (view) => view.postmaster?.phase === "frozen" && view.allStopped === true,
    );
    expect(await site.acknowledges()).toBe(false);
    await armFor(site, client, 60_000);
    expect(client.view().postmaster).toEqual({
      pid,
      writable: true,
      epoch: 3,
      phase: "running",
      child: true,
    });
    await until("it acknowledges", () => site.acknowledges());
    for (const member of before) expect(isAlive(member.pid)).toBe(true);
  }));

test("what others wake while it is frozen is stopped again", () =>
  withSite(async (site) => {
    const client = site.client();
    await startPrimary(site, client);
    await armFor(site, client, 700);
    await untilView(client, "it is frozen", (view) => view.postmaster?.phase === "frozen");
    for (const member of site.group.members()) process.kill(member.pid, "SIGCONT");
    await until("it is frozen again", () => site.group.allStopped(null));
    expect(await site.acknowledges()).toBe(false);
    expect(client.view().postmaster?.phase).toBe("frozen");
  }));

test("a freeze that lasts ends in a kill of everything, reported as fenced", () =>
  withSite(async (site) => {
    const client = site.client();
    const pid = await startPrimary(site, client);
    await armFor(site, client, 700);
    await untilView(client, "it is gone", (view) => view.postmaster === null);
    const { lastExit, anyProcess } = client.view();
    expect(lastExit).toMatchObject({ pid, fenced: true, signal: "SIGKILL" });
    expect(anyProcess).toBe(false);
    expect(site.group.members()).toEqual([]);
  }));

test("the end of the agent is no trigger, the deadline is, with nobody connected", () =>
  withSite(async (site) => {
    const client = site.client();
    const pid = await startPrimary(site, client);
    await armFor(site, client, 3000);
    client.close();
    await until("it acknowledges without an agent", () => site.acknowledges());
    await until("it is frozen without an agent", () => readProcess(pid)?.state === "T");
    expect(await site.acknowledges()).toBe(false);
    // The next agent finds guard and deadline again.
    const next = site.client();
    await connected(next);
    expect(next.view()).toMatchObject({ armed: { epoch: 3 }, postmaster: { pid, epoch: 3 } });
    await armFor(site, next, 60_000);
    await until("it acknowledges", () => site.acknowledges());
  }));

test("the death of the guard ends PostgreSQL, and a new guard takes over", () =>
  withSite(async (site) => {
    const client = site.client();
    const pid = await startPrimary(site, client);
    const { pid: guardPid, incarnation } = client.view();
    process.kill(guardPid ?? 0, "SIGKILL");
    await untilView(client, "another guard answers", (view) =>
      view.state === "ok" && view.incarnation > incarnation);
    await until("nothing is left", () =>
      site.group.members().length === 0);
    expect(isAlive(pid)).toBe(false);
    expect(client.view()).toMatchObject({ postmaster: null, armed: null });
  }));

test("without an agent, the death of the guard ends PostgreSQL as well", () =>
  withSite(async (site) => {
    const client = site.client();
    await startPrimary(site, client);
    const guardPid = client.view().pid ?? 0;
    client.close();
    process.kill(guardPid, "SIGKILL");
    await until("the postmaster has shut down", () => site.group.members().length === 0);
  }));

test("while the guard is stopped, the agent freezes PostgreSQL at the deadline, and wakes the guard", () =>
  withSite(async (site) => {
    const client = site.client();
    const pid = await startPrimary(site, client);
    await armFor(site, client, 3000);
    process.kill(client.view().pid ?? 0, "SIGSTOP");
    await until("it is frozen", () => readProcess(pid)?.state === "T");
    expect(client.view().postmaster?.phase).toBe("frozen");
    expect(site.log.lines.join()).toContain("PostgreSQL is frozen by the agent");
    await armFor(site, client, 60_000);
    await untilView(client, "it runs again", (view) => view.postmaster?.phase === "running");
    await until("it acknowledges again", () => site.acknowledges());
  }));

test("an agent that starts while the guard is stopped freezes what runs, and the lease goes on when the guard wakes", () =>
  withSite(async (site) => {
    const client = site.client();
    const pid = await startPrimary(site, client);
    const guardPid = client.view().pid ?? 0;
    client.close();
    process.kill(guardPid, "SIGSTOP");
    const next = site.client();
    expect(next.view()).toMatchObject({ state: "none", lastAnswerMs: null, anyProcess: true });
    // The agent wakes the guard; stopped anew until then, so that there is something to see.
    await until("it is frozen", () => {
      process.kill(guardPid, "SIGSTOP");
      return readProcess(pid)?.state === "T";
    });
    await connected(next);
    await until("it goes on", () => readProcess(pid)?.state !== "T");
    expect(next.view()).toMatchObject({ armed: { epoch: 3 }, postmaster: { pid, epoch: 3 } });
    await until("it acknowledges", () => site.acknowledges());
  }));

test("a guard whose socket is gone makes it anew for the next agent, and PostgreSQL goes on", () =>
  withSite(async (site) => {
    const client = site.client();
    const pid = await startPrimary(site, client);
    const guardPid = client.view().pid ?? 0;
    client.close();
    const made = () => site.log.lines.filter((line) => line.includes(`guard ${guardPid} has made it anew`));
    for (const [times, gone] of [["guard.sock"], ["guard.sock", "guard.lock"]].entries()) {
      for (const name of gone) rmSync(join(site.root, "run", name));
      const next = site.client();
      await connected(next);
      expect(next.view()).toMatchObject({
        pid: guardPid,
        armed: { epoch: 3 },
        postmaster: { pid, epoch: 3 },
      });
      await until("it says so", () => made().length === times + 1);
      await until("it acknowledges", () => site.acknowledges());
      next.close();
    }
    const last = site.client();
    await connected(last);
    // What the second one of a place would be: it finds the lock, and ends.
    const path = join(site.root, "run", "guard.sock");
    expect(servingGuard(path)?.pid).toBe(guardPid);
    expect(prepareDirectory(path)).toBe(null);
  }));

test("a guard that does not make its socket anew is replaced, and ends PostgreSQL", () =>
  withSite(async (site) => {
    const client = site.client();
    await startPrimary(site, client);
    const guardPid = client.view().pid ?? 0;
    client.close();
    process.kill(guardPid, "SIGSTOP");
    rmSync(join(site.root, "run", "guard.sock"));
    const next = site.client();
    await until("it is frozen", () => site.group.allStopped(null));
    await untilView(next, "another guard answers", (view) => view.state === "ok" && view.pid !== guardPid);
    expect(isAlive(guardPid)).toBe(false);
    await until("nothing is left", () => site.group.members().length === 0);
    expect(next.view()).toMatchObject({ armed: null, endedEpoch: 0 });
  }));

test("a guard that no file names is found by its command line, and no other one is started beside it", () =>
  withSite(async (site) => {
    const client = site.client();
    const pid = await startPrimary(site, client);
    const guardPid = client.view().pid ?? 0;
    client.close();
    rmSync(join(site.root, "run", "guard.sock"));
    rmSync(join(site.dataDir, OWNER_FILE));
    // It holds the lock without a name: no other owner to its own agent, and one to every other.
    expect(ownedByAnother(site.dataDir, site.root)).toBeNull();
    expect(ownedByAnother(site.dataDir, join(site.root, "other"))).toContain(
      "another process holds its lock",
    );
    const next = site.client();
    await connected(next);
    expect(next.view()).toMatchObject({ pid: guardPid, postmaster: { pid, epoch: 3 } });
    await until("it acknowledges", () => site.acknowledges());
  }));

test("a guard that ends leaves the socket of another one alone", () =>
  withSite(async (site) => {
    const client = site.client();
    await connected(client);
    const guardPid = client.view().pid ?? 0;
    // The place was moved away, and another one is there by now, with what another guard has made.
    const place = join(site.root, "run");
    renameSync(place, join(site.root, "former"));
    mkdirSync(place);
    writeFileSync(join(place, "guard.sock"), "");
    await new Promise<void>((resolve) => client.shutdown(resolve));
    await until("it is gone", () => !isAlive(guardPid));
    expect(existsSync(join(place, "guard.sock"))).toBe(true);
  }));

test("a primary does not start without a lease, a standby does and is promoted with one", () =>
  withSite(async (site) => {
    const client = site.client();
    await connected(client);
    expect(await reply((done) => client.start(site.spec(3), done))).toEqual({
      ok: false,
      error: "epoch 3 is not armed",
    });
    await startStandby(site, client);
    expect(client.view().postmaster).toMatchObject({ writable: false, epoch: null });
    expect(await reply((done) => client.promote(3, done))).toEqual({
      ok: false,
      error: "epoch 3 is not armed",
    });
    await armFor(site, client, 60_000);
    expect(await reply((done) => client.promote(3, done))).toEqual({ ok: true });
    expect(client.view().postmaster).toMatchObject({ writable: true, epoch: 3 });
    await until("the signal arrives", () => site.read("signals").includes("promoted"));
    expect((await reply((done) => client.end(3, done))).ok).toBe(false);
  }));

test("a fast shutdown is reported when everything is gone, and then the epoch ends for ever", () =>
  withSite(async (site) => {
    const client = site.client();
    const pid = await startPrimary(site, client);
    expect(await reply((done) => client.signal("fast", done))).toEqual({ ok: true });
    await untilView(client, "it is gone", (view) => view.postmaster === null);
    expect(client.view().lastExit).toMatchObject({ pid, code: 0, signal: null, fenced: false });
    expect(await reply((done) => client.end(3, done))).toEqual({ ok: true });
    expect(client.view()).toMatchObject({ endedEpoch: 3, armed: null });
    expect((await reply((done) => client.arm(3, site.clock.now() + 60_000, false, done))).ok).toBe(false);
  }));

test("a new guard is told what has ended", () =>
  withSite(async (site) => {
    const client = site.client();
    await connected(client);
    await reply((done) => client.end(7, done));
    const { incarnation, pid } = client.view();
    process.kill(pid ?? 0, "SIGKILL");
    await untilView(client, "another guard answers", (view) =>
      view.state === "ok" && view.incarnation > incarnation);
    await until("it refuses", async () =>
      !(await reply((done) =>
        client.arm(7, site.clock.now() + 60_000, false, done)
      )).ok);
  }));

test("kill is done when no process is left", () =>
  withSite(async (site) => {
    const client = site.client();
    await connected(client);
    await startStandby(site, client);
    expect(await reply((done) => client.kill(done))).toEqual({ ok: true });
    expect(site.group.members()).toEqual([]);
    expect(client.view()).toMatchObject({ postmaster: null, anyProcess: false });
  }));

test("backends that outlive their postmaster are killed before its exit is reported", () =>
  withSite(async (site) => {
    const client = site.client();
    await connected(client);
    await startStandby(site, client);
    process.kill(client.view().postmaster?.pid ?? 0, "SIGKILL");
    await untilView(client, "it is gone", (view) => view.postmaster === null);
    expect(site.group.members()).toEqual([]);
    expect(client.view().lastExit).toMatchObject({ signal: "SIGKILL", fenced: false });
  }));

test("orphans without a postmaster are killed before anything starts", () =>
  withSite(async (site) => {
    const orphan = startDetached("exec sleep 60", site.dataDir);
    const client = site.client();
    await connected(client);
    await startStandby(site, client);
    expect(isAlive(orphan)).toBe(false);
  }));

test("in a directory that is not PostgreSQL's nobody's process is killed, and nothing is written", () =>
  withSite(async (site) => {
    rmSync(join(site.dataDir, "PG_VERSION"), { force: true });
    writeFileSync(join(site.dataDir, "photo"), "holiday");
    const somebody = startDetached("exec sleep 60", site.dataDir);
    await until("it is there", () => site.group.members().some(({ pid }) => pid === somebody));
    const client = site.client();
    await connected(client);
    expect(await reply((done) => client.kill(done))).toEqual({ ok: true });
    expect(isAlive(somebody)).toBe(true);
    expect(client.view()).toMatchObject({ postmaster: null, anyProcess: false });
    await new Promise<void>((resolve) => client.shutdown(resolve));
    expect(isAlive(somebody)).toBe(true);
    expect(readdirSync(site.dataDir)).toEqual(["photo"]);
    process.kill(somebody, "SIGKILL");
  }));

test("what the agent itself runs in the directory is left alone, with its children", () =>
  withSite(async (site) => {
    const tool = Bun.spawn(["sh", "-c", "sleep 60 & echo; wait"], { cwd: site.dataDir, stdout: "pipe" });
    await tool.stdout.getReader().read();
    const client = site.client();
    await connected(client);
    await reply((done) => client.kill(done));
    expect(site.group.members().map((member) => member.name).sort()).toEqual(["sh", "sleep"]);
    expect(isAlive(tool.pid)).toBe(true);
  }));

test("a PostgreSQL left frozen by a guard that was killed is ended by the next one", () =>
  withSite(async (site) => {
    const first = site.client();
    const pid = await startPrimary(site, first);
    await armFor(site, first, 700);
    const guardPid = first.view().pid ?? 0;
    first.close();
    await until("it is frozen", () => readProcess(pid)?.state === "T");
    process.kill(guardPid, "SIGKILL");
    await until("the guard is gone", () => !isAlive(guardPid));
    expect(isAlive(pid)).toBe(true);
    const next = site.client();
    await connected(next);
    await untilView(next, "nothing is left", (view) => !view.anyProcess);
    expect(site.group.members()).toEqual([]);
  }));

test("the lock of a predecessor that is dead but not reaped does not keep PostgreSQL from starting", () =>
  withSite(async (site) => {
    const zombie = await startZombie();
    try {
      await Bun.write(join(site.dataDir, "postmaster.pid"), `${zombie.pid}\n`);
      const client = site.client();
      await connected(client);
      expect(await reply((done) => client.start(site.spec(null), done))).toEqual({ ok: true });
      await until("it runs", () => site.isUp());
    } finally {
      await zombie.end();
    }
  }));

test("PostgreSQL inherits none of the guard's privileges", () =>
  withSite(async (site) => {
    const client = site.client();
    await connected(client);
    await startStandby(site, client);
    const pid = client.view().postmaster?.pid ?? 0;
    const stat = await Bun.file(`/proc/${pid}/stat`).text();
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [nice, policy] = [fields[16], fields[38]];
    expect(policy).toBe("0");
    expect(Number(nice)).toBeGreaterThanOrEqual(0);
    const score = (of: number | string) => Bun.file(`/proc/${of}/oom_score_adj`).text();
    expect(await score(pid)).toBe(await score("self"));
  }));

test("a running PostgreSQL is adopted, declared, and its end is noticed", () =>
  withSite(async (site) => {
    const pid = site.startByHand();
    await until("it runs", () => site.isUp());
    const client = site.unmanagedClient();
    await connected(client);
    expect(client.view()).toMatchObject({
      state: "partial",
      postmaster: { pid, writable: true, epoch: null, child: false },
    });
    expect((await reply((done) => client.start(site.spec(null), done))).ok).toBe(false);
    expect(await reply((done) => client.adopt(null, done))).toEqual({ ok: true });
    expect(client.view().postmaster).toMatchObject({ writable: false });
    process.kill(pid, "SIGKILL");
    await untilView(client, "its end is noticed", (view) => view.postmaster === null);
    expect(site.group.members()).toEqual([]);
  }));

test("an adopted primary is fenced like any other, and survives the guard", () =>
  withSite(async (site) => {
    const pid = site.startByHand();
    await until("it runs", () => site.isUp());
    const client = site.unmanagedClient();
    await connected(client);
    const { pid: guardPid, incarnation } = client.view();
    process.kill(guardPid ?? 0, "SIGKILL");
    await untilView(client, "another guard answers", (view) =>
      view.state === "partial" && view.incarnation > incarnation);
    expect(isAlive(pid)).toBe(true);
    await armFor(site, client, 60_000);
    expect(
      await reply((done) =>
        client.adopt(3, done)
      ),
    ).toEqual({ ok: true });
    await armFor(site, client, 700);
    await untilView(client, "it is frozen", (view) => view.postmaster?.phase === "frozen");
    expect(await site.acknowledges()).toBe(false);
  }));

test("the newest agent is the controller, the older one is told", () =>
  withSite(async (site) => {
    let superseded = false;
    const older = site.client(() => superseded = true);
    await connected(older);
    const newer = site.client();
    await connected(newer);
    await until("the older one is told", () => superseded);
    expect(await reply((done) => newer.ping(done))).toEqual({ ok: true });
    expect((await reply((done) => older.ping(done))).ok).toBe(false);
  }));

test("PostgreSQL gets a session of its own, no descriptor of ours, and not our supervision's variables", () =>
  withSite(async (site) => {
    const client = site.client();
    await connected(client);
    expect(
      await reply((done) =>
        client.start(site.spec(null, { NOTIFY_SOCKET: "/x", BUN_OPTIONS: "y", LANG: "C" }), done)
      ),
    ).toEqual({ ok: true });
    await until("it runs", () => site.isUp());
    const pid = client.view().postmaster?.pid ?? 0;
    expect(site.read("environment")).toContain("LANG=C");
    expect(site.read("environment")).not.toMatch(/NOTIFY_SOCKET|BUN_OPTIONS/);
    expect(site.read("arguments").trim()).toBe(`-D ${site.dataDir}`);
    // 3 and above would be the guard's; the shell itself keeps its script at 10 or 255.
    expect(site.read("descriptors").trim().split("\n").filter((fd) => Number(fd) < 10)).toEqual([
      "0",
      "1",
      "2",
    ]);
    const statusNow = () => readFileSync(`/proc/${pid}/status`, "utf8");
    // A shell blocks signals itself while it forks.
    await until("it blocks no signal", () => /^SigBlk:\s*0+$/m.test(statusNow()));
    const status = statusNow();
    expect(status).toMatch(/^SigIgn:\s*0+$/m);
    expect(status).toMatch(new RegExp(`^NSsid:\\s*${pid}$`, "m"));
  }));

test(
  "a guard whose agent ended before it connected does not wait for the next one",
  () =>
    withSite(async (site) => {
      const socketPath = join(site.root, "run", "guard.sock");
      const entry = join(import.meta.dir, "testing.ts");
      mkdirSync(join(site.root, "run"), { recursive: true });
      const arguments_ = ["guard", "--socket", socketPath, "--data-dir", site.dataDir];
      const guard = Bun.spawn([process.execPath, entry, ...arguments_], { stderr: "ignore" });
      await until("it serves", () => existsSync(socketPath));
      await guard.exited;
      expect(existsSync(socketPath)).toBe(false);
    }),
  60_000,
);

test(
  "nor does one whose agent went without a word, beside a server that it was told nothing of",
  () =>
    withSite(async (site) => {
      const pid = site.startByHand();
      await until("it runs", () => site.isUp());
      const client = site.unmanagedClient();
      await untilView(client, "it is adopted", (view) => view.state === "partial");
      const guardPid = client.view().pid ?? 0;
      client.close();
      await until("the guard has ended", () => !isAlive(guardPid));
      expect(isAlive(pid)).toBe(true);
      expect(ownedByAnother(site.dataDir, join(site.root, "other"))).toBeNull();
    }),
  60_000,
);

test("a second guard for the same socket goes away", () =>
  withSite(async (site) => {
    const client = site.client();
    await connected(client);
    const entry = join(import.meta.dir, "testing.ts");
    const socketPath = join(site.root, "run", "guard.sock");
    const second = Bun.spawn([
      process.execPath,
      entry,
      "guard",
      "--socket",
      socketPath,
      "--data-dir",
      site.dataDir,
    ], {
      stderr: "ignore",
    });
    expect(await second.exited).toBe(3);
    expect(await reply((done) => client.ping(done))).toEqual({ ok: true });
  }));

test("garbage on the socket harms nobody else", () =>
  withSite(async (site) => {
    const client = site.client();
    await connected(client);
    for (const garbage of ["\0\0\0\n", "{}\n", '{"id":1,"op":"kill"}\n', "x".repeat(100_000)]) {
      const stranger = await Bun.connect({
        unix: join(site.root, "run", "guard.sock"),
        socket: { data() {} },
      });
      stranger.write(garbage);
      stranger.flush();
      await Bun.sleep(5);
      stranger.end();
    }
    expect(await reply((done) => client.ping(done))).toEqual({ ok: true });
  }));

test("a guard with nothing to guard ends when it is asked to, and every callback is answered without one", () =>
  withSite(async (site) => {
    const client = site.client();
    await connected(client);
    const guardPid = client.view().pid ?? 0;
    await new Promise<void>((resolve) => client.shutdown(resolve));
    await until("the guard has ended", () => !isAlive(guardPid));
    expect(await reply((done) => client.ping(done))).toEqual({ ok: false, error: "no guard answers" });
    expect(await reply((done) => client.arm(1, 0, false, done))).toEqual({
      ok: false,
      error: "no guard answers",
    });
  }));

test("an agent of another raft directory gets nothing of a data directory that is in use", () =>
  withSite(async (site) => {
    const client = site.client();
    const pid = await startPrimary(site, client);
    const taken: string[] = [];
    const other = site.otherClient((why) => taken.push(why));
    await until("it is told", () => taken.length > 0);
    expect(taken[0]).toContain(`the raft directory ${site.root} owns it`);
    expect(other.view()).toMatchObject({ postmaster: null, anyProcess: true });
    for (const call of [other.claim.bind(other), other.kill.bind(other)]) {
      expect(await reply(call)).toEqual({ ok: false, error: taken[0]! });
    }
    await reply((done) => other.arm(9, site.clock.now() + 60_000, false, done));
    expect(await reply((done) => other.start(site.spec(9), done))).toEqual({ ok: false, error: taken[0]! });
    expect(isAlive(pid)).toBe(true);
    await until("it acknowledges", () => site.acknowledges());
    // The agent ends, PostgreSQL goes on: the directory is in use as before.
    client.close();
    expect(await reply((done) => other.claim(done))).toMatchObject({ ok: false });
    const next = site.client();
    await connected(next);
    expect(next.view().postmaster).toMatchObject({ pid, epoch: 3 });
    // Nothing runs and nobody is there: free.
    await reply((done) => next.kill(done));
    next.close();
    await until("the other may", async () => (await reply((done) => other.claim(done))).ok);
  }));
