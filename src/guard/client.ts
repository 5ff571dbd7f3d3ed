/**
 * The agent's side of the guard: requests to the guard process (guard_life.ts keeps one running), the
 * knowledge of it, and the acts in its place when it is stopped or dead (local_fence.ts). Owns this
 * invariant: every callback is called exactly once, and later.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Timer } from "../../raft/mod.ts";
import type { Log } from "../lib/log.ts";
import { MAX_FROZEN_MS, STOP_BUDGET_MS } from "../lease/stop_budget.ts";
import { VERSION } from "../model/version.ts";
import { guardOf } from "./directory_owner.ts";
import { LentDirectory } from "./lent_directory.ts";
import { guardSocketOf } from "./guard_arguments.ts";
import { GuardLife, SILENT_MS } from "./guard_life.ts";
import { GuardUpgrade } from "./guard_upgrade.ts";
import { LocalFence } from "./local_fence.ts";
import type { GuardDone, GuardPort, GuardReply, StartSpec } from "./port.ts";
import type { ExitReport, GuardView, Postmaster } from "../model/guard_view.ts";
import { ProcessGroup } from "./process_group.ts";
import type { GuardMessage, Hello, Operation, WireView } from "./protocol.ts";

export interface GuardClientOptions {
  /** raft.data_dir: the socket is `run/guard.sock` in it. */
  readonly directory: string;
  /** PostgreSQL's data directory. */
  readonly dataDir: string;
  /** Command line of a guard process, without its options. */
  readonly command: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  /** Release of this program: a guard of another one is upgraded. @default VERSION */
  readonly release?: string;
  /** The records say that this machine holds an unfenced epoch (pause). @default false */
  readonly unfenced?: () => boolean;
  /** No agent has written the configuration of the server that runs here. @default false */
  readonly unmanaged?: boolean;
  /** Another agent has taken the guard over: this one has to end. @default nothing */
  readonly onSuperseded?: () => void;
  /** The data directory belongs to another agent, as `why` says: this one must end. @default nothing */
  readonly onTaken?: (why: string) => void;
}

const REQUEST_TIMEOUT_MS = 5000;
const START_TIMEOUT_MS = 30_000;
/**
 * A guard that has not answered a new agent for so long, or that is seen to be stopped, does not fence in
 * time. With a ttl of 2 s, the lease of an agent that died a moment ago runs out within a second.
 */
const UNHEARD_MS = 500;
const UNHEARD_LOOK_MS = 50;
const NO_GUARD: GuardReply = { ok: false, error: "no guard answers" };

export class GuardClient implements GuardPort {
  readonly #options: GuardClientOptions;
  readonly #life: GuardLife;
  readonly #localFence: LocalFence;
  readonly #upgrade: GuardUpgrade;
  readonly #lent: LentDirectory;
  readonly #handlers: (() => void)[] = [];
  #lastToken: string | null = null;
  #incarnation = 0;
  /** The guard's last message; null: none has come yet. */
  #wire: WireView | null = null;
  #lastAnswerMs: number | null = null;
  #endedEpoch = 0;
  /** The longest lease seen of the epoch: shows the ttl. */
  #lease = { epoch: 0, longestMs: 0 };
  #lastExit: ExitReport | null = null;
  readonly #whenKilled: (() => void)[] = [];
  #closed = false;
  #unheard: Timer | null = null;

