/**
 * The guard process of a simulated host: the production fence (guard/fence.ts) with a model PostgreSQL under
 * it. It is a process of its own: neither the pause nor the death of the agent touches it. Its timers are
 * late by up to J, and its acts take up to K, as src/lease/DESIGN.md allows; often the worst of it.
 */
import { type Prng, type SimHost, SimProcess, type World } from "../../raft/sim/mod.ts";
import { fenceDueMs, type FenceEffect, type FenceInput, stepFence } from "../guard/fence.ts";
import { type FenceState, isDoomed, newFence } from "../guard/fence_state.ts";
import { postmasterOf } from "../guard/fence_view.ts";
import type { GuardReply } from "../guard/port.ts";
import type { ExitReport, GuardView } from "../model/guard_view.ts";
import type { ModelServer, ServerExit } from "./model_server.ts";

/** Bounds of the parts of the 450 ms that I1 leaves for J + K. */
const MAX_LATE_MS = 180;
const MAX_FREEZE_MS = 260;
const KILL_AFTER_MS = 5000;

/** A run has a minute to become healthy. */
const LONGEST_KEPT_MS = 10_000;

export class ModelGuard {
  readonly process: SimProcess;
  freezes = 0;
  /** Told of every change, and of the end of this guard. */
  onChange: () => void = () => {};
  #fence: FenceState = newFence(KILL_AFTER_MS);
  readonly #world: World;
  readonly #random: Prng;
  #timer: { cancel(): void } | null = null;
  #timerDueMs = 0;
  #freezing: { cancel(): void } | null = null;
  #lastExit: ExitReport | null = null;
  #killing = false;
  /** How often the kernel keeps a killed process, from 0 to 1. */
  keepsKilled = 0;
  /** True time by which a freeze or kill that has begun ends all commits. */
  #stoppedByMs = 0;
  /** Whether everything is as late and as slow as is allowed. */
  #slow = false;
  #clean: (() => void)[] = [];

  readonly #host: SimHost;
  readonly #server: ModelServer;
  /** null: as designed. Else the guard's own timers stand still whenever this process is paused. */
  readonly #dependsOn: SimProcess | null;

  constructor(
    host: SimHost,
    server: ModelServer,
    dependsOn: SimProcess | null,
  ) {
    this.#host = host;
    this.#server = server;
    this.#dependsOn = dependsOn;
    this.#world = host.world;
    this.#random = this.#world.random.split(`guard ${host.name}`);
    this.process = new SimProcess(host, `${host.name} guard`);
    // It is late by no more than it is allowed to be, whatever its clock does meanwhile.
    host.onRate(() => {
      this.#timerDueMs = NaN;
      if (this.process.alive) this.#schedule();
    });
  }

