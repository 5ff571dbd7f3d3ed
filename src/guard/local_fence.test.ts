import { expect, test } from "bun:test";
import type { Clock } from "../../raft/mod.ts";
import { silentLog } from "../lib/log.ts";
import { LocalFence } from "./local_fence.ts";
import type { Postmaster } from "../model/guard_view.ts";
import type { ProcessGroup } from "./process_group.ts";
import type { WireView } from "./protocol.ts";

class ManualClock implements Clock {
  nowMs = 0;
  #timers: { dueMs: number; fire: () => void }[] = [];

  now(): number {
    return this.nowMs;
  }

  after(delayMs: number, fire: () => void) {
    const timer = { dueMs: this.nowMs + delayMs, fire };
    this.#timers.push(timer);
    return { cancel: () => this.#timers = this.#timers.filter((other) => other !== timer) };
  }

  soon(fire: () => void): void {
    this.after(0, fire);
  }

  advanceTo(untilMs: number): void {
    for (;;) {
      const next = this.#timers.sort((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined || next.dueMs > untilMs) break;
      this.#timers.shift();
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      next.fire();
    }
    this.nowMs = untilMs;
  }
}

function setUp(unmanaged = false) {
  const clock = new ManualClock();
  const did: string[] = [];
  const note = (what: string) => {
    if (did.at(-1)?.startsWith(what) !== true) did.push(`${what} ${clock.nowMs}`);
  };
  let passes = 2;
  const found = { members: 3, state: "S", unfenced: false };
  const fence = new LocalFence({
    clock,
    log: silentLog,
    killAfterMs: () => 3000,
    unfenced: () => found.unfenced,
    unmanaged,
    onKilled: (fenced) => did.push(`killed ${fenced ? "fenced" : "for the guard"}`),
    group: {
      freeze: () => (note("freeze"), 0),
      thaw: () => (note("thaw"), 0),
      follow: () => {},
      members: () =>
        Array.from({ length: found.members }, () => ({ state: found.state })) as ReturnType<
          ProcessGroup["members"]
        >,
      kill: () => {
        note("kill");
        return --passes <= 0;
      },
      resolve: () => {},
    },
  });
  return { clock, did, fence, found };
}

function view(postmaster: Partial<Postmaster> | null, deadlineMs = 1000): WireView {
  return {
    armed: { epoch: 3, deadlineMs, unfenced: false },
    endedEpoch: 0,
    postmaster: postmaster === null
      ? null
      : { pid: 2 ** 22 + 1, writable: true, epoch: 3, phase: "running", child: true, ...postmaster },
    anyProcess: postmaster !== null,
    allStopped: false,
    lastExit: null,
    lateMs: 0,
  };
}

test("what a silent guard leaves running is frozen shortly after the deadline, then killed", () => {
  const { clock, did, fence } = setUp();
  fence.armed(1000);
  fence.guardSays(view({}));
  clock.advanceTo(1199);
  expect(did).toEqual([]);
  clock.advanceTo(1210);
  expect(did).toEqual(["freeze 1205"]);
  clock.advanceTo(10_000);
  expect(did).toEqual(["freeze 1205", "kill 4205", "killed fenced"]);
});

test("a guard that freezes in time is left alone", () => {
  const { clock, did, fence } = setUp();
  fence.armed(1000);
  fence.guardSays(view({}));
  clock.advanceTo(1001);
  fence.guardSays(view({ phase: "frozen" }));
  clock.advanceTo(10_000);
  expect(did).toEqual([]);
});

test("what the guard has said while the agent's own loop was late is read first", () => {
  const { clock, did, fence } = setUp();
  fence.armed(1000);
  fence.guardSays(view({}));
  clock.advanceTo(1202);
  fence.guardSays(view({ phase: "frozen" }));
  clock.advanceTo(10_000);
  expect(did).toEqual([]);
});

test("a standby is not frozen, nor what is unfenced", () => {
  const { clock, did, fence } = setUp();
  fence.armed(1000);
  fence.guardSays(view({ writable: false, epoch: null }));
  clock.advanceTo(5000);
  fence.guardSays(view({}, 6000));
  fence.armed(null);
  clock.advanceTo(10_000);
  expect(did).toEqual([]);
});

test("a promotion without an answer counts as one that happened", () => {
  const { clock, did, fence } = setUp();
  fence.armed(1000);
  fence.guardSays(view({ writable: false, epoch: null }));
  fence.primaryRequested(true);
  clock.advanceTo(1300);
  expect(did).toEqual(["freeze 1205"]);
});

test("a guard that comes back thaws it, if the lease was renewed with time left", () => {
  const { clock, did, fence } = setUp();
  fence.armed(1000);
  fence.guardSays(view({}));
  clock.advanceTo(1500);
  fence.armed(1900);
  fence.guardSays(view({}, 1900));
  expect(did).toEqual(["freeze 1205"]);
  fence.armed(3000);
  fence.guardSays(view({}, 3000));
  expect(did).toEqual(["freeze 1205", "thaw 1500"]);
  clock.advanceTo(2999);
  expect(did.length).toBe(2);
});

test("a guard that comes back and freezes it itself has the say again", () => {
  const { clock, did, fence } = setUp();
  fence.armed(1000);
  fence.guardSays(view({}));
  clock.advanceTo(1500);
  fence.guardSays(view({ phase: "frozen" }));
  expect(fence.phase()).toBe("watching");
  clock.advanceTo(10_000);
  expect(did).toEqual(["freeze 1205"]);
});

test("what the agent stopped after the guard, unheard yet, had made it go on, goes on", () => {
  const { clock, did, fence } = setUp();
  fence.armed(1000);
  fence.guardSays(view({}));
  clock.advanceTo(1500);
  // Both lay unread: it was frozen by the guard, too, and thawed with the renewal before this fence's last
  // SIGSTOP.
  fence.armed(60_000);
  fence.guardSays(view({ phase: "frozen" }));
  expect(did).toEqual(["freeze 1205"]);
  fence.guardSays(view({}, 60_000));
  expect(did).toEqual(["freeze 1205", "thaw 1500"]);
  clock.advanceTo(3000);
  fence.guardSays(view({}, 60_000));
  expect(did.length).toBe(2);
  // Without a lease that lasts it is left as it is.
  const late = setUp();
  late.fence.armed(1000);
  late.fence.guardSays(view({}));
  late.clock.advanceTo(1500);
  late.fence.guardSays(view({ phase: "frozen" }));
  late.fence.guardSays(view({}, 1600));
  expect(late.did).toEqual(["freeze 1205"]);
});

test("what an earlier agent had stopped before it ended goes on when the guard says that it runs", () => {
  const standby = setUp();
  standby.found.state = "T";
  standby.fence.guardSays(view({ writable: false }));
  expect(standby.did).toEqual(["thaw 0"]);
  // A primary only under a lease that lasts, or none that ends.
  const primary = setUp();
  primary.found.state = "T";
  primary.fence.guardSays({ ...view({}), armed: null });
  primary.fence.guardSays(view({}, 100));
  primary.fence.guardSays(view({ phase: "frozen" }, 60_000));
  expect(primary.did).toEqual([]);
  primary.fence.guardSays(view({}, 60_000));
  primary.fence.guardSays(view({}, 60_000));
  expect(primary.did).toEqual(["thaw 0"]);
  const inPause = setUp();
  inPause.found.state = "T";
  inPause.fence.guardSays({ ...view({}), armed: { epoch: 3, deadlineMs: 0, unfenced: true } });
  expect(inPause.did).toEqual(["thaw 0"]);
  // What runs is left alone.
  const running = setUp();
  running.fence.guardSays(view({}, 60_000));
  running.found.state = "T";
  running.fence.guardSays(view({}, 60_000));
  expect(running.did).toEqual([]);
});

test("a shutdown that a silent guard does not bound is frozen too", () => {
  const { clock, did, fence } = setUp();
  fence.armed(1000);
  clock.advanceTo(900);
  fence.guardSays(view({ phase: "ending" }));
  clock.advanceTo(1800);
  expect(did).toEqual([]);
  clock.advanceTo(2400);
  expect(did[0]).toStartWith("freeze");
});

test("what runs while no guard has ever answered is frozen at once, and killed if that lasts", () => {
  const { clock, did, fence } = setUp();
  clock.advanceTo(1000);
  fence.guardUnheard();
  expect(did).toEqual(["freeze 1000"]);
  clock.advanceTo(10_900);
  expect(did).toEqual(["freeze 1000"]);
  clock.advanceTo(11_500);
  expect(did).toEqual(["freeze 1000", "kill 11000", "killed fenced"]);
});

test("where nothing runs, or the epoch is unfenced, a guard that was never heard is merely waited for", () => {
  const idle = setUp();
  idle.found.members = 0;
  idle.fence.guardUnheard();
  const paused = setUp();
  paused.found.unfenced = true;
  paused.fence.guardUnheard();
  for (const { clock, did } of [idle, paused]) {
    clock.advanceTo(60_000);
    expect(did).toEqual([]);
  }
});

test("the first word of a guard ends such a freeze: thawed with a lease or as a standby, else left to the guard", () => {
  const leased = setUp();
  leased.fence.guardUnheard();
  leased.fence.guardSays(view({}, 60_000));
  expect(leased.did).toEqual(["freeze 0", "thaw 0"]);
  const standby = setUp();
  standby.fence.guardUnheard();
  standby.fence.guardSays(view({ writable: false, epoch: null }));
  expect(standby.did).toEqual(["freeze 0", "thaw 0"]);
  const over = setUp();
  over.fence.guardUnheard();
  over.fence.guardSays(view({}, 100));
  over.clock.advanceTo(50);
  expect(over.did).toEqual(["freeze 0"]);
});

test("records that turn out to be those of a pause end it, too", () => {
  const { clock, did, fence, found } = setUp();
  fence.guardUnheard();
  clock.advanceTo(50);
  found.unfenced = true;
  clock.advanceTo(500);
  expect(did).toEqual(["freeze 0", "thaw 100"]);
});

test("without a guard everything is killed, until nothing is left", () => {
  const { clock, did, fence } = setUp();
  fence.guardSays(view({}));
  fence.killAll("the guard is gone");
  expect(did).toEqual(["kill 0"]);
  clock.advanceTo(50);
  expect(did).toEqual(["kill 0", "killed for the guard"]);
});

test("a server that no agent has managed is neither frozen nor killed before the guard knows its role", () => {
  const undeclared = { epoch: null, child: false };
  const { clock, did, fence } = setUp(true);
  fence.guardUnheard();
  fence.armed(1000);
  fence.guardSays(view(undeclared));
  clock.advanceTo(60_000);
  expect(did).toEqual([]);
  // Once it may be this agent's primary, it is fenced like any other: asked for, and declared.
  fence.primaryRequested(true);
  clock.advanceTo(61_000);
  expect(did).toEqual([expect.stringContaining("freeze 6")]);
  const declared = setUp(true);
  declared.fence.armed(1000);
  declared.fence.guardSays(view(undeclared));
  declared.fence.guardSays(view({ child: false }));
  declared.clock.advanceTo(1300);
  expect(declared.did).toEqual(["freeze 1205"]);
  // Another guard finds it running: it is this agent's still.
  declared.fence.guardSays(view(undeclared));
  declared.clock.advanceTo(60_000);
  expect(declared.did).toEqual(["freeze 1205", expect.stringMatching(/^kill 4/), "killed fenced"]);
});
