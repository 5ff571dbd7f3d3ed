/**
 * The agent's side of the guard: connects to the guard process, starts one when none is there, and stands in for it
 * (local_fence.ts) when it is stopped or dead. Owns this invariant: every callback is called exactly once, later.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Timer } from "../../raft/mod.ts";
import { kill as sendSignal } from "../lib/ffi.ts";
import type { Log } from "../lib/log.ts";
import { isDead, isStopped, readProcess } from "../lib/process_table.ts";
import { GuardConnection } from "./connection.ts";
import { MAX_FROZEN_MS, STOP_BUDGET_MS } from "./fence.ts";
import { LocalFence } from "./local_fence.ts";
import type {
  ExitReport,
  GuardDone,
  GuardPort,
  GuardReply,
  GuardView,
  Postmaster,
  StartSpec,
} from "./port.ts";
import { identify, isSame, ProcessGroup, type ProcessId, signalProcess } from "./process_group.ts";
import {
  type GuardMessage,
  type Hello,
  type Operation,
  PROTOCOL_VERSION,
  type WireView,
} from "./protocol.ts";
import { SIGCONT, SIGKILL } from "./signals.ts";
import { spawnGuard } from "./spawn_guard.ts";

export interface GuardClientOptions {
  /** raft.data_dir: the socket is `run/guard.sock` in it. */
  readonly directory: string;
  /** PostgreSQL's data directory. */
  readonly dataDir: string;
  /** Command line of a guard process, without its options. */
  readonly command: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  /** Another agent has taken the guard over: this one has to end. @default nothing */
  readonly onSuperseded?: () => void;
}

const RECONNECT_MS = 20;
const MAX_RECONNECT_MS = 500;
const RESPAWN_MS = 300;
/** Without an answer for this long, the guard is not there. A stopped one is woken. */
const SILENT_MS = 1000;
/** Without an answer for this long, it is killed and replaced. */
const HOPELESS_MS = 15_000;
const REQUEST_TIMEOUT_MS = 5000;
const START_TIMEOUT_MS = 30_000;
const NO_GUARD: GuardReply = { ok: false, error: "no guard answers" };

export class GuardClient implements GuardPort {
  private readonly options: GuardClientOptions;
  private readonly socketPath: string;
  private readonly group: ProcessGroup;
  private readonly localFence: LocalFence;
  private readonly handlers: (() => void)[] = [];
  private connection: GuardConnection | null = null;
  /** Who answered hello on the connection; null before, and without one. */
  private guard: Hello | null = null;
  /** The guard process that we know of, connected or not. */
  private process: ProcessId | null = null;
  private lastToken: string | null = null;
  private incarnation = 0;
  private wire: WireView | null = null;
  private lastAnswerMs: number | null = null;
  /** When the oldest request without an answer was sent. */
  private readonly unanswered = new Map<object, number>();
  private endedEpoch = 0;
  private leaseMs = 0;
  private leaseEpoch = 0;
  private lastExit: ExitReport | null = null;
  private readonly killed: (() => void)[] = [];
  private spawnedMs = -Infinity;
  private retry: Timer | null = null;
  private retryMs = RECONNECT_MS;
  private superviser: Timer | null = null;
  private saidStopped = false;
  private saidOtherDir = false;
  private closed = false;

  constructor(options: GuardClientOptions) {
    this.options = options;
    this.socketPath = join(options.directory, "run", "guard.sock");
    this.group = new ProcessGroup(
      options.dataDir,
      () => ({ guard: this.process?.pid ?? 0, agent: process.pid }),
    );
    this.localFence = new LocalFence({
      clock: options.clock,
      group: this.group,
      log: options.log,
      killAfterMs: () => this.killAfterMs(),
      onKilled: (fenced) => this.onKilledHere(fenced),
    });
    mkdirSync(join(options.directory, "run"), { recursive: true, mode: 0o700 });
    this.connect();
  }