  /**
   * A new guard process: it remembers nothing. It leaves a server that others have started, and ends what an
   * earlier guard has left behind.
   */
  spawn(): void {
    this.process.start();
    this.#fence = newFence(KILL_AFTER_MS);
    this.#slow = this.#random.chance(0.5);
    this.#lastExit = null;
    this.#killing = false;
    this.#clean = [];
    this.#server.onExit = (exit) => this.#exited(exit);
    this.#server.onChange = () => this.onChange();
    const { byHand, process, frozen, anyProcess } = this.#server;
    const isUp = (process === "starting" || process === "running") && !frozen;
    if (byHand && isUp) this.input({ kind: "found", pid: this.#server.pid });
    else if (anyProcess) this.input({ kind: "orphans" });
  }

  /** The role of a server that was found, by word of the agent. */
  adopt(epoch: number | null): GuardReply {
    const reply = this.input({ kind: "adopt", epoch });
    if (!reply.ok) return reply;
    if (epoch !== null) this.#server.writeUnder(epoch);
    // The agent writes its configuration now.
    this.#server.directory.unmanaged = false;
    return reply;
  }

  /** From now on everything is as late and as slow as is allowed. */
  dawdle(): void {
    this.#slow = true;
  }

  /** Killed alone: the kernel sends SIGQUIT to the postmaster that it started. */
  die(): void {
    const endsMs = this.#random.between(8, 170);
    // K also bounds a guard that dies while it stops PostgreSQL: its end completes the stop.
    const leftMs = this.#stoppedByMs - this.#world.now();
    this.stop();
    if (!this.#server.frozen) this.#server.immediate(leftMs > 0 ? Math.min(leftMs, endsMs) : endsMs);
    this.onChange();
  }

  /** The host is gone, and with it everything on it. */
  stop(): void {
    this.process.kill();
    this.#timer?.cancel();
    this.#timer = null;
    this.#freezing?.cancel();
    this.#freezing = null;
    this.#server.onExit = () => {};
  }

  /** The view as sent to the agent, which fills in what only its side knows. */
  view(): GuardView {
    const fence = this.#fence;
    const server = this.#server;
    return {
      state: "ok",
      pid: this.process.incarnation,
      incarnation: 0,
      armed: fence.armed,
      endedEpoch: fence.endedEpoch,
      postmaster: postmasterOf(fence),
      anyProcess: server.anyProcess,
      doomed: isDoomed(fence),
      lastExit: this.#lastExit,
      lastAnswerMs: null,
      lateMs: 0,
    };
  }

  /** Steps the fence and carries out its effects, at once and in order. */
  input(input: FenceInput): GuardReply {
    const step = stepFence(this.#fence, input, this.#host.nowMs());
    this.#fence = step.state;
    for (const effect of step.effects) this.#carryOut(effect);
    this.#schedule();
    this.onChange();
    return step.reply;
  }

  startServer(epoch: number | null): GuardReply {
    const reply = this.input({ kind: "start", epoch });
    if (!reply.ok) return reply;
    if (!this.#server.start(epoch)) return { ok: false, error: "PostgreSQL cannot be started" };
    return this.input({ kind: "started", pid: this.#server.pid, epoch });
  }

  /** Runs once no process of PostgreSQL is left. */
  kill(done: () => void): void {
    this.#clean.push(done);
    this.input({ kind: "kill" });
  }

  #carryOut(effect: FenceEffect): void {
    const server = this.#server;
    const random = this.#random;
    switch (effect.kind) {
      case "freeze": {
        if (this.#freezing !== null || server.frozen) return;
        this.freezes++;
        const tookMs = this.#slow ? MAX_FREEZE_MS : random.between(5, 80);
        this.#stoppedByMs = this.#world.now() + tookMs;
        const event = this.#later(tookMs, () => {
          this.#freezing = null;
          server.freeze();
        });
        this.#freezing = event;
        return;
      }
      case "thaw":
        this.#freezing?.cancel();
        this.#freezing = null;
        server.thaw();
        return;
      case "kill":
        this.#killEverything();
        return;
      case "signal":
        if (effect.signal === "promote") server.promote(this.#promotedEpoch());
        else if (effect.signal === "fast") server.fast();
        else if (effect.signal === "immediate") server.immediate(random.between(8, 170));
    }
  }

  #promotedEpoch(): number {
    const authority = this.#fence.postmaster?.authority;
    return authority?.kind === "primary" ? authority.epoch : 0;
  }

  #killEverything(): void {
    if (this.#killing) return;
    this.#killing = true;
    // Stopped first, then killed: commits end with the stop. A freeze under way goes on.
    const stoppedMs = this.#slow ? MAX_FREEZE_MS : this.#random.between(5, 80);
    this.#stoppedByMs = this.#world.now() + stoppedMs;
    this.#later(stoppedMs, () => this.#server.freeze());
    // The kernel may keep a living process for as long as a disk hangs. An exited one leaves nothing in this
    // model.
    const kept = this.keepsKilled > 0 && this.#server.anyProcess && this.#random.chance(this.keepsKilled);
    if (kept) {
      this.#later(stoppedMs + this.#random.between(5, 150), () => {
        this.input({ kind: "doomed" });
      });
    }
    const deadMs = kept ? this.#random.between(1000, LONGEST_KEPT_MS) : this.#random.between(5, 150);
    this.#later(stoppedMs + deadMs, () => {
      this.#server.killed();
      this.#killing = false;
      this.input({ kind: "gone" });
      for (const done of this.#clean.splice(0)) done();
    });
  }

  #exited({ pid, code, signal }: ServerExit): void {
    this.#later(this.#random.between(0.5, 5), () => {
      const fenced = this.#fence.postmaster?.fenced ?? false;
      this.#lastExit = { pid, code, signal, fenced, atMs: this.#host.nowMs() };
      this.input({ kind: "exited" });
    });
  }

  #schedule(): void {
    const dueMs = fenceDueMs(this.#fence, this.#host.nowMs());
    if (this.#timer !== null && dueMs === this.#timerDueMs) return;
    this.#timer?.cancel();
    this.#timer = null;
    if (dueMs === null) return;
    this.#timerDueMs = dueMs;
    const lateMs = this.#slow ? MAX_LATE_MS : Math.min(MAX_LATE_MS, this.#random.exponential(3));
    this.#timer = this.#later(Math.max(0, this.#host.trueDelayTo(dueMs)) + lateMs, () => {
      this.#timer = null;
      const tick = () => {
        this.input({ kind: "tick" });
      };
      if (this.#dependsOn?.alive) this.#dependsOn.deliver(this.#dependsOn.incarnation, tick);
      else tick();
    });
  }

  #later(delayMs: number, run: () => void): { cancel(): void } {
    const { incarnation } = this.process;
    return this.#world.after(delayMs, () => this.process.deliver(incarnation, run));
  }
}
