/** The WAL receiver of a simulated standby: what it is connected to, and what it receives and answers. */
import { type Prng, Violation, type World } from "../../raft/sim/mod.ts";
import type { ModelDirectory } from "./model_directory.ts";
import type { ModelSync } from "./model_sync.ts";

/** After a failed or lost connection the WAL receiver tries again. */
const RECONNECT_MS = 1000;
/** Either side gives up a silent connection after this time. */
export const SILENCE_MS = 4000;

/** An agent that takes part in its cluster has taken a strange upstream away by then. */
const LET_GO_MS = 1000;

/** PostgreSQL does not notice, where the numbers of timelines are the same. */
const MIXED = "a standby does not stream over WAL that differs";

/** A server, as its own receiver and those of its standbys know it. */
interface Server {
  readonly name: string;
  readonly directory: ModelDirectory;
  readonly sync: ModelSync;
  readonly process: string;
  readonly pid: number;
  readonly frozen: boolean;
  readonly sends: boolean;
  readonly receivesNothing: boolean;
  readonly lagBytes: number;
  connected: Server[];
  streaming: boolean;
  receivedLsn: number | null;
  replayedLsn: number | null;
}

interface Servers {
  readonly world: World;
  serverOf(member: string): Server | null;
  reachable(a: string, b: string): boolean;
  guidedForMs(member: string): number;
}

export class ModelReceiver {
  /** The server that it is connected to: another one may have the name by now. */
  #sender: Server | null = null;
  #senderPid = 0;
  #lastStreamMs = 0;
  #nextConnectMs = 0;

  readonly #server: Server;
  readonly #context: Servers;
  readonly #random: Prng;
  readonly #answers: Prng;

  constructor(server: Server, context: Servers, random: Prng, answers: Prng) {
    this.#server = server;
    this.#context = context;
    this.#random = random;
    this.#answers = answers;
  }

  /** With its server. */
  begin(): void {
    this.#nextConnectMs = 0;
  }

  /** Points it elsewhere; false: it is connected to that already. */
  follow(upstream: string | null): boolean {
    const { directory, streaming } = this.#server;
    if (directory.following === upstream && streaming) return false;
    this.disconnect();
    directory.following = upstream;
    this.#nextConnectMs = this.#context.world.now() + this.#random.between(10, 100);
    return true;
  }

  disconnect(): void {
    const server = this.#server;
    server.streaming = false;
    if (this.#sender !== null) {
      this.#sender.connected = this.#sender.connected.filter((each) => each !== server);
      this.#sender.sync.disconnected(server.name);
    }
    this.#sender = null;
    this.#nextConnectMs = this.#context.world.now() + RECONNECT_MS;
  }

  get #upstream(): Server | null {
    const { following } = this.#server.directory;
    return following === null ? null : this.#context.serverOf(following);
  }

  receive(): void {
    const server = this.#server;
    const { directory } = server;
    const nowMs = this.#context.world.now();
    server.replayedLsn = Math.max(
      server.replayedLsn ?? 0,
      directory.position!.lsn - (server.streaming ? this.#random.below(300) : 0),
    );
    const upstream = this.#upstream;
    if (upstream === null || upstream === server) return;
    if (!this.#connects(upstream, nowMs)) return;
    this.#lastStreamMs = nowMs;
    if (server.receivesNothing) return;
    const end = upstream.directory.position!;
    const lag = upstream.process === "stopping"
      ? 0
      : Math.max(0, Math.floor(this.#random.exponential(200)) - 100);
    const lsn = Math.max(end.lsn - lag - server.lagBytes, end.branch.startLsn);
    directory.receive(end.branch, lsn);
    server.receivedLsn = Math.max(server.receivedLsn ?? 0, directory.position!.lsn);
    // Nobody waits for it, so that its way there makes no difference.
    if (upstream.sync.setting.count === 0) upstream.sync.answered(server.name, directory.position!.lsn);
    else this.#answer(upstream, directory.position!.lsn);
  }

  /** It streams from there, as it did before or from now on. */
  #connects(upstream: Server, nowMs: number): boolean {
    const server = this.#server;
    const { directory } = server;
    if (server.streaming && this.#sender !== upstream) this.disconnect();
    const heard = this.#context.reachable(server.name, upstream.name) && !upstream.frozen;
    // A server that was started anew knows of no earlier connection.
    if (heard && (!upstream.sends || (server.streaming && this.#senderPid !== upstream.pid))) {
      if (server.streaming) this.disconnect();
      return false;
    }
    if (!heard) {
      if (server.streaming && nowMs - this.#lastStreamMs > SILENCE_MS) this.disconnect();
      return false;
    }
    if (server.streaming) return true;
    if (nowMs < this.#nextConnectMs || upstream.process === "stopping") return false;
    if (!directory.continuesIn(upstream.directory)) {
      if (directory.passesFor(upstream.directory) && this.#context.guidedForMs(server.name) >= LET_GO_MS) {
        throw new Violation(MIXED, `${server.name} would stream from ${upstream.name}`);
      }
      // "requested starting point is ahead of the WAL" or "forked off this server's history".
      this.#nextConnectMs = nowMs + RECONNECT_MS;
      return false;
    }
    if (this.#isStuck(upstream, nowMs)) return false;
    server.streaming = true;
    this.#sender = upstream;
    this.#senderPid = upstream.pid;
    upstream.connected.push(server);
    upstream.sync.connected(server.name);
    return true;
  }

  /** A later timeline is gone to in two steps: its history comes first, and its WAL may never come. */
  #isStuck({ directory: { position } }: Server, nowMs: number): boolean {
    const { histories, position: own } = this.#server.directory;
    const { branch } = position!;
    if (histories.waitsFor(own!, position!)) this.#nextConnectMs = nowMs + RECONNECT_MS;
    else if (branch !== own!.branch && histories.fetch(branch) && this.#answers.chance(0.2)) {
      this.#nextConnectMs = nowMs + this.#answers.between(10, 600);
    } else return false;
    return true;
  }

  /** What it has flushed is on its way to the sender, whatever becomes of the connection. */
  #answer(upstream: Server, lsn: number): void {
    const { name } = this.#server;
    this.#context.world.after(this.#answers.between(0, 4), () => {
      if (upstream.frozen || upstream.process === "none") return;
      if (this.#context.reachable(name, upstream.name)) upstream.sync.answered(name, lsn);
    });
  }
}
