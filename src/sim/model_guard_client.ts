/**
 * The agent's connection to the guard of its host, over a simulated Unix socket: requests and answers take a
 * moment, keep their order, and wait while the agent is paused. One life of the agent has one; the newest is
 * the controller. A guard that died is replaced, by the agent that notices.
 */
import type { Prng, SimProcess } from "../../raft/sim/mod.ts";
import { MAX_FROZEN_MS, STOP_BUDGET_MS } from "../lease/stop_budget.ts";
import type { GuardDone, GuardPort, GuardReply, StartSpec } from "../guard/port.ts";
import type { GuardView } from "../model/guard_view.ts";
import type { ModelGuard } from "./model_guard.ts";

const NO_GUARD: GuardReply = { ok: false, error: "no guard answers" };

export class ModelGuardClient implements GuardPort {
  readonly #incarnation: number;
  readonly #random: Prng;
  readonly #handlers: (() => void)[] = [];
  readonly #waiting = new Map<number, GuardDone>();
  #requests = 0;
  #shown: GuardView;
  /** Life of the guard that the agent is connected to; 0: none. */
  #connectedTo = 0;
  #lastToGuardMs = 0;
  #lastToAgentMs = 0;
  #pushing = false;

  readonly #agent: SimProcess;
  readonly #guard: ModelGuard;

  constructor(agent: SimProcess, guard: ModelGuard) {
    this.#agent = agent;
    this.#guard = guard;
    this.#incarnation = agent.incarnation;
    this.#random = agent.world.random.split(`guard client ${agent.name} ${agent.incarnation}`);
    this.#shown = {
      state: "none",
      pid: null,
      incarnation: 0,
      armed: null,
      endedEpoch: 0,
      postmaster: null,
      anyProcess: true,
      lastExit: null,
      lastAnswerMs: null,
      lateMs: 0,
    };
    guard.onChange = () => this.#push();
    this.#connect();
  }

  view(): GuardView {
    return this.#shown;
  }

  onChange(handler: () => void): void {
    this.#handlers.push(handler);
  }

  arm(epoch: number, deadlineMs: number, unfenced: boolean, done: GuardDone): void {
    const leaseMs = Math.max(0, deadlineMs - this.#agent.host.nowMs());
    const killAfterMs = Math.min(MAX_FROZEN_MS, leaseMs + STOP_BUDGET_MS);
    this.#request(
      done,
      (reply) => reply(this.#guard.input({ kind: "arm", epoch, deadlineMs, unfenced, killAfterMs })),
    );
  }

  end(epoch: number, done: GuardDone): void {
    this.#request(done, (reply) => reply(this.#guard.input({ kind: "end", epoch })));
  }

  start(spec: StartSpec, done: GuardDone): void {
    this.#request(done, (reply) => reply(this.#guard.startServer(spec.epoch)));
  }

  promote(epoch: number, done: GuardDone): void {
    this.#request(done, (reply) => reply(this.#guard.input({ kind: "promote", epoch })));
  }

  adopt(epoch: number | null, done: GuardDone): void {
    this.#request(done, (reply) => reply(this.#guard.adopt(epoch)));
  }

  signal(kind: "reload" | "fast" | "immediate", done: GuardDone): void {
    this.#request(done, (reply) => reply(this.#guard.input({ kind: "signal", signal: kind })));
  }

  /** The model's directories have one owner each. */
  claim(done: GuardDone): void {
    this.#request(done, (reply) => reply({ ok: true }));
  }

  lend(done: GuardDone): void {
    this.claim(done);
  }

  pastCheckpoint(pid: number, leftoversMs: number, done: GuardDone): void {
    this.#request(done, (reply) => reply(this.#guard.input({ kind: "close", pid, leftoversMs })));
  }

  kill(done: GuardDone): void {
    this.#request(done, (reply) => this.#guard.kill(() => reply({ ok: true })));
  }

  ping(done: GuardDone): void {
    this.#request(done, (reply) => reply({ ok: true }));
  }

  #request(done: GuardDone, handle: (reply: GuardDone) => void): void {
    const { world } = this.#agent;
    const life = this.#connectedTo;
    if (life === 0) {
      world.after(0, () => this.#agent.deliver(this.#incarnation, () => done(NO_GUARD)));
      return;
    }
    const request = ++this.#requests;
    this.#waiting.set(request, done);
    this.#lastToGuardMs = Math.max(this.#lastToGuardMs, world.now() + 0.05 + this.#random.exponential(0.3));
    world.after(this.#lastToGuardMs - world.now(), () => {
      // Once a newer agent has taken over, nothing of this connection is heard any more.
      if (this.#agent.incarnation !== this.#incarnation) return;
      this.#guard.process.deliver(life, () => handle((reply) => this.#answer(life, request, reply)));
    });
  }

  /** The view of the moment travels with everything that the guard sends, in order. */
  #toAgent(life: number, then: (() => void) | null): void {
    const { world } = this.#agent;
    if (this.#agent.incarnation !== this.#incarnation) return;
    const view = this.#guard.view();
    const atMs = this.#agent.host.nowMs();
    this.#lastToAgentMs = Math.max(this.#lastToAgentMs, world.now() + 0.05 + this.#random.exponential(0.3));
    world.after(this.#lastToAgentMs - world.now(), () =>
      this.#agent.deliver(this.#incarnation, () => {
        if (this.#connectedTo !== life) return;
        const lastAnswerMs = then === null ? this.#shown.lastAnswerMs : atMs;
        this.#shown = { ...view, incarnation: life, lastAnswerMs };
        then?.();
        for (const handler of this.#handlers) handler();
      }));
  }

  #answer(life: number, request: number, reply: GuardReply): void {
    this.#toAgent(life, () => {
      const done = this.#waiting.get(request);
      this.#waiting.delete(request);
      done?.(reply);
    });
  }

  /** Changes that happen together are one message. */
  #push(): void {
    if (!this.#guard.process.alive) {
      this.#agent.world.after(
        this.#random.between(0.1, 3),
        () => this.#agent.deliver(this.#incarnation, () => this.#lost()),
      );
      return;
    }
    if (this.#pushing) return;
    this.#pushing = true;
    const life = this.#guard.process.incarnation;
    this.#agent.world.after(this.#random.between(0.05, 0.5), () => {
      this.#pushing = false;
      if (this.#guard.process.alive && this.#connectedTo === life) this.#toAgent(life, null);
    });
  }

  #lost(): void {
    if (this.#connectedTo === 0) return;
    this.#connectedTo = 0;
    this.#shown = { ...this.#shown, state: "none", pid: null, armed: null };
    const failed = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const done of failed) done(NO_GUARD);
    for (const handler of this.#handlers) handler();
    this.#connect();
  }

  #connect(): void {
    const agent = this.#agent;
    const guard = this.#guard;
    const spawnMs = guard.process.alive ? 0 : this.#random.between(20, 120);
    agent.world.after(spawnMs + this.#random.between(1, 10), () =>
      agent.deliver(this.#incarnation, () => {
        if (!guard.process.alive) guard.spawn();
        this.#connectedTo = guard.process.incarnation;
        this.#toAgent(this.#connectedTo, () => {});
      }));
  }
}
