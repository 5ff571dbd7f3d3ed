/**
 * Keeps a guard process running: connects to the one that answers, starts one when none does, wakes a stopped
 * one and replaces one that does not recover. Knows nothing of leases.
 */
import type { Clock, Timer } from "../../raft/mod.ts";
import { kill as sendSignal } from "../lib/ffi.ts";
import type { Log } from "../lib/log.ts";
import { isStopped, readProcess, takesSignal } from "../lib/process_table.ts";
import { type Answer, GuardConnection } from "./connection.ts";
import { guardArguments } from "./guard_arguments.ts";
import { identify, isSame, type ProcessId, signalProcess } from "./process_id.ts";
import { type GuardMessage, type Hello, type Operation, PROTOCOL_VERSION } from "./protocol.ts";
import { isGone, servingGuard } from "./serving_guard.ts";
import { SIGCONT, SIGHUP, SIGKILL } from "./signals.ts";
import { spawnGuard } from "./spawn_guard.ts";

export interface GuardLifeOptions {
  readonly socketPath: string;
  readonly dataDir: string;
  /** Command line of a guard process, without its options. */
  readonly command: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  /** A guard of this agent's data directory has answered; from now on requests reach it. */
  onGuard(hello: Hello): void;
  onMessage(message: GuardMessage): void;
  /** Requests reach no guard any more. */
  onLost(): void;
  /** The process of the guard is dead. */
  onDead(): void;
  /** It has been silent for long, or answers again. */
  onSilence(): void;
  /** May a guard be started now? */
  mayStart(): boolean;
  /** The guard that the data directory names as its owner's, while it lives; null: none. */
  livingGuard(): ProcessId | null;
}

/** Without an answer for this long, the guard is not there. A stopped one is woken. */
export const SILENT_MS = 1000;
/** Without an answer for this long, it is killed and replaced. */
const HOPELESS_MS = 15_000;
/**
 * A guard that lives and cannot be connected to has lost its socket. It is asked to make it anew; after so
 * long it is ended, and PostgreSQL with it by the kernel. Another one cannot start before.
 */
const UNREACHABLE_MS = 5000;
const ASK_AGAIN_MS = 1000;
const RECONNECT_MS = 20;
const MAX_RECONNECT_MS = 500;
/** Until the next start of a guard that nobody could connect to; each doubles it. */
const RESPAWN_MS = 300;
const MAX_RESPAWN_MS = 5000;
/** A dying process closes its sockets a moment before it is gone. */
const DYING_MS = 2000;

export class GuardLife {
  /** The guard process that is known, connected or not. */
  process: ProcessId | null = null;
  /** The guard that answered on the connection; null without one. */
  hello: Hello | null = null;
  /** The guard that is about to answer again, as another program; null: none, or it takes too long. */
  upgrading: Hello | null = null;
  readonly #options: GuardLifeOptions;
  #connection: GuardConnection | null = null;
  #spawnAtMs = -Infinity;
  #respawnMs = RESPAWN_MS;
  /** A guard that was started has found another one that serves the socket. */
  #isServed = false;
  #askedMs = -Infinity;
  /** Since when nothing could be connected to; null: connected. */
  #unreachableSinceMs: number | null = null;
  #retry: Timer | null = null;
  #retryMs = RECONNECT_MS;
  #superviser: Timer | null = null;
  /** Logged once, not with every look. */
  readonly #said = new Set<string>();
  #closed = false;

