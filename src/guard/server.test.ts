/** Who may speak to the guard, and whom it obeys. */
import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../lib/process_table.ts";
import type { GuardDone, GuardReply } from "./port.ts";
import { LineReader } from "./protocol.ts";
import { fencesNothing, mayControl } from "./may_control.ts";
import { connected, reply, type Site, until, withSite } from "./testing.ts";

/** An agent that does not end when it is told to: it goes on asking. */
async function stubborn(site: Site) {
  const reader = new LineReader();
  const answers: { readonly id?: number; readonly reply?: GuardReply }[] = [];
  const socket = await Bun.connect({
    unix: join(site.root, "run", "guard.sock"),
    socket: {
      data: (_, chunk) => void answers.push(...reader.push(chunk)!.map((line) => JSON.parse(line))),
    },
  });
  let id = 0;
  return {
    async ask(request: { readonly op: string; readonly [field: string]: unknown }) {
      socket.write(`${JSON.stringify({ id: ++id, ...request })}\n`);
      const answer = () => answers.find((one) => one.id === id);
      await until("it is answered", () => answer() !== undefined);
      return answer()!.reply;
    },
    end: () => socket.end(),
  };
}

test("the socket is for the guard's own user, and so is the directory around it", () =>
  withSite(async (site) => {
    await connected(site.client());
    const mode = (path: string) => (statSync(join(site.root, path)).mode & 0o777).toString(8);
    await until("it is", () => mode("run/guard.sock") === "600");
    expect([mode("run"), mode("run/guard.sock"), mode("run/guard.lock")]).toEqual(["700", "600", "600"]);
  }));

test("a guard is controlled by its own user and by root, and by nobody else", () => {
  expect([mayControl(26, 26), mayControl(0, 26), mayControl(26, 0), mayControl(1000, 26)])
    .toEqual([true, true, false, false]);
});

test("whoever has not greeted is obeyed in nothing", () =>
  withSite(async (site) => {
    const client = site.client();
    await connected(client);
    const other = await stubborn(site);
    for (const op of ["kill", "quit", "ping"]) {
      expect(await other.ask({ op })).toEqual({ ok: false, error: "you are not the controller" });
    }
    const arm = { op: "arm", epoch: 9, deadlineMs: site.clock.now() + 60_000, unfenced: true };
    expect(await other.ask(arm)).toEqual({ ok: false, error: "you are not the controller" });
    other.end();
    expect(await reply((done) => client.ping(done))).toEqual({ ok: true });
    expect(client.view().armed).toBeNull();
  }));

test("a guard of another data directory is neither armed nor told to start anything, and ends when nothing runs", () =>
  withSite(async (site) => {
    const client = site.client();
    await connected(client);
    expect(await reply((done) => client.start(site.spec(null), done))).toEqual({ ok: true });
    await until("it runs", () => site.isUp());
    const { pid, postmaster } = client.view();
    client.close();
    const elsewhere = join(site.root, "elsewhere");
    const next = site.clientElsewhere(elsewhere);
    await until("it has met the guard", () => site.log.lines.join().includes(`not for ${elsewhere}`));
    const arm = (done: GuardDone) => next.arm(3, site.clock.now() + 60_000, false, done);
    expect(await reply(arm)).toEqual({ ok: false, error: "no guard answers" });
    expect(next.view()).toMatchObject({ state: "none", armed: null, postmaster: null, anyProcess: true });
    expect(isAlive(postmaster!.pid)).toBe(true);
    process.kill(postmaster!.pid, "SIGINT");
    await until("a guard of its own answers", () => next.view().state === "ok");
    expect(next.view().pid).not.toBe(pid);
    expect(await reply(arm)).toEqual({ ok: true });
  }));

test("a guard may be ended beside a server whose role it was never told, and beside no other", () => {
  const postmaster = { pid: 7, writable: true, epoch: null, phase: "running", child: false } as const;
  const armed = { epoch: 3, deadlineMs: 1, unfenced: false };
  expect(fencesNothing({ postmaster, armed: null })).toBe(true);
  expect(fencesNothing({ postmaster: { ...postmaster, epoch: 3 }, armed: null })).toBe(false);
  expect(fencesNothing({ postmaster: { ...postmaster, writable: false }, armed: null })).toBe(false);
  expect(fencesNothing({ postmaster, armed })).toBe(false);
  expect(fencesNothing({ postmaster: null, armed: null })).toBe(false);
});
