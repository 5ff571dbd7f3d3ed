/**
 * The guard without its socket: carries out the fence's decisions on real processes, and looks at the clock.
 * Never waits for anything but timers, never writes a log or a file.
 */
import type { Timer } from "../../raft/mod.ts";
import { assert } from "../lib/assert.ts";
import { ClockWatch, describeJump } from "../model/clock_jump.ts";
import { fenceDueMs, type FenceEffect, type FenceInput, stepFence } from "./fence.ts";
import { isDoomed, isInForce, newFence } from "./fence_state.ts";
import { postmasterOf } from "./fence_view.ts";
import type { Claim, Purpose } from "./directory_owner.ts";
import type { ChildExit, GuardParts } from "./guard_parts.ts";
import { FoundEnd } from "./found_end.ts";
import { type GuardState, whyNotNow } from "./hand_over.ts";
import type { GuardDone, GuardReply, StartSpec } from "./port.ts";
import type { ExitReport } from "../model/guard_view.ts";
import { identify, isStillShim, isTooYoungFor, type ProcessId, signalProcess } from "./process_id.ts";
import type { Notice, Operation, WireView } from "./protocol.ts";
import { staleReason } from "./stale_lock.ts";
import { SIGHUP, SIGINT, SIGQUIT, SIGUSR1 } from "./signals.ts";
import { tickWaitMs } from "./tick_wait.ts";

const KILL_PASS_MS = 10;
const MAX_KILL_PASS_MS = 500;
const WATCH_MS = 200;
const LOOK_AROUND_MS = 1000;
const ZOMBIE_LOOK_MS = 50;
const ZOMBIE_PATIENCE_MS = 2000;
const OK: GuardReply = { ok: true };
const TOO_YOUNG: GuardReply = { ok: false, error: "PostgreSQL is only being started" };

type Handled = Exclude<Operation, { readonly op: "hello" | "quit" | "upgrade" }>;

export class Guard {
  readonly #parts: GuardParts;
  #fence;
  /** The postmaster as the kernel knows it; set exactly while the fence has one. */
  #process: ProcessId | null = null;
  #exit: (ChildExit & { readonly atMs: number }) | null = null;
  #lastExit: ExitReport | null = null;
  #timer: Timer | null = null;
  #timerDueMs = 0;
  #lateMs = 0;
  readonly #clocks = new ClockWatch();
  readonly #foundEnd;
  #killTimer: Timer | null = null;
  #watchTimer: Timer | null = null;
  /** The postmaster is a child of this process, started by the program that it was before. */
  #inherited = false;
  /** Requests to start that wait for something. */
  #starting = 0;
  /** How many agents have taken over so far. */
  #controllers = 0;
  #lookedAroundMs = -Infinity;
  #claimed: Claim = { kind: "ours" };
  #allStopped = false;
  #saidFrozen = false;
  #saidFenced = false;
  #lastView = "";
  readonly #whenGone: (() => void)[] = [];

  constructor(parts: GuardParts) {
    this.#parts = parts;
    this.#fence = newFence(parts.killAfterMs);
    this.#foundEnd = new FoundEnd(parts.group, () => this.#fence);
  }

  /**
   * Goes on with the state of the program that this process ran before. The deadline is looked at before
   * anything else.
   */
  resume({ fence, process, lastExit, seen }: GuardState): void {
    this.#fence = fence;
    this.#process = process;
    this.#lastExit = lastExit;
    this.#inherited = fence.postmaster?.child ?? false;
    if (seen !== undefined) this.#parts.group.recall(seen, process);
    this.#apply({ kind: "tick" });
    this.lookAtPostmaster();
  }