  view(): GuardView {
    const { wire, guard } = this;
    const known = {
      incarnation: this.incarnation,
      endedEpoch: Math.max(this.endedEpoch, wire?.endedEpoch ?? 0),
      lastAnswerMs: this.lastAnswerMs,
      lastExit: this.lastExit,
      postmaster: this.postmaster(),
    };
    // Nothing is known of the data directory before a guard has looked: then the answer is the careful one.
    if (wire === null) {
      return { ...known, state: "none", pid: null, armed: null, anyProcess: true, lateMs: 0 };
    }
    if (guard === null) {
      return { ...known, state: "none", pid: null, armed: null, anyProcess: wire.anyProcess, lateMs: 0 };
    }
    const state = this.isSilent() ? "none" : wire.postmaster?.child === false ? "partial" : "ok";
    const { armed, anyProcess, allStopped, lateMs } = wire;
    return { ...known, state, pid: guard.pid, armed, anyProcess, allStopped, lateMs };
  }

  onChange(handler: () => void): void {
    this.handlers.push(handler);
  }

  arm(epoch: number, deadlineMs: number, unfenced: boolean, done: GuardDone): void {
    if (epoch !== this.leaseEpoch) [this.leaseEpoch, this.leaseMs] = [epoch, 0];
    this.leaseMs = Math.max(this.leaseMs, deadlineMs - this.options.clock.now());
    this.localFence.armed(unfenced ? null : deadlineMs);
    this.send(
      { op: "arm", epoch, deadlineMs, unfenced, killAfterMs: this.killAfterMs() },
      REQUEST_TIMEOUT_MS,
      done,
    );
  }

  end(epoch: number, done: GuardDone): void {
    this.send({ op: "end", epoch }, REQUEST_TIMEOUT_MS, (reply) => {
      if (reply.ok) this.endedEpoch = Math.max(this.endedEpoch, epoch);
      done(reply);
    });
  }

  start(spec: StartSpec, done: GuardDone): void {
    this.sendAsPrimary(spec.epoch !== null, { op: "start", spec }, START_TIMEOUT_MS, done);
  }

  promote(epoch: number, done: GuardDone): void {
    this.sendAsPrimary(true, { op: "promote", epoch }, REQUEST_TIMEOUT_MS, done);
  }

  adopt(epoch: number | null, done: GuardDone): void {
    this.sendAsPrimary(epoch !== null, { op: "adopt", epoch }, REQUEST_TIMEOUT_MS, done);
  }

  signal(kind: "reload" | "fast" | "immediate", done: GuardDone): void {
    this.send({ op: "signal", signal: kind }, REQUEST_TIMEOUT_MS, done);
  }

  kill(done: GuardDone): void {
    let called = false;
    const once = (reply: GuardReply) => {
      if (!called) done(reply);
      called = true;
    };
    this.send({ op: "kill" }, null, (reply) => {
      if (reply.ok || this.closed) return once(reply);
      this.killHere(() => once({ ok: true }));
    });
    // Killing may take its time; an answer to this tells that it is being done.
    this.ping(() => {});
    this.options.clock.after(2 * SILENT_MS, () => {
      if (!called && this.isSilent()) this.killHere(() => once({ ok: true }));
    });
  }

  ping(done: GuardDone): void {
    this.send({ op: "ping" }, REQUEST_TIMEOUT_MS, done);
  }

  /** Ends the guard, if it has nothing to guard any more, and the connection in any case. */
  shutdown(done: () => void): void {
    if (this.closed) return queueMicrotask(done);
    this.send({ op: "quit" }, SILENT_MS, () => {
      this.close();
      done();
    });
  }

  /** Leaves the guard as it is: another agent may find it. */
  close(): void {
    this.closed = true;
    this.retry?.cancel();
    this.superviser?.cancel();
    this.localFence.close();
    this.connection?.close();
  }

  /** min(10 s, ttl): the ttl is what the longest lease of this epoch shows, plus the budget to stop. */
  private killAfterMs(): number {
    return Math.min(MAX_FROZEN_MS, Math.max(0, this.leaseMs) + STOP_BUDGET_MS);
  }

