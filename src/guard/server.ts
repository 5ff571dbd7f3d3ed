/**
 * The guard process: the socket on which the agent controls it, and its life. One controller at a time, the
 * newest; it may come and go, and the guard stays as long as there is something to guard. Writes nothing to
 * disk or to a log after its start; its messages go to the controller.
 */
import { closeSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { Socket } from "bun";
import type { Clock } from "../../raft/mod.ts";
import { peerCredentials, pollNow, POLLOUT, reapChild, setSession } from "../lib/ffi.ts";
import { randomHex } from "../lib/random.ts";
import { SystemClock, wallClockMs } from "../lib/clock.ts";
import { VERSION } from "../model/version.ts";
import { DirectoryOwner } from "./directory_owner.ts";
import { EXIT_ANOTHER_GUARD } from "./exit_codes.ts";
import { Guard } from "./guard.ts";
import { guardArguments } from "./guard_arguments.ts";
import { type HandedOver, STATE_VERSION } from "./hand_over.ts";
import { launchPostgres } from "./launch_postgres.ts";
import { LineWriter } from "./line_writer.ts";
import { GuardSocket, prepareDirectory } from "./guard_socket.ts";
import { LonelyGuard } from "./lonely_guard.ts";
import { mayControl } from "./may_control.ts";
import { takePrivileges } from "./privileges.ts";
import { ProcessGroup } from "./process_group.ts";
import {
  decodeRequest,
  encode,
  type GuardMessage,
  type Hello,
  LineReader,
  type Notice,
  PROTOCOL_VERSION,
  type Request,
  type UpgradeOperation,
  type WireView,
} from "./protocol.ts";
import { becomeProgram, letSignalsIn, openProgram, takeState } from "./upgrade_self.ts";

/** A guard whose program is replaced answers first. */
const UPGRADE_DELAY_MS = 1;

export interface GuardOptions {
  readonly socketPath: string;
  readonly dataDir: string;
  /** Command line of the shim (postgres_shim.ts) without its arguments. */
  readonly shimCommand: readonly string[];
  /** @default 5000; every arm may change it */
  readonly killAfterMs?: number;
  /** The descriptor with the state of this process's former program (upgrade_self.ts). @default none */
  readonly stateFd?: number | null;
  /** @default VERSION */
  readonly release?: string;
}

const DEFAULT_KILL_AFTER_MS = 5000;
const KEPT_NOTICES = 50;
/** A guard is started by an agent that connects at once. If that agent died, the guard looks around alone. */
const FIRST_LOOK_MS = 2000;

/** Runs until the process ends. */
export function runGuard(options: GuardOptions): void {
  const handed = typeof options.stateFd === "number" ? takeState(options.stateFd) : null;
  if (handed === null) setSession();
  const lockFd = handed?.lockFd ?? prepareDirectory(options.socketPath);
  if (lockFd === null) {
    complain(`another guard serves ${options.socketPath}`);
    process.exit(EXIT_ANOTHER_GUARD);
  }
  new GuardServer(options, lockFd, handed).listen();
}

function complain(text: string): void {
  if ((pollNow(2, POLLOUT) & POLLOUT) !== 0) writeSync(2, `guard: ${text}\n`);
}

interface Connection {
  readonly reader: LineReader;
  readonly writer: LineWriter;
  readonly pid: number;
}

type ControllerSocket = Socket<Connection | null>;

class GuardServer {
  readonly #options: GuardOptions;
  readonly #clock: Clock = new SystemClock();
  readonly #hello: Hello;
  readonly #directory: DirectoryOwner;
  readonly #guard: Guard;
  readonly #oomScoreAdj: string;
  #controller: ControllerSocket | null = null;
  #controllerPid = 0;
  readonly #notices: Notice[] = [];
  readonly #socket: GuardSocket<Connection>;
  readonly #lonely: LonelyGuard;

  constructor(options: GuardOptions, lockFd: number, handed: HandedOver | null) {
    this.#options = options;
    this.#socket = new GuardSocket(options.socketPath, lockFd, {
      open: (socket) => this.#onOpen(socket),
      data: (socket, chunk) => this.#onData(socket, chunk),
      drain: (socket) => socket.data?.writer.flush(),
      close: (socket) => this.#onClose(socket),
      error: (socket) => this.#onClose(socket),
    });
    this.#controllerPid = handed?.controllerPid ?? 0;
    this.#hello = {
      version: PROTOCOL_VERSION,
      pid: process.pid,
      token: handed?.token ?? randomHex(8),
      dataDir: options.dataDir,
      release: options.release ?? VERSION,
      stateVersion: STATE_VERSION,
    };
    const keepers = () => ({ guard: process.pid, agent: this.#controllerPid });
    const raftDir = dirname(dirname(options.socketPath));
    this.#directory = new DirectoryOwner(options.dataDir, raftDir, keepers, handed?.directory ?? null);
    const group = new ProcessGroup(options.dataDir, keepers);
    this.#guard = new Guard({
      clock: this.#clock,
      wallMs: wallClockMs,
      group,
      killAfterMs: options.killAfterMs ?? DEFAULT_KILL_AFTER_MS,
      claim: (purpose) => this.#directory.claim(purpose),
      launch: (spec, onExit) =>
        launchPostgres(
          { shimCommand: options.shimCommand, oomScoreAdj: this.#oomScoreAdj },
          spec,
          onExit,
        ),
      reap: reapChild,
      onView: (view) => this.#push({ kind: "view", view }),
      onNotice: (notice) => this.#notify(notice),
    });
    this.#lonely = new LonelyGuard({
      clock: this.#clock,
      guard: this.#guard,
      isControlled: () => this.#controller !== null,
      isSocketThere: () => this.#socket.isThere(),
      release: () => this.#directory.release(),
      quit: () => this.#quit(),
    }, handed !== null);
    if (handed !== null) this.#resume(handed);
    const privileges = takePrivileges();
    this.#oomScoreAdj = handed?.oomScoreAdj ?? privileges.oomScoreAdj;
    this.#sayWhoWeAre(privileges.summary, handed);
  }

  #resume({ guard, directory }: HandedOver): void {
    this.#guard.resume(guard);
    // The program that this process was took no lock: it is taken once, although PostgreSQL may run.
    const claim = directory === undefined ? this.#directory.claim("look") : null;
    if (claim?.kind === "taken") this.#notify({ level: "error", event: "owner", text: claim.why });
  }

  #sayWhoWeAre(privileges: string, handed: HandedOver | null): void {
    const { release } = this.#hello;
    const tookMs = handed === null ? 0 : Math.round(this.#clock.now() - handed.atMs);
    this.#notify({
      level: "info",
      event: "guard",
      text: handed === null
        ? `guard runs as pid ${process.pid} (${privileges})`
        : `guard ${process.pid} goes on as release ${release}, before ${handed.release}, after ${tookMs} ms (${privileges})`,
    });
  }

  listen(): void {
    this.#socket.listen();
    this.#stayAlive();
    // Programs that the agent runs in the directory must be known as its own before orphans are looked for.
    this.#clock.after(FIRST_LOOK_MS, () => {
      this.#guard.lookAround();
      this.#lonely.letGo();
    });
    this.#lonely.alone();
  }

  #stayAlive(): void {
    process.on("SIGCHLD", () => this.#guard.lookAtPostmaster());
    // A service manager that ends the whole service at once ends the agent too, which then stops PostgreSQL
    // in order.
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        if (this.#controller === null && this.#lonely.isUnneeded) this.#quit();
      });
    }
    process.on("SIGHUP", () => this.#remakeSocket());
    letSignalsIn();
  }

  /**
   * An agent that finds no socket asks for it. The disk is looked at then, and this guard may hang on it. So
   * it is not while an agent is connected; the one that asks freezes PostgreSQL after half a second without
   * an answer, and kills this guard later.
   */
  #remakeSocket(): void {
    if (this.#controller !== null) return;
    try {
      if (!this.#socket.remake()) return;
      const text = `the socket ${this.#options.socketPath} was gone: guard ${process.pid} has made it anew`;
      this.#notify({ level: "warning", event: "socket", text });
    } catch (error) {
      if ((error as { code?: unknown }).code === undefined) throw error;
      const text = `the socket is gone, and cannot be made anew: ${(error as Error).message}`;
      this.#notify({ level: "error", event: "socket", text });
    }
  }

  #onOpen(socket: ControllerSocket): void {
    const peer = peerCredentials((socket as unknown as { fd: number }).fd);
    if (peer === null || !mayControl(peer.uid, process.geteuid?.() ?? 0)) {
      this.#notify({ level: "warning", event: "stranger", text: `refused a controller of uid ${peer?.uid}` });
      socket.end();
      return;
    }
    socket.data = {
      reader: new LineReader(),
      writer: new LineWriter(socket as Socket<unknown>),
      pid: peer.pid,
    };
  }

  #onData(socket: ControllerSocket, chunk: Uint8Array): void {
    const connection = socket.data;
    if (connection === null) return;
    const lines = connection.reader.push(chunk);
    if (lines === null) {
      socket.end();
      return;
    }
    for (const line of lines) this.#onLine(socket, line);
  }

  #onLine(socket: ControllerSocket, line: string): void {
    const request = decodeRequest(line);
    if ("error" in request) {
      if (request.id !== null) this.#answer(socket, request.id, request.error);
      else socket.end();
    } else if (request.op === "hello") {
      this.#takeOver(socket, request.id, request.version);
    } else if (socket !== this.#controller) {
      this.#answer(socket, request.id, "you are not the controller");
    } else {
      this.#onRequest(socket, request);
    }
  }

  #onRequest(socket: ControllerSocket, request: Request): void {
    if (request.op === "hello") return;
    if (request.op === "upgrade") {
      this.#upgrade(socket, request);
    } else if (request.op !== "quit") {
      this.#guard.handle(request, (reply) => this.#answer(socket, request.id, reply.ok ? null : reply.error));
    } else if (this.#lonely.isUnneeded) {
      this.#answer(socket, request.id, null);
      this.#quit();
    } else {
      this.#answer(socket, request.id, "PostgreSQL still runs");
    }
  }

  /**
   * The newest agent is the controller. Release 1 speaks version 1 only; a newer agent has to speak it with
   * this guard.
   */
  #takeOver(socket: ControllerSocket, id: number, version: number): void {
    if (version < PROTOCOL_VERSION) {
      this.#answer(socket, id, `this guard speaks version ${PROTOCOL_VERSION}, not ${version}`);
      return;
    }
    const older = this.#controller;
    this.#controller = socket;
    this.#lonely.controlled();
    this.#controllerPid = socket.data?.pid ?? 0;
    if (older !== null && older !== socket) {
      this.#send(older, { kind: "superseded" });
      older.end();
    }
    this.#guard.newController();
    this.#answer(socket, id, null, this.#hello);
    for (const notice of this.#notices.splice(0)) this.#send(socket, { kind: "notice", notice });
  }

  #upgrade(socket: ControllerSocket, request: UpgradeOperation & { readonly id: number }): void {
    const state = this.#stateFor(request);
    const programFd = openProgram(request, this.#controllerPid);
    if ("error" in state) return this.#answer(socket, request.id, state.error);
    if (programFd === null) {
      return this.#answer(socket, request.id, `${request.program} is not the program of the agent any more`);
    }
    this.#answer(socket, request.id, null);
    this.#clock.after(UPGRADE_DELAY_MS, () => {
      const text = `the guard goes on as it is: ${this.#become(programFd, request)}`;
      closeSync(programFd);
      this.#notify({ level: "warning", event: "upgrade", text });
    });
  }

  /** Returns only when it has failed, with the reason. */
  #become(programFd: number, request: UpgradeOperation): string {
    // Asked once more: a request may have come in between.
    const state = this.#stateFor(request);
    if ("error" in state) return state.error;
    const { socketPath, dataDir } = this.#options;
    return becomeProgram(programFd, [...request.command, ...guardArguments(socketPath, dataDir)], state);
  }

  #stateFor({ stateVersion }: UpgradeOperation): HandedOver | { readonly error: string } {
    if (stateVersion < STATE_VERSION) {
      return { error: `it could not take over: it reads version ${stateVersion}, not ${STATE_VERSION}` };
    }
    const guard = this.#guard.handOver();
    if ("error" in guard) return guard;
    const { dataDir } = this.#options;
    const { release = VERSION, token } = this.#hello;
    const controllerPid = this.#controllerPid;
    const oomScoreAdj = this.#oomScoreAdj;
    const { lockFd } = this.#socket;
    const directory = this.#directory.handOver;
    const atMs = this.#clock.now();
    return {
      version: STATE_VERSION,
      guard,
      release,
      token,
      dataDir,
      controllerPid,
      oomScoreAdj,
      lockFd,
      directory,
      atMs,
    };
  }

  #onClose(socket: ControllerSocket): void {
    socket.data = null;
    if (socket !== this.#controller) return;
    this.#controller = null;
    this.#controllerPid = 0;
    this.#lonely.letGo();
    this.#lonely.alone();
  }

  #quit(): void {
    this.#socket.close();
    this.#directory.release();
    // The last answer is in the kernel's hands already, or lost: its reader will see the close.
    this.#clock.after(10, () => process.exit(0));
  }

  #answer(socket: ControllerSocket, id: number, error: string | null, hello?: Hello): void {
    const reply = error === null ? { ok: true as const } : { ok: false as const, error };
    this.#send(socket, {
      kind: "reply",
      id,
      reply,
      atMs: this.#clock.now(),
      view: this.#guard.view(),
      hello,
    });
    this.#guard.answered();
  }

  #push(message: { kind: "view"; view: WireView }): void {
    if (this.#controller !== null) this.#send(this.#controller, message);
    else if (!message.view.anyProcess) this.#lonely.letGo();
  }

  #notify(notice: Notice): void {
    if (this.#controller !== null) return this.#send(this.#controller, { kind: "notice", notice });
    if (this.#notices.length < KEPT_NOTICES) this.#notices.push(notice);
  }

  #send(socket: ControllerSocket, message: GuardMessage): void {
    const writes = socket.data?.writer.write(encode(message));
    if (writes === false) socket.terminate();
  }
}