  /** The state that resume() takes, or why this is not the moment for it. */
  handOver(): GuardState | { readonly error: string } {
    const [fence, process] = [this.#fence, this.#process];
    const why = this.#starting > 0 || this.#whenGone.length > 0 || isStillShim(this.#process)
      ? "PostgreSQL is being started or killed"
      : whyNotNow(fence, this.#parts.clock.now());
    if (why !== null) return { error: why };
    return { fence, process, lastExit: this.#lastExit, seen: this.#parts.group.seen };
  }

  /** The first act of a guard: finds the processes that an earlier one has left. */
  lookAround(purpose: Purpose = "look"): void {
    const { group, clock } = this.#parts;
    this.#lookedAroundMs = clock.now();
    if (this.#fence.postmaster !== null || this.#fence.sweeping) return;
    this.#claimed = this.#parts.claim(purpose);
    this.#publish();
    // The server there belongs to another agent: it is neither adopted nor killed.
    if (this.#claimed.kind === "taken") return;
    group.resolve();
    // A wrong data_dir: the processes there are not PostgreSQL's, and are not killed.
    if (this.#isForeign()) return;
    const members = group.members();
    if (members.length === 0 || group.isSingleUser()) return;
    const found = group.findPostmaster();
    const frozen = members.find(({ pid, state }) => pid === found?.pid && state === "T");
    if (found === null || frozen !== undefined) {
      // Left frozen by a guard that was killed, or without a postmaster: it cannot be brought back.
      const what = `killing ${members.length} processes that an earlier PostgreSQL left behind`;
      this.#notice("warning", "orphans", what);
      this.#apply({ kind: "orphans" });
      return;
    }
    const what = `adopted a running PostgreSQL (pid ${found.pid}) that this guard did not start`;
    this.#notice("warning", "adopted", what);
    this.#process = found;
    this.#apply({ kind: "found", pid: found.pid });
    this.#watch();
  }

  handle(request: Handled, done: GuardDone): void {
    // With an arm the fence looks at the deadline itself, the new one.
    this.#wake(request.op !== "arm" && this.#isDue(this.#parts.clock.now()));
    switch (request.op) {
      case "ping":
      case "arm": {
        const reply = request.op === "arm" ? this.#apply({ kind: "arm", ...request }) : OK;
        // With each sign of life: a directory that was moved, and while nothing runs, a server of others.
        if (this.#process !== null) this.#parts.group.follow(this.#process);
        if (this.#parts.clock.now() - this.#lookedAroundMs > LOOK_AROUND_MS) this.lookAround();
        return done(reply);
      }
      case "start":
        this.#starting++;
        return this.#start(request.spec, (reply) => {
          this.#starting--;
          done(reply);
        });
      case "claim":
        this.lookAround(request.lend === true ? "lend" : "use");
        return done(this.#claimReply());
      case "kill":
        if (this.#claimed.kind === "taken") return done(this.#claimReply());
        if (this.isIdle() && this.#isForeign()) return done({ ok: true });
        this.#whenGone.push(() => done({ ok: true }));
        this.#apply({ kind: "kill" });
        return;
      case "adopt":
        this.lookAround();
        return done(this.#apply({ ...request, kind: "adopt" }));
      case "promote":
        if (isTooYoungFor(this.#process, SIGUSR1)) return done(TOO_YOUNG);
        return done(this.#apply({ kind: "promote", epoch: request.epoch }));
      case "signal":
        if (request.signal === "reload" && isTooYoungFor(this.#process, SIGHUP)) return done(TOO_YOUNG);
        return done(this.#apply({ kind: "signal", signal: request.signal }));
      case "end":
        return done(this.#apply({ kind: "end", epoch: request.epoch }));
      case "close":
        return done(this.#apply({ kind: "close", pid: request.pid, leftoversMs: request.leftoversMs }));
    }
  }

  /** True when this process has nothing to watch. */
  isIdle(): boolean {
    return this.#fence.postmaster === null && !this.#fence.sweeping;
  }

  view(): WireView {
    const { armed, endedEpoch } = this.#fence;
    return {
      armed,
      endedEpoch,
      postmaster: postmasterOf(this.#fence),
      anyProcess: !this.isIdle() || this.#claimed.kind === "taken",
      taken: this.#claimed.kind === "taken" ? this.#claimed.why : null,
      doomed: isDoomed(this.#fence),
      allStopped: this.#allStopped,
      lastExit: this.#lastExit,
      lateMs: this.#lateMs,
      clocks: this.#clocks.report(),
    };
  }

  /** The lateness is a maximum since the last answer. */
  answered(): void {
    this.#lateMs = 0;
  }

  #apply(input: FenceInput): GuardReply {
    const step = stepFence(this.#fence, input, this.#parts.clock.now());
    this.#fence = step.state;
    for (const effect of step.effects) this.#execute(effect);
    assert(
      (this.#process === null) === (this.#fence.postmaster === null),
      "the fence knows another postmaster",
    );
    this.#schedule();
    this.#publish();
    return step.reply;
  }

  #execute(effect: FenceEffect): void {
    const { group } = this.#parts;
    switch (effect.kind) {
      case "freeze": {
        const took = this.#timed(() => group.freeze(this.#process));
        this.#allStopped = group.allStopped(this.#process);
        if (!this.#saidFrozen) {
          const what = `PostgreSQL is frozen: its lease has run out (stopping ${took})`;
          this.#notice("warning", "frozen", what);
        }
        this.#saidFrozen = true;
        return;
      }
      case "thaw": {
        this.#allStopped = this.#saidFrozen = false;
        const took = this.#timed(() => group.thaw(this.#process));
        const what = `PostgreSQL runs again: its lease was renewed (continuing ${took})`;
        this.#notice("warning", "thawed", what);
        return;
      }
      case "kill":
        if (this.#fence.postmaster?.fenced && !this.#saidFenced) {
          this.#saidFenced = true;
          this.#notice("error", "fenced", "PostgreSQL is killed: it may no longer be the primary");
        }
        this.#killPass(KILL_PASS_MS);
        return;
      case "signal": {
        const signals = { reload: SIGHUP, fast: SIGINT, immediate: SIGQUIT, promote: SIGUSR1 };
        if (this.#process !== null) signalProcess(this.#process, signals[effect.signal]);
        return;
      }
    }
  }

  /** Logs the act, the number of processes, and the time it took: for a freeze, the guard's part of K. */
  #timed(signalAll: () => number): string {
    const beginMs = this.#parts.clock.now();
    const count = signalAll();
    return `${count} processes took ${(this.#parts.clock.now() - beginMs).toFixed(1)} ms`;
  }

  /**
   * Another agent is in control. A start that its predecessor asked for, and that still waits, is void: the
   * new agent does not know of it, and may be at work in the directory when the start's turn comes.
   */
  newController(): void {
    this.#controllers++;
    this.lookAround();
  }

  #start(
    spec: StartSpec,
    done: GuardDone,
    sinceMs = this.#parts.clock.now(),
    controller = this.#controllers,
  ): void {
    const { group, clock } = this.#parts;
    if (controller !== this.#controllers) {
      return done({ ok: false, error: "another agent has taken over meanwhile" });
    }
    if (spec.dataDir !== group.dataDir) {
      return done({
        ok: false,
        error: `this guard is responsible for ${group.dataDir}, not for ${spec.dataDir}`,
      });
    }
    this.lookAround("use");
    const refused = this.#claimReply();
    if (!refused.ok) return done(refused);
    if (this.#fence.sweeping) {
      this.#whenGone.push(() => this.#start(spec, done, sinceMs, controller));
      return;
    }
    const stale = this.#fence.postmaster === null ? group.staleLock() : null;
    // Some zombies are reaped in a moment, and some never.
    if (stale?.kind === "zombie" && clock.now() - sinceMs <= ZOMBIE_PATIENCE_MS) {
      clock.after(ZOMBIE_LOOK_MS, () => this.#start(spec, done, sinceMs, controller));
      return;
    }
    if (stale !== null) {
      this.#notice("warning", "stale_lock", `removing postmaster.pid: ${staleReason(stale)}`);
      group.removeLock(stale);
    }
    const allowed = this.#apply({ kind: "start", epoch: spec.epoch });
    if (!allowed.ok) return done(allowed);
    try {
      const pid = this.#parts.launch(spec, (exit) => this.#onChildExit(pid, exit));
      this.#process = identify(pid) ?? { pid, startTicks: 0 };
      this.#exit = null;
      this.#inherited = false;
      this.#apply({ kind: "started", pid, epoch: spec.epoch });
      done({ ok: true });
    } catch (error) {
      done({
        ok: false,
        error: `cannot start ${spec.program}: ${error instanceof Error ? error.message : error}`,
      });
    }
  }

  #claimReply(): GuardReply {
    const claimed = this.#claimed;
    return "why" in claimed ? { ok: false, error: claimed.why } : { ok: true };
  }

  /** A server counts wherever it works: its directory may have been removed under it. */
  #isForeign(): boolean {
    return this.#claimed.kind === "foreign" && !this.#parts.group.hasServer();
  }

  #onChildExit(pid: number, exit: ChildExit): void {
    if (this.#fence.postmaster?.pid !== pid) return;
    this.#exit = { ...exit, atMs: this.#parts.clock.now() };
    this.#apply({ kind: "exited" });
  }

  /** Watches a postmaster that this program did not start: the kernel does not report its end here. */
  #watch(afterMs = WATCH_MS): void {
    this.#watchTimer?.cancel();
    this.#watchTimer = this.#parts.clock.after(afterMs, () => this.lookAtPostmaster());
  }

  /** Others may start the next server while this epoch is in force, and no agent may be left to look. */
  #lookForNext(): void {
    if (!isInForce(this.#fence, this.#parts.clock.now())) return;
    this.#watch(LOOK_AROUND_MS);
    this.lookAround();
  }

  /** To be called also when some child has ended. */
  lookAtPostmaster(): void {
    const { postmaster } = this.#fence;
    if (postmaster === null) return this.#lookForNext();
    if (this.#process === null || (postmaster.child && !this.#inherited)) return;
    const end = this.#inherited ? this.#parts.reap(postmaster.pid) : this.#foundEnd.of(this.#process);
    if (end === null) return this.#watch();
    this.#inherited = false;
    if (end !== "restarted") return this.#onChildExit(postmaster.pid, end);
    this.#gone();
    this.lookAround();
  }

  #killPass(waitMs: number): void {
    const isOver = this.#exit !== null && this.#whenGone.length === 0;
    if (isOver && this.#process !== null && this.#foundEnd.isRestarted(this.#process)) {
      this.#gone();
      return this.lookAround();
    }
    const clean = this.#parts.group.kill(this.#process);
    const { postmaster } = this.#fence;
    if (clean && (postmaster === null || !postmaster.child || this.#exit !== null)) return this.#gone();
    if (!isDoomed(this.#fence) && this.#parts.group.allDoomed(this.#process)) {
      this.#apply({ kind: "doomed" });
    }
    this.#killTimer?.cancel();
    // A process that waits for a hung disk dies when the disk comes back: look less and less often.
    this.#killTimer = this.#parts.clock.after(
      waitMs,
      () => this.#killPass(Math.min(waitMs * 1.2, MAX_KILL_PASS_MS)),
    );
  }

  #gone(): void {
    this.#killTimer?.cancel();
    this.#killTimer = null;
    const { postmaster } = this.#fence;
    if (postmaster !== null) {
      const exit = this.#exit ?? { code: null, signal: null, atMs: this.#parts.clock.now() };
      this.#lastExit = { ...exit, pid: postmaster.pid, fenced: postmaster.fenced };
    }
    this.#process = null;
    this.#parts.group.follow(null);
    this.#exit = null;
    this.#inherited = false;
    this.#allStopped = this.#saidFrozen = this.#saidFenced = false;
    this.#apply({ kind: "gone" });
    this.#watch(LOOK_AROUND_MS);
    for (const call of this.#whenGone.splice(0)) call();
  }

  #schedule(): void {
    const nowMs = this.#parts.clock.now();
    const dueMs = fenceDueMs(this.#fence, nowMs);
    this.#timer?.cancel();
    this.#timer = null;
    if (dueMs === null) return;
    const waitMs = tickWaitMs(dueMs - nowMs);
    this.#timerDueMs = nowMs + waitMs;
    this.#timer = this.#parts.clock.after(waitMs, () => this.#wake(true));
  }

  /**
   * First at each wake-up. A guard that was away looks at the deadline before anything else, and then says
   * that it was away.
   */
  #wake(tick: boolean): void {
    // Read together: what a fence takes would look like a step of the wall clock.
    const [nowMs, wallMs] = [this.#parts.clock.now(), this.#parts.wallMs()];
    const lateMs = this.#timer === null ? 0 : Math.max(0, nowMs - this.#timerDueMs);
    this.#lateMs = Math.max(this.#lateMs, lateMs);
    if (tick) this.#apply({ kind: "tick" });
    const jump = this.#clocks.look(nowMs, wallMs, lateMs);
    if (jump !== null) this.#notice("warning", "clock", describeJump("guard", jump));
  }

  #isDue(nowMs: number): boolean {
    return (fenceDueMs(this.#fence, nowMs) ?? Infinity) <= nowMs;
  }

  #publish(): void {
    const view = this.view();
    const text = JSON.stringify({ ...view, lateMs: 0 });
    if (text === this.#lastView) return;
    this.#lastView = text;
    this.#parts.onView(view);
  }

  #notice(level: Notice["level"], event: string, text: string): void {
    this.#parts.onNotice({ level, event, text });
  }
}