  private postmaster(): Postmaster | null {
    const postmaster = this.wire?.postmaster ?? null;
    if (postmaster === null) return null;
    const phase = this.localFence.phase();
    return phase === "watching"
      ? postmaster
      : { ...postmaster, phase: phase === "frozen" ? "frozen" : "ending" };
  }

  private sendAsPrimary(primary: boolean, operation: Operation, timeoutMs: number, done: GuardDone): void {
    if (primary) this.localFence.primaryRequested(true);
    this.send(operation, timeoutMs, (reply) => {
      // What the answer's view shows counts from here on; without an answer the doubt stays.
      if (primary && (reply.ok || !this.isSilent())) this.localFence.primaryRequested(false);
      done(reply);
    });
  }

  private send(operation: Operation, timeoutMs: number | null, done: GuardDone): void {
    const { clock } = this.options;
    if (this.connection === null || this.guard === null) return queueMicrotask(() => done(NO_GUARD));
    const key = {};
    let timer: Timer | null = null;
    let called = false;
    const finish = (reply: GuardReply) => {
      if (called) return;
      called = true;
      timer?.cancel();
      queueMicrotask(() => done(reply));
    };
    if (timeoutMs !== null) timer = clock.after(timeoutMs, () => finish(NO_GUARD));
    if (operation.op !== "kill" && operation.op !== "start") this.unanswered.set(key, clock.now());
    this.connection.request(operation, (answer) => {
      this.unanswered.delete(key);
      finish(answer?.reply ?? NO_GUARD);
    });
    this.supervise();
  }

  private isSilent(): boolean {
    return this.silentMs() > SILENT_MS;
  }

  private silentMs(): number {
    const oldest = this.unanswered.values().next().value;
    return oldest === undefined ? 0 : this.options.clock.now() - oldest;
  }

  /** Runs while an answer is outstanding. */
  private supervise(): void {
    if (this.superviser !== null || this.closed) return;
    this.superviser = this.options.clock.after(SILENT_MS / 2, () => {
      this.superviser = null;
      if (this.unanswered.size === 0) return;
      if (this.isSilent()) this.wakeGuard();
      this.supervise();
    });
  }

  private wakeGuard(): void {
    const { process } = this;
    this.changed();
    if (process === null || !isSame(process)) return;
    const seen = readProcess(process.pid);
    if (this.silentMs() > HOPELESS_MS) {
      this.options.log.error(
        "guard",
        `guard ${process.pid} has not answered for 15 s: it is killed and replaced`,
      );
      signalProcess(process, SIGKILL);
    } else if (seen !== null && isStopped(seen)) {
      if (!this.saidStopped) {
        this.options.log.warning("guard", `guard ${process.pid} was stopped by a signal: it is woken`);
      }
      this.saidStopped = true;
      sendSignal(process.pid, SIGCONT);
    }
  }

  private connect(): void {
    if (this.closed) return;
    this.connection = new GuardConnection(this.socketPath, {
      onOpen: (connection) => this.onOpen(connection),
      onMessage: (message) => this.onMessage(message),
      onClose: () => this.onClose(),
    });
  }

  private onOpen(connection: GuardConnection): void {
    this.process = connection.guardPid === null ? null : identify(connection.guardPid);
    const key = {};
    this.unanswered.set(key, this.options.clock.now());
    connection.request({ op: "hello", version: PROTOCOL_VERSION }, (answer) => {
      this.unanswered.delete(key);
      if (answer === null) return;
      if (answer.hello === undefined) {
        this.options.log.error(
          "guard",
          `the guard refuses us: ${answer.reply.ok ? "no greeting" : answer.reply.error}`,
        );
        connection.close();
      } else {
        this.onHello(answer.hello);
      }
    });
    this.supervise();
  }

