/**
 * What the guard does first when it wakes up, with clocks that a test sets and a process that is not stopped
 * really.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import type { Clock, Timer } from "../../raft/mod.ts";
import { readProcess } from "../lib/process_table.ts";
import { startZombie } from "../lib/testing_zombie.ts";
import type { Claim } from "./directory_owner.ts";
import { Guard } from "./guard.ts";
import type { ChildExit } from "./guard_parts.ts";
import type { GuardReply } from "./port.ts";
import { ProcessGroup } from "./process_group.ts";
import { SIGKILL, SIGSTOP } from "./signals.ts";
import { startDetached, until } from "./testing.ts";

class Host implements Clock {
  nowMs = 1000;
  wallMs = 50_000_000;
  fire: (() => void) | null = null;
  readonly directory = mkdtempSync(join(tmpdir(), "guard-clock-"));
  child: Subprocess | null = null;
  exited: ((exit: ChildExit) => void) | null = null;
  readonly notices: string[] = [];
  readonly signals: number[] = [];
  /** How long it takes until a signal is sent. */
  signalMs = 0;
  readonly group: ProcessGroup;
  guard: Guard;
  /** SIGKILL is queued for every process that is left. */
  kept = false;
  claim: Claim = { kind: "ours" };

  constructor() {
    const send = (_pid: number, signal: number) => {
      this.signals.push(signal);
      this.sleep(this.signalMs);
      return { ok: true as const, value: 0 };
    };
    const group = this.group = new ProcessGroup(this.directory, () => ({ guard: 0, agent: 0 }), send);
    const looked = group.allDoomed.bind(group);
    group.allDoomed = (named) => this.kept || looked(named);
    this.guard = this.guardOf(group);
    this.ask({ op: "arm", epoch: 3, deadlineMs: this.nowMs + 4500, unfenced: false });
  }

  guardOf(group: ProcessGroup): Guard {
    return new Guard({
      clock: this,
      wallMs: () => this.wallMs,
      group,
      killAfterMs: 5000,
      claim: () => this.claim,
      launch: (_spec, exited) => {
        this.exited = exited;
        this.child = Bun.spawn(["sleep", "60"], { cwd: this.directory });
        return this.child.pid;
      },
      reap: () => null,
      onView: () => {},
      onNotice: ({ event, text }) => this.notices.push(`${event}: ${text}`),
    });
  }

  start(dataDir = this.directory): GuardReply | null {
    return this.ask({ op: "start", spec: { program: "sleep", args: [], env: {}, dataDir, epoch: 3 } });
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
/** The same, with nothing started. */
let idle: Host;

beforeEach(() => {
  [host, idle] = [new Host(), new Host()];
  expect(host.start()).toEqual({ ok: true });
});
afterEach(() => {
  for (const { child, directory } of [host, idle]) {
    child?.kill("SIGKILL");
    rmSync(directory, { recursive: true });
  }
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

test("what a fence takes is no step of the wall clock", () => {
  host.ask({ op: "ping" });
  host.signalMs = 400;
  host.sleep(60_000);
  host.ask({ op: "ping" });
  host.sleep(100);
  host.ask({ op: "ping" });
  expect(host.signals).toContain(SIGSTOP);
  expect(host.notices.filter((text) => text.includes("wall clock"))).toEqual([]);
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

test("all are stopped when they are seen stopped, not when they were told to be, and no longer than until they go on", async () => {
  const allStopped = () => host.guard.view().allStopped;
  host.sleep(5000);
  host.ask({ op: "ping" });
  expect(host.guard.view().postmaster?.phase).toBe("frozen");
  expect(allStopped()).toBe(false);
  // The signal takes effect.
  host.child!.kill("SIGSTOP");
  await until("it is stopped", () => readProcess(host.child!.pid)?.state === "T");
  host.sleep(100);
  host.fire?.();
  expect(allStopped()).toBe(true);
  host.ask({ op: "arm", epoch: 3, deadlineMs: host.nowMs + 4000, unfenced: false });
  expect(host.guard.view().postmaster?.phase).toBe("running");
  expect(allStopped()).toBe(false);
});

test("what was left frozen is killed, and what runs is adopted", async () => {
  const left = startDetached("exec setsid sleep 60", idle.directory);
  try {
    await until("it runs", () => readProcess(left)?.name === "sleep");
    writeFileSync(join(idle.directory, "postmaster.pid"), `${left}\n`);
    process.kill(left, "SIGSTOP");
    await until("it is stopped", () => readProcess(left)?.state === "T");
    idle.guard.lookAround();
    expect(idle.guard.view()).toMatchObject({ postmaster: null, anyProcess: true });
    expect(idle.signals).toContain(SIGKILL);
  } finally {
    process.kill(left, "SIGKILL");
  }
});

async function startServer(directory: string): Promise<number> {
  const pid = startDetached("exec setsid sleep 60", directory);
  await until("it runs", () => readProcess(pid)?.name === "sleep");
  writeFileSync(join(directory, "postmaster.pid"), `${pid}\n`);
  return pid;
}

async function endServer(pid: number): Promise<void> {
  process.kill(pid, "SIGKILL");
  await until("it is gone", () => !["S", "R"].includes(readProcess(pid)?.state ?? ""));
}

test("a server that others restart before its role is told is left to run, and so is a standby", async () => {
  const { guard, directory, signals } = idle;
  const first = await startServer(directory);
  guard.lookAround();
  expect(guard.view().postmaster).toMatchObject({ pid: first, writable: true, epoch: null });
  await endServer(first);
  const second = await startServer(directory);
  try {
    guard.lookAtPostmaster();
    expect(guard.view().postmaster).toMatchObject({
      pid: second,
      phase: "running",
      writable: true,
      epoch: null,
    });
    expect(idle.ask({ op: "end", epoch: 3 })?.ok).toBe(false);
    // Between its first process and its lock file the next looks like what an earlier one has left behind.
    await endServer(second);
    writeFileSync(join(directory, "postmaster.pid"), "");
    const third = startDetached("exec setsid sleep 60", directory);
    try {
      await until("it runs", () => readProcess(third)?.name === "sleep");
      guard.lookAtPostmaster();
      expect(guard.view().postmaster?.pid).toBe(second);
      expect(idle.ask({ op: "end", epoch: 3 })?.ok).toBe(false);
      writeFileSync(join(directory, "postmaster.pid"), `${third}\n`);
      guard.lookAtPostmaster();
      expect(guard.view().postmaster).toMatchObject({ pid: third, phase: "running" });
      expect(signals).toEqual([]);
      // A role that was seen of an earlier one says nothing of this one.
      expect(idle.ask({ op: "adopt", epoch: null, pid: second })?.ok).toBe(false);
      expect(idle.ask({ op: "adopt", epoch: null, pid: third })).toEqual({ ok: true });
    } finally {
      await endServer(third);
    }
    const fourth = await startServer(directory);
    try {
      guard.lookAtPostmaster();
      expect(guard.view().postmaster).toMatchObject({ pid: fourth, phase: "running", epoch: null });
      expect(signals).toEqual([]);
      // A standby that is not restarted is gone at once: it would pass for one that can be promoted.
      idle.ask({ op: "adopt", epoch: null });
      await endServer(fourth);
      guard.lookAtPostmaster();
      expect(guard.view().postmaster).toBeNull();
    } finally {
      await endServer(fourth);
    }
  } finally {
    if (readProcess(second)?.name === "sleep") process.kill(second, "SIGKILL");
  }
});

test("a primary that others restart in maintenance mode is fenced as soon as that mode ends", async () => {
  const { guard, directory, signals } = idle;
  const arm = { op: "arm", epoch: 3, deadlineMs: idle.nowMs + 1000 } as const;
  idle.ask({ ...arm, unfenced: true });
  idle.sleep(5000);
  const first = await startServer(directory);
  guard.lookAround();
  expect(idle.ask({ op: "adopt", epoch: 3, pid: first })).toEqual({ ok: true });
  await endServer(first);
  const second = await startServer(directory);
  try {
    guard.lookAtPostmaster();
    expect(guard.view().postmaster).toMatchObject({ pid: second, epoch: null, foundUnder: 3 });
    expect(signals).toEqual([]);
    // No agent tells its role any more.
    idle.ask({ ...arm, deadlineMs: idle.nowMs + 1000, unfenced: false });
    idle.sleep(1000);
    idle.fire!();
    expect(signals).toContain(SIGSTOP);
    // A frozen one that is killed and started again is not left to run.
    await endServer(second);
    const third = await startServer(directory);
    try {
      guard.lookAtPostmaster();
      expect(guard.view().postmaster).toMatchObject({ pid: second, phase: "ending" });
    } finally {
      await endServer(third);
    }
  } finally {
    if (readProcess(second)?.name === "sleep") process.kill(second, "SIGKILL");
  }
});

test("a primary that others start again is found without an agent, and fenced with the epoch in force", async () => {
  host.child!.kill("SIGKILL");
  await host.child!.exited;
  host.exited!({ code: null, signal: "SIGKILL" });
  expect(host.guard.view().postmaster).toBeNull();
  const next = await startServer(host.directory);
  try {
    host.sleep(1000);
    host.fire!();
    expect(host.guard.view().postmaster).toMatchObject({ pid: next, epoch: null, foundUnder: 3 });
    host.sleep(3500);
    host.ask({ op: "ping" });
    expect(host.signals).toContain(SIGSTOP);
  } finally {
    await endServer(next);
  }
});

test("a server of others is found with the next renewal, which the guard is told and need not be asked", async () => {
  const theirs = await startServer(idle.directory);
  idle.sleep(1001);
  const deadlineMs = idle.nowMs + 4000;
  try {
    expect(idle.ask({ op: "arm", epoch: 3, deadlineMs, unfenced: false })).toEqual({ ok: true });
    expect(idle.guard.view()).toMatchObject({
      armed: { deadlineMs },
      postmaster: { pid: theirs, foundUnder: 3 },
    });
  } finally {
    await endServer(theirs);
  }
});

test("in a directory of another agent nothing is adopted, started or killed", async () => {
  const theirs = startDetached("exec setsid sleep 60", idle.directory);
  try {
    await until("it runs", () => readProcess(theirs)?.name === "sleep");
    writeFileSync(join(idle.directory, "postmaster.pid"), `${theirs}\n`);
    idle.claim = { kind: "taken", why: "another agent owns it" };
    const refusal = { ok: false, error: "another agent owns it" } as const;
    idle.guard.lookAround();
    expect(idle.guard.view()).toMatchObject({ postmaster: null, anyProcess: true, taken: refusal.error });
    expect(idle.ask({ op: "kill" })).toEqual(refusal);
    expect(idle.start()).toEqual(refusal);
    expect([idle.child, idle.signals]).toEqual([null, []]);
  } finally {
    process.kill(theirs, "SIGKILL");
  }
});

test("a guard starts nothing in another directory than its own", () => {
  expect(idle.start("/elsewhere")).toEqual({
    ok: false,
    error: `this guard is responsible for ${idle.directory}, not for /elsewhere`,
  });
  expect(idle.child).toBeNull();
});

test("a start that waits is void when another agent takes over", async () => {
  const zombie = await startZombie();
  const lock = join(idle.directory, "postmaster.pid");
  try {
    writeFileSync(lock, `${zombie.pid}\n`);
    const spec = { program: "sleep", args: [], env: {}, dataDir: idle.directory, epoch: 3 };
    const answers: GuardReply[] = [];
    idle.guard.handle({ op: "start", spec }, (reply) => answers.push(reply));
    const look = idle.fire!;
    idle.guard.newController();
    rmSync(lock);
    look();
    expect(answers).toEqual([{ ok: false, error: "another agent has taken over meanwhile" }]);
    expect(idle.child).toBeNull();
    expect(idle.guard.handOver()).toHaveProperty("fence");
    expect(idle.start()).toEqual({ ok: true });
  } finally {
    await zombie.end();
  }
});

test("a program that takes over finds the processes of a directory that was moved away meanwhile", async () => {
  const { pid } = host.child!;
  const aside = `${host.directory}-aside`;
  await until("it has begun", () => readProcess(pid)?.name === "sleep");
  const state = host.guard.handOver();
  if ("error" in state) throw new Error(state.error);
  renameSync(host.directory, aside);
  try {
    const group = new ProcessGroup(host.directory, () => ({ guard: 0, agent: 0 }));
    expect(group.members()).toEqual([]);
    host.guardOf(group).resume(state);
    expect(group.members().map((member) => member.pid)).toEqual([pid]);
  } finally {
    renameSync(aside, host.directory);
  }
});

test("nor does it wait for what an earlier guard has left behind, once that is certain to run no more", () => {
  host.guard = host.guardOf(host.group);
  host.guard.lookAround();
  const { postmaster, anyProcess, doomed } = host.guard.view();
  expect({ postmaster, anyProcess, doomed }).toEqual({ postmaster: null, anyProcess: true, doomed: false });
  expect(host.ask({ op: "end", epoch: 3 })?.ok).toBe(false);
  host.kept = true;
  host.fire?.();
  expect(host.guard.view()).toMatchObject({ anyProcess: true, doomed: true });
  expect(host.ask({ op: "end", epoch: 3 })).toEqual({ ok: true });
  const spec = { program: "sleep", args: [], env: {}, dataDir: host.directory, epoch: null };
  // Answered when it is gone.
  expect(host.ask({ op: "start", spec })).toBeNull();
});

test("in pause the server that others start after the primary goes on; beside a lease it is killed", async () => {
  for (const unfenced of [true, false]) {
    const host = new Host();
    const { guard, directory, signals } = host;
    const pids: number[] = [];
    try {
      host.ask({ op: "arm", epoch: 3, deadlineMs: host.nowMs + 4500, unfenced });
      pids.push(await startServer(directory));
      guard.lookAround();
      expect(host.ask({ op: "adopt", epoch: 3 })).toEqual({ ok: true });
      await endServer(pids[0]!);
      if (unfenced) {
        // The next one is not there yet: until then this one counts, and its epoch cannot be ended.
        guard.lookAtPostmaster();
        expect(guard.view().postmaster).toMatchObject({ pid: pids[0], writable: true, epoch: 3 });
        expect(host.ask({ op: "end", epoch: 3 })?.ok).toBe(false);
      }
      pids.push(await startServer(directory));
      guard.lookAtPostmaster();
      if (unfenced) {
        expect(guard.view().postmaster).toMatchObject({ pid: pids[1], phase: "running", epoch: null });
        expect(guard.view().lastExit).toMatchObject({ pid: pids[0], fenced: false });
        expect(host.ask({ op: "adopt", epoch: 3 })).toEqual({ ok: true });
      }
      expect(signals.includes(SIGKILL)).toBe(!unfenced);
    } finally {
      for (const pid of pids) await endServer(pid);
      rmSync(directory, { recursive: true });
    }
  }
});

test("also while the guard ends what the one before has left, unless the agent wants everything ended", async () => {
  for (const wanted of [false, true]) {
    const host = new Host();
    const { guard, directory, signals } = host;
    const pids: number[] = [];
    try {
      host.ask({ op: "arm", epoch: 3, deadlineMs: host.nowMs + 4500, unfenced: true });
      expect(host.start()).toEqual({ ok: true });
      pids.push(startDetached("exec setsid sleep 60", directory));
      await until("it runs", () => readProcess(pids[0]!)?.name === "sleep");
      const first = host.child!;
      first.kill("SIGKILL");
      await first.exited;
      host.exited!({ code: 0, signal: null });
      expect(guard.view().postmaster?.phase).toBe("ending");
      if (wanted) host.ask({ op: "kill" });
      pids.push(await startServer(directory));
      signals.length = 0;
      host.fire!();
      expect(guard.view().postmaster?.pid).toBe(wanted ? first.pid : pids[1]);
      expect(signals.includes(SIGKILL)).toBe(wanted);
    } finally {
      for (const pid of pids) await endServer(pid);
      rmSync(directory, { recursive: true });
    }
  }
});
