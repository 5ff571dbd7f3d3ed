/** What the guard does first when it wakes up, with clocks that a test sets and a process that is not stopped really. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import type { Clock, Timer } from "../../raft/mod.ts";
import { Guard } from "./guard.ts";
import type { GuardReply } from "./port.ts";
import { ProcessGroup } from "./process_group.ts";
import { SIGSTOP } from "./signals.ts";

class Host implements Clock {
  nowMs = 1000;
  wallMs = 50_000_000;
  fire: (() => void) | null = null;
  readonly directory = mkdtempSync(join(tmpdir(), "guard-clock-"));
  child: Subprocess | null = null;
  readonly notices: string[] = [];
  readonly signals: number[] = [];
  readonly guard: Guard;
  /** SIGKILL is queued for whoever is left. */
  kept = false;

  constructor() {
    const send = (_pid: number, signal: number) => {
      this.signals.push(signal);
      return { ok: true as const, value: 0 };
    };
    const group = new ProcessGroup(this.directory, () => ({ guard: 0, agent: 0 }), send);
    const looked = group.allDoomed.bind(group);
    group.allDoomed = (named) => this.kept || looked(named);
    this.guard = new Guard({
      clock: this,
      wallMs: () => this.wallMs,
      group,
      killAfterMs: 5000,
      claim: () => ({ kind: "ours" }),
      launch: () => {
        this.child = Bun.spawn(["sleep", "60"], { cwd: this.directory });
        return this.child.pid;
      },
      reap: () => null,
      onView: () => {},
      onNotice: ({ event, text }) => this.notices.push(`${event}: ${text}`),
    });
    this.ask({ op: "arm", epoch: 3, deadlineMs: this.nowMs + 4500, unfenced: false });
    const spec = { program: "sleep", args: [], env: {}, dataDir: this.directory, epoch: 3 };
    expect(this.ask({ op: "start", spec })).toEqual({ ok: true });
  }

  now(): number {
    return this.nowMs;
  }

  after(_delayMs: number, fire: () => void): Timer {
    this.fire = fire;
    return { cancel: () => void (this.fire === fire && (this.fire = null)) };
  }

  soon(): void {}

  /** Both clocks run on, nothing runs on this host. */
  sleep(ms: number): void {
    this.nowMs += ms;
    this.wallMs += ms;
  }

  ask(request: Parameters<Guard["handle"]>[0]): GuardReply | null {
    let answer: GuardReply | null = null;
    this.guard.handle(request, (reply) => answer = reply);
    return answer;
  }
}

let host: Host;

beforeEach(() => {
  host = new Host();
});
afterEach(() => {
  host.child?.kill("SIGKILL");
  rmSync(host.directory, { recursive: true });
});

test("back from a suspension, the deadline comes before what waits on the socket", () => {
  host.sleep(60_000);
  host.ask({ op: "ping" });
  expect(host.signals).toContain(SIGSTOP);
  expect(host.guard.view().postmaster?.phase).toBe("frozen");
  expect(host.notices.at(-1)).toStartWith("clock: the guard stood still for 59.8 s");
  expect(host.notices.findIndex((text) => text.startsWith("frozen"))).toBe(0);
});

test("by its timer as well, and it counts as lateness", () => {
  host.sleep(60_000);
  host.fire?.();
  expect(host.guard.view()).toMatchObject({ postmaster: { phase: "frozen" }, lateMs: 59_750 });
  expect(host.guard.view().clocks).toMatchObject({ jumps: 1, last: { kind: "stall", byMs: 59_750 } });
});

test("a renewal that waited is taken before the freeze: the lease runs", () => {
  host.sleep(5000);
  host.ask({ op: "arm", epoch: 3, deadlineMs: host.nowMs + 4000, unfenced: false });
  expect(host.signals).toEqual([]);
  expect(host.guard.view().postmaster?.phase).toBe("running");
});

test("the wall clock decides nothing: it is reported, and the deadline stays", () => {
  host.ask({ op: "ping" });
  host.wallMs += 3_600_000;
  host.ask({ op: "ping" });
  host.wallMs -= 7_200_000;
  host.ask({ op: "ping" });
  expect(host.signals).toEqual([]);
  expect(host.notices.map((text) => text.slice(0, 33))).toEqual([
    "clock: the wall clock went ahead ",
    "clock: the wall clock went back b",
  ]);
  expect(host.guard.view()).toMatchObject({ clocks: { jumps: 2 }, armed: { deadlineMs: 5500 } });
});

test("an epoch ends beside what was killed and the kernel keeps, and not beside what may still run", () => {
  expect(host.ask({ op: "kill" })).toBeNull();
  // The signal was not sent: the process runs.
  host.fire?.();
  expect(host.guard.view().postmaster).toMatchObject({ phase: "ending", writable: true });
  expect(host.ask({ op: "end", epoch: 3 })?.ok).toBe(false);
  host.kept = true;
  host.fire?.();
  expect(host.guard.view().postmaster).toMatchObject({ phase: "ending", writable: false, epoch: 3 });
  expect(host.guard.view().anyProcess).toBe(true);
  expect(host.ask({ op: "end", epoch: 3 })).toEqual({ ok: true });
});