  constructor(options: GuardLifeOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#closed) return;
    this.#unreachableSinceMs ??= this.#options.clock.now();
    this.#connection = new GuardConnection(this.#options.socketPath, this.#options.clock, {
      onOpen: (connection) => this.#onOpen(connection),
      onMessage: (message) => this.#onMessage(message),
      onClose: () => this.#onClose(),
    });
  }

  /**
   * False when there is no guard to ask; else `done` is called once, with null when the guard is lost
   * meanwhile.
   */
  request(operation: Operation, done: (answer: Answer | null) => void): boolean {
    if (this.#connection === null || this.hello === null) return false;
    // PostgreSQL is started and killed in its own time.
    const connection = this.#connection;
    connection.request(operation, operation.op === "start" || operation.op === "kill", (answer) => {
      // Nothing is outstanding: the next request is supervised from its own beginning, hence no later.
      if (connection === this.#connection && !connection.isWaiting()) this.#rest();
      done(answer);
    });
    this.#supervise();
    return true;
  }

  /** The guard that says yes leaves the connection, and is back in a moment. */
  upgrade(operation: Operation, done: (answer: Answer | null) => void): void {
    const { hello } = this;
    const sent = this.request(operation, (answer) => {
      if (answer?.reply.ok === true && hello !== null && hello === this.hello) this.#expect(hello);
      done(answer);
    });
    if (!sent) done(null);
  }

  #expect(hello: Hello): void {
    this.upgrading = hello;
    this.#options.clock.after(SILENT_MS, () => {
      if (this.upgrading !== hello) return;
      this.upgrading = null;
      this.#options.onSilence();
    });
  }

  /** The guard that the connection leads to was stopped by a signal. */
  isStopped(): boolean {
    const seen = this.process === null ? null : readProcess(this.process.pid);
    return seen !== null && isStopped(seen);
  }

  isSilent(): boolean {
    return (this.#connection?.silentMs() ?? 0) > SILENT_MS;
  }

  /** Ends a guard that does not answer; another one follows. */
  replace(): void {
    if (this.process !== null) signalProcess(this.process, SIGKILL);
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#superviser?.cancel();
    this.#connection?.close();
  }

  #onOpen(connection: GuardConnection): void {
    this.#unreachableSinceMs = null;
    this.process = connection.guardPid === null ? null : identify(connection.guardPid);
    connection.request({ op: "hello", version: PROTOCOL_VERSION }, false, (answer) => {
      if (answer !== null) this.#onHello(connection, answer);
    });
    this.#supervise();
  }

  #onHello(connection: GuardConnection, { hello, reply }: Answer): void {
    const { dataDir, log } = this.#options;
    if (hello === undefined) {
      this.#complain(`the guard refuses this agent: ${reply.ok ? "no greeting" : reply.error}`);
      connection.close();
    } else if (hello.dataDir !== dataDir) {
      this.#complain(`the guard is responsible for ${hello.dataDir}, not for ${dataDir}: asking it to end`);
      connection.request({ op: "quit" }, false, () => connection.close());
    } else {
      this.hello = hello;
      this.upgrading = null;
      this.#retryMs = RECONNECT_MS;
      this.#respawnMs = RESPAWN_MS;
      this.#spawnAtMs = -Infinity;
      this.#isServed = false;
      this.#said.clear();
      log.info("guard", `connected to the guard (pid ${hello.pid})`);
      this.#options.onGuard(hello);
    }
  }

  #onMessage(message: GuardMessage): void {
    const ours = message.kind === "reply"
      ? message.hello?.dataDir ?? this.hello?.dataDir
      : this.hello?.dataDir;
    if (ours === this.#options.dataDir) this.#options.onMessage(message);
  }

  #onClose(): void {
    const hadGuard = this.hello !== null;
    this.#connection = null;
    this.hello = null;
    if (this.#closed) return;
    const isExpected = this.upgrading !== null;
    if (hadGuard && !isExpected) {
      this.#options.log.warning("guard", "the connection to the guard is lost");
      this.#options.onLost();
    }
    this.#afterLoss(hadGuard && !isExpected ? this.#options.clock.now() + DYING_MS : 0);
  }

  /** Is the guard dead, or has it only closed? */
  #afterLoss(untilMs: number): void {
    const { clock } = this.#options;
    const alive = this.process !== null && isSame(this.process);
    if (alive && clock.now() < untilMs) {
      this.#retry = clock.after(RECONNECT_MS, () => this.#afterLoss(untilMs));
      return;
    }
    if (this.process !== null && !alive) {
      this.process = null;
      this.#options.onDead();
    }
    const lost = this.#withoutSocket();
    if (lost !== null) this.#unreachable(lost);
    else if (this.process === null) this.#spawn();
    this.#retry?.cancel();
    this.#retry = clock.after(this.#retryMs, () => this.start());
    this.#retryMs = Math.min(this.#retryMs * 1.5, MAX_RECONNECT_MS);
  }

  /** A guard that lives, and that nobody can connect to; null: none is known. */
  #withoutSocket(): ProcessId | null {
    const { socketPath, livingGuard } = this.#options;
    // The one that was connected may be about to become another program, and then its socket is there still.
    if (this.process !== null) return isGone(socketPath) ? this.process : null;
    return livingGuard() ?? (this.#isServed ? servingGuard(socketPath) : null);
  }

  /** No other one is started beside it: it holds the locks, and each start would end at once. */
  #unreachable(lost: ProcessId): void {
    const { clock, socketPath } = this.#options;
    const nowMs = clock.now();
    const seconds = UNREACHABLE_MS / 1000;
    if (nowMs - (this.#unreachableSinceMs ?? nowMs) >= UNREACHABLE_MS) {
      this.#complain(
        `guard ${lost.pid} lives, but nothing connects to its socket for ${seconds} s: it is killed and replaced`,
      );
      signalProcess(lost, SIGKILL);
    } else if (nowMs - this.#askedMs >= ASK_AGAIN_MS && takesSignal(lost.pid, SIGHUP) === true) {
      // A guard of an earlier release ignores it. One that has no handler yet has only just begun.
      this.#askedMs = nowMs;
      this.#complain(
        `guard ${lost.pid} lives, but nothing connects to its socket ${socketPath}: it is asked to make the socket ` +
          `anew, and killed with PostgreSQL if that does not help within ${seconds} s`,
      );
      signalProcess(lost, SIGHUP);
    }
  }

  #spawn(): void {
    const { clock, command, socketPath, dataDir, log, mayStart } = this.#options;
    if (!mayStart() || clock.now() < this.#spawnAtMs) return;
    this.#spawnAtMs = clock.now() + this.#respawnMs;
    this.#respawnMs = Math.min(2 * this.#respawnMs, MAX_RESPAWN_MS);
    spawnGuard([...command, ...guardArguments(socketPath, dataDir)], log, () => this.#isServed = true);
  }

  /** Runs while an answer is outstanding. */
  #supervise(): void {
    if (this.#superviser !== null || this.#closed) return;
    this.#superviser = this.#options.clock.after(SILENT_MS / 2, () => {
      this.#superviser = null;
      if (this.#connection === null || !this.#connection.isWaiting()) return;
      if (this.isSilent()) this.#wake(this.#connection.silentMs());
      this.#supervise();
    });
  }

  #rest(): void {
    this.#superviser?.cancel();
    this.#superviser = null;
  }

  #wake(silentMs: number): void {
    const { process } = this;
    this.#options.onSilence();
    if (process === null) return;
    const seen = readProcess(process.pid);
    if (silentMs > HOPELESS_MS) {
      this.#complain(
        `guard ${process.pid} has not answered for ${HOPELESS_MS / 1000} s: it is killed and replaced`,
      );
      this.replace();
    } else if (seen !== null && isStopped(seen) && isSame(process)) {
      this.#complain(`guard ${process.pid} was stopped by a signal: it is woken`);
      sendSignal(process.pid, SIGCONT);
    }
  }

  #complain(text: string): void {
    if (!this.#said.has(text)) this.#options.log.error("guard", text);
    this.#said.add(text);
  }
}