  private onHello(hello: Hello): void {
    const { log, dataDir } = this.options;
    this.retryMs = RECONNECT_MS;
    if (hello.dataDir !== dataDir) {
      const text = `the guard is responsible for ${hello.dataDir}, not for ${dataDir}: asking it to end`;
      if (!this.saidOtherDir) log.error("guard", text);
      this.saidOtherDir = true;
      this.connection?.request({ op: "quit" }, () => this.connection?.close());
      return;
    }
    this.guard = hello;
    if (hello.token !== this.lastToken) {
      this.lastToken = hello.token;
      this.incarnation++;
    }
    if (this.endedEpoch > (this.wire?.endedEpoch ?? 0)) this.end(this.endedEpoch, () => this.changed());
    log.info("guard", `connected to the guard (pid ${hello.pid})`);
    this.changed();
  }

  private onMessage(message: GuardMessage): void {
    switch (message.kind) {
      case "notice":
        return this.options.log[message.notice.level](`guard.${message.notice.event}`, message.notice.text);
      case "superseded":
        this.options.log.error("guard", "another agent has taken over the guard of this data directory");
        this.close();
        this.options.onSuperseded?.();
        return;
      case "reply":
        this.lastAnswerMs = message.atMs;
        this.saidStopped = false;
        break;
    }
    this.wire = message.view;
    this.lastExit = message.view.lastExit ?? this.lastExit;
    this.localFence.guardSays(message.view);
    this.changed();
  }

  private onClose(): void {
    const hadGuard = this.guard !== null;
    this.connection = null;
    this.guard = null;
    this.unanswered.clear();
    if (this.closed) return;
    if (hadGuard) this.options.log.warning("guard", "the connection to the guard is lost");
    this.afterLoss(hadGuard ? 100 : 0);
    this.changed();
  }

  /** Is the guard dead, or has it only closed? A dying process closes its sockets a moment before it is gone. */
  private afterLoss(looksLeft: number): void {
    if (this.process !== null && isSame(this.process) && looksLeft > 0) {
      this.retry = this.options.clock.after(RECONNECT_MS, () => this.afterLoss(looksLeft - 1));
      return;
    }
    const died = this.process !== null && !isSame(this.process);
    if (died) this.process = null;
    // An adopted PostgreSQL is not tied to the guard: the next one adopts it again.
    if (died && this.wire !== null && this.wire.anyProcess && this.wire.postmaster?.child !== false) {
      this.killHere(() => {});
    }
    this.retryLater();
  }

  private retryLater(): void {
    const { clock, command, dataDir } = this.options;
    this.retry?.cancel();
    const alive = this.process !== null && !isDead(readProcess(this.process.pid));
    if (!alive && !this.localFence.isKilling() && clock.now() - this.spawnedMs > RESPAWN_MS) {
      this.spawnedMs = clock.now();
      spawnGuard([...command, "--socket", this.socketPath, "--data-dir", dataDir], this.options.log);
    }
    this.retry = clock.after(this.retryMs, () => this.connect());
    this.retryMs = Math.min(this.retryMs * 1.5, MAX_RECONNECT_MS);
  }

  private killHere(done: () => void): void {
    this.killed.push(done);
    this.localFence.killAll("the guard is gone or does not answer");
    this.changed();
  }

  private onKilledHere(fenced: boolean): void {
    const { clock } = this.options;
    const postmaster = this.wire?.postmaster ?? null;
    if (postmaster !== null) {
      this.lastExit = { pid: postmaster.pid, code: null, signal: "SIGKILL", fenced, atMs: clock.now() };
    }
    if (this.wire !== null) this.wire = { ...this.wire, postmaster: null, anyProcess: false, armed: null };
    // A guard that let it come to this is replaced; if it is dead already, the next one starts now.
    if (this.guard !== null && this.process !== null && this.isSilent()) signalProcess(this.process, SIGKILL);
    for (const call of this.killed.splice(0)) queueMicrotask(call);
    this.changed();
  }

  private changed(): void {
    for (const handler of this.handlers) handler();
  }
}