  constructor(options: GuardClientOptions) {
    this.#options = options;
    const { directory, dataDir, command, clock, log } = options;
    const group = new ProcessGroup(
      dataDir,
      () => ({ guard: this.#life.process?.pid ?? 0, agent: process.pid }),
    );
    this.#lent = new LentDirectory(dataDir, directory, clock);
    this.#localFence = new LocalFence({
      clock,
      group,
      log,
      killAfterMs: () => this.#killAfterMs(),
      unfenced: () => options.unfenced?.() ?? false,
      unmanaged: options.unmanaged ?? false,
      onKilled: (fenced) => this.#onKilledHere(fenced),
    });
    this.#upgrade = new GuardUpgrade({
      release: options.release ?? VERSION,
      command,
      clock,
      log,
      ask: (operation, done) => this.#life.upgrade(operation, (answer) => done(answer?.reply ?? null)),
    });
    mkdirSync(join(directory, "run"), { recursive: true, mode: 0o700 });
    this.#life = new GuardLife({
      socketPath: guardSocketOf(directory),
      dataDir,
      command,
      clock,
      log,
      onGuard: (hello) => this.#onGuard(hello),
      onMessage: (message) => this.#onMessage(message),
      onLost: () => this.#changed(),
      onDead: () => this.#onDead(),
      onSilence: () => this.#changed(),
      // No file names it while the directory is lent.
      livingGuard: () => this.#lent.isHeld ? this.#life.process : guardOf(dataDir, directory),
      mayStart: () => this.#localFence.phase() !== "killing",
    });
    this.#life.start();
    this.#watchUnheard();
  }

  /** Watches until a guard's first message. */
  #watchUnheard(sinceMs = this.#options.clock.now()): void {
    const { clock } = this.#options;
    this.#unheard = clock.after(UNHEARD_LOOK_MS, () => {
      if (this.#wire !== null || this.#closed) return;
      if (this.#life.isStopped() || clock.now() - sinceMs >= UNHEARD_MS) this.#localFence.guardUnheard();
      this.#watchUnheard(sinceMs);
    });
  }

  view(): GuardView {
    const wire = this.#wire;
    // While it becomes another program, it counts as the same guard.
    const hello = this.#life.hello ?? this.#life.upgrading;
    const known = {
      incarnation: this.#incarnation,
      endedEpoch: Math.max(this.#endedEpoch, wire?.endedEpoch ?? 0),
      lastAnswerMs: this.#lastAnswerMs,
      lastExit: this.#lastExit,
      postmaster: this.#postmaster(),
      // Before a guard has looked, the data directory is unknown: then the answer is the careful one.
      anyProcess: wire?.anyProcess ?? true,
      clocks: wire?.clocks ?? null,
    };
    if (wire === null || hello === null) {
      return { ...known, state: "none", pid: null, armed: null, lateMs: 0 };
    }
    const state = this.#life.isSilent() ? "none" : wire.postmaster?.child === false ? "partial" : "ok";
    const { armed, allStopped, lateMs, doomed = false } = wire;
    return { ...known, state, pid: hello.pid, armed, allStopped, lateMs, doomed };
  }

  onChange(handler: () => void): void {
    this.#handlers.push(handler);
  }

  arm(epoch: number, deadlineMs: number, unfenced: boolean, done: GuardDone): void {
    const leaseMs = deadlineMs - this.#options.clock.now();
    const before = this.#lease.epoch === epoch ? this.#lease.longestMs : 0;
    this.#lease = { epoch, longestMs: Math.max(before, leaseMs) };
    this.#localFence.armed(unfenced ? null : deadlineMs);
    const killAfterMs = this.#killAfterMs();
    this.#send({ op: "arm", epoch, deadlineMs, unfenced, killAfterMs }, REQUEST_TIMEOUT_MS, done);
  }

  end(epoch: number, done: GuardDone): void {
    this.#send({ op: "end", epoch }, REQUEST_TIMEOUT_MS, (reply) => {
      if (reply.ok) this.#endedEpoch = Math.max(this.#endedEpoch, epoch);
      done(reply);
    });
  }

  claim(done: GuardDone): void {
    this.#send({ op: "claim" }, REQUEST_TIMEOUT_MS, (reply) => {
      if (reply.ok || this.#isTaken) this.#lent.release();
      done(reply);
    });
  }

  lend(done: GuardDone): void {
    this.#lent.hold();
    this.#send({ op: "claim", lend: true }, REQUEST_TIMEOUT_MS, (reply) => {
      if (!reply.ok) this.#lent.release();
      done(reply);
    });
  }

  start(spec: StartSpec, done: GuardDone): void {
    this.#send({ op: "start", spec }, START_TIMEOUT_MS, done, spec.epoch !== null);
  }

  promote(epoch: number, done: GuardDone): void {
    this.#send({ op: "promote", epoch }, REQUEST_TIMEOUT_MS, done, true);
  }

  adopt(epoch: number | null, done: GuardDone): void {
    // A server that others have restarted meanwhile may have another role.
    const pid = this.#wire?.postmaster?.pid;
    const request = { op: "adopt", epoch, ...(pid === undefined ? {} : { pid }) } as const;
    this.#send(request, REQUEST_TIMEOUT_MS, done, epoch !== null);
  }

  signal(kind: "reload" | "fast" | "immediate", done: GuardDone): void {
    this.#send({ op: "signal", signal: kind }, REQUEST_TIMEOUT_MS, done);
  }

  pastCheckpoint(pid: number, leftoversMs: number, done: GuardDone): void {
    this.#send({ op: "close", pid, leftoversMs }, REQUEST_TIMEOUT_MS, done);
  }

  kill(done: GuardDone): void {
    let called = false;
    const once = (reply: GuardReply) => {
      if (!called) done(reply);
      called = true;
    };
    const killHere = () => {
      if (!called) this.#killHere(() => once({ ok: true }));
    };
    const isFinal = (reply: GuardReply) => reply.ok || this.#closed || this.#isTaken;
    this.#send({ op: "kill" }, null, (reply) => isFinal(reply) ? once(reply) : killHere());
    // A kill takes time. An answer to this shows that the guard works on it.
    this.ping(() => {});
    this.#options.clock.after(2 * SILENT_MS, () => {
      if (this.#life.isSilent() && !this.#isTaken) killHere();
    });
  }

  ping(done: GuardDone): void {
    this.#send({ op: "ping" }, REQUEST_TIMEOUT_MS, done);
  }

  /** Ends the guard, if it has nothing to guard any more, and the connection in any case. */
  shutdown(done: () => void): void {
    if (this.#closed) return queueMicrotask(done);
    this.#send({ op: "quit" }, SILENT_MS, () => {
      this.close();
      done();
    });
  }

  /** Leaves the guard as it is: another agent may find it. */
  close(): void {
    this.#closed = true;
    this.#unheard?.cancel();
    this.#lent.release();
    this.#upgrade.close();
    this.#localFence.close();
    this.#life.close();
  }

  /** min(10 s, ttl), the ttl as the longest lease shows it. */
  #killAfterMs(): number {
    return Math.min(MAX_FROZEN_MS, Math.max(0, this.#lease.longestMs) + STOP_BUDGET_MS);
  }

  /** Another agent owns the data directory: this one may not end its server. */
  get #isTaken(): boolean {
    return (this.#wire?.taken ?? null) !== null;
  }

  #postmaster(): Postmaster | null {
    const postmaster = this.#wire?.postmaster ?? null;
    const phase = this.#localFence.phase();
    if (postmaster === null || phase === "watching") return postmaster;
    return { ...postmaster, phase: phase === "frozen" ? "frozen" : "ending" };
  }

  /** `makesPrimary`: until the answer is here, the server may be a primary. */
  #send(operation: Operation, timeoutMs: number | null, done: GuardDone, makesPrimary = false): void {
    let timer: Timer | null = null;
    let called = false;
    const finish = (reply: GuardReply) => {
      if (called) return;
      called = true;
      timer?.cancel();
      queueMicrotask(() => done(reply));
    };
    const sent = this.#life.request(operation, (answer) => {
      if (makesPrimary) this.#localFence.primaryRequested(false);
      finish(answer?.reply ?? NO_GUARD);
    });
    if (!sent) return finish(NO_GUARD);
    if (called) return;
    if (makesPrimary) this.#localFence.primaryRequested(true);
    if (timeoutMs !== null) timer = this.#options.clock.after(timeoutMs, () => finish(NO_GUARD));
  }

  #onGuard(hello: Hello): void {
    if (hello.token !== this.#lastToken) this.#incarnation++;
    this.#lastToken = hello.token;
    this.#upgrade.met(hello);
    // A new guard remembers nothing.
    if (this.#endedEpoch > (this.#wire?.endedEpoch ?? 0)) this.end(this.#endedEpoch, () => this.#changed());
    this.#changed();
  }

  #onMessage(message: GuardMessage): void {
    const { log } = this.#options;
    switch (message.kind) {
      case "notice":
        return log[message.notice.level](`guard.${message.notice.event}`, message.notice.text);
      case "superseded":
        log.error("guard", "another agent has taken over the guard of this data directory");
        this.close();
        this.#options.onSuperseded?.();
        return;
      case "reply":
        this.#lastAnswerMs = message.atMs;
        break;
    }
    const before = this.#wire?.taken ?? null;
    this.#wire = message.view;
    const { taken = null } = message.view;
    if (taken !== null && taken !== before) {
      log.error("guard", taken);
      this.#options.onTaken?.(taken);
    }
    this.#lastExit = message.view.lastExit ?? this.#lastExit;
    this.#localFence.guardSays(message.view);
    this.#changed();
  }

  #onDead(): void {
    if (this.#isTaken) return;
    // An adopted PostgreSQL is not tied to the guard: the next one adopts it again.
    if (this.#wire?.anyProcess === true && this.#wire.postmaster?.child !== false) this.#killHere(() => {});
  }

  #killHere(done: () => void): void {
    this.#whenKilled.push(done);
    this.#localFence.killAll("the guard is gone or does not answer");
    this.#changed();
  }

  #onKilledHere(fenced: boolean): void {
    const postmaster = this.#wire?.postmaster ?? null;
    if (postmaster !== null) {
      const atMs = this.#options.clock.now();
      this.#lastExit = { pid: postmaster.pid, code: null, signal: "SIGKILL", fenced, atMs };
    }
    if (this.#wire !== null) this.#wire = { ...this.#wire, postmaster: null, anyProcess: false, armed: null };
    // A guard that let this happen cannot be relied on any more.
    if (this.#life.isSilent()) this.#life.replace();
    for (const call of this.#whenKilled.splice(0)) queueMicrotask(call);
    this.#changed();
  }

  #changed(): void {
    for (const handler of this.#handlers) handler();
  }
}
