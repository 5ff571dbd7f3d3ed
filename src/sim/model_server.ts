/**
 * One PostgreSQL installation of a simulated host: server process, replication, and its data directory
 * (model_directory.ts). It lives on when the agent dies. Which commits it acknowledges is decided here alone:
 * `acking && !frozen`. Times are true times; the order of effects is PostgreSQL's, as far as the decisions
 * about it depend on it.
 */
import type { Hang } from "./faults/fault_kinds.ts";
import { type Prng, type World } from "../../raft/sim/mod.ts";
import { ModelDirectory } from "./model_directory.ts";
import { contains } from "./wal.ts";

/** The servers of the cluster and the network between them, as one server needs them. */
export interface ServerWorld {
  readonly world: World;
  serverOf(member: string): ModelServer | null;
  reachable(a: string, b: string): boolean;
  /** This server begins or ceases to be able to acknowledge commits. */
  onAcking(server: ModelServer, can: boolean): void;
  /** A primary ended in order, after its standbys had everything or were given up. */
  onCleanShutdown(server: ModelServer): void;
  /** Draws the identifier of a new database system. */
  newSystemId(): string;
}

export type ServerProcess = "none" | "orphans" | "starting" | "running" | "stopping";

export interface ServerExit {
  readonly pid: number;
  readonly code: number | null;
  readonly signal: string | null;
}

/** After a failed or lost connection the WAL receiver tries again. */
const RECONNECT_MS = 1000;
/** A connection over which nothing comes is given up, by either side. */
const SILENCE_MS = 4000;
const TICK_MS = 40;
const HANG_LOOK_MS = 50;

export class ModelServer {
  readonly directory: ModelDirectory;
  /** A server that comes to this step does not go on as long as this is set. */
  hangsAt: Hang | null = null;
  process: ServerProcess = "none";
  pid = 0;
  frozen = false;
  inRecovery = false;
  /** Started as a primary or sent the promote signal, under this epoch. */
  epoch: number | null = null;
  streaming = false;
  receivedLsn: number | null = null;
  replayedLsn: number | null = null;
  checkpointAfterPromote = false;
  /** Told of every change and of the end of the postmaster. */
  onChange: () => void = () => {};
  onExit: (exit: ServerExit) => void = () => {};
  /** Its data directory was moved away: it writes on, and nobody finds it after its end. */
  misplaced = false;
  #acking = false;
  #promoting = false;
  #generation = 0;
  readonly #blocked: (() => void)[] = [];
  readonly #random: Prng;
  #lastStreamMs = 0;
  #nextConnectMs = 0;
  #pids = 0;
  #wasAcking = false;

  readonly name: string;
  readonly #context: ServerWorld;

  constructor(name: string, context: ServerWorld) {
    this.name = name;
    this.#context = context;
    this.#random = context.world.random.split(`postgres ${name}`);
    this.directory = new ModelDirectory(name, () => context.newSystemId(), () => this.#changed());
  }

  get canAcknowledge(): boolean {
    return this.#acking && !this.frozen;
  }

  get anyProcess(): boolean {
    return this.process !== "none";
  }

  /** Answers SQL: up, consistent, not frozen. */
  get answers(): boolean {
    return this.process === "running" && !this.frozen;
  }

  // ---- the server process --------------------------------------------------------------------------------

  /** Starts a postmaster; false: there is one, or nothing to start. */
  start(epoch: number | null): boolean {
    if (this.process !== "none" || this.directory.position === null) return false;
    this.#generation++;
    this.pid = 1000 + ++this.#pids;
    this.process = "starting";
    this.epoch = epoch;
    this.inRecovery = this.directory.standbySignal;
    this.streaming = false;
    this.receivedLsn = null;
    this.replayedLsn = null;
    this.checkpointAfterPromote = false;
    this.#promoting = false;
    this.#nextConnectMs = 0;
    const crashed = this.directory.beginRecovery();
    const recoveryMs = crashed ? this.#random.exponential(400) : 0;
    this.#stage(this.#random.between(60, 300) + recoveryMs, () => this.#started());
    this.#changed();
    return true;
  }

  #started(): void {
    this.process = "running";
    this.replayedLsn = this.inRecovery ? this.directory.position!.lsn : null;
    if (this.inRecovery) this.#tick();
    else this.#open();
    this.#changed();
  }

  /** The promote signal. The epoch counts from now on: the server may acknowledge at any moment. */
  promote(epoch: number): void {
    this.epoch = epoch;
    if (this.process !== "running" || !this.inRecovery || this.#promoting) return;
    this.#promoting = true;
    if (this.streaming) this.#disconnect();
    // Everything received is replayed first; then the history forks.
    const leaveRecovery = () => {
      if (this.hangsAt === "promotion") return this.#stage(HANG_LOOK_MS, leaveRecovery);
      this.#promoting = false;
      this.inRecovery = false;
      this.directory.fork();
      this.#open();
    };
    const quick = this.#random.chance(0.3);
    this.#stage(quick ? this.#random.between(5, 30) : this.#random.between(30, 400), leaveRecovery);
    this.#changed();
  }

  /** Writes are accepted from now on. */
  #open(): void {
    this.directory.beginWriting();
    this.receivedLsn = null;
    this.replayedLsn = null;
    this.directory.following = null;
    this.#acking = true;
    this.#changed();
    this.#client();
    this.#stage(this.#random.between(50, 2000), () => {
      this.checkpointAfterPromote = true;
      this.directory.checkpointLsn = this.directory.position!.lsn;
      this.#changed();
    });
  }

  /** A client that writes all the time, and is told of each commit that is flushed. */
  #client(): void {
    const generation = this.#generation;
    const next = () => {
      if (generation !== this.#generation || !this.#acking) return;
      if (!this.frozen) this.directory.commit(100 + this.#random.below(300));
      this.#context.world.after(this.#random.between(10, 50), next);
    };
    next();
  }

  /** SIGINT: clients end, then all WAL goes to the standbys that are connected, then the postmaster ends. */
  fast(): void {
    if (this.process === "none" || this.process === "stopping") return;
    const wasPrimary = !this.inRecovery && this.#acking;
    const wasStarting = this.process === "starting";
    this.#generation++;
    this.process = "stopping";
    const resume = this.#acking;
    this.#changed();
    if (resume) this.#client();
    this.#stage(this.#random.between(5, 200), () => this.#endBackends(wasPrimary, wasStarting));
  }

  #endBackends(wasPrimary: boolean, wasStarting: boolean): void {
    if (wasPrimary && this.hangsAt === "backend") {
      return this.#stage(HANG_LOOK_MS, () => this.#endBackends(wasPrimary, wasStarting));
    }
    this.#acking = false;
    if (!wasPrimary) {
      this.#changed();
      if (this.inRecovery && !wasStarting) this.directory.clusterState = "shut down in recovery";
      if (this.replayedLsn !== null) {
        this.directory.checkpointLsn = this.directory.minRecoveryLsn = this.directory.position!.lsn;
      }
      this.#ended({ pid: this.pid, code: 0, signal: null });
      return;
    }
    this.directory.clusterState = "shutting down";
    this.#changed();
    this.#stage(this.#random.between(1, 50), () => this.#shutdownCheckpoint());
  }

  #shutdownCheckpoint(): void {
    if (this.hangsAt === "checkpoint") return this.#stage(HANG_LOOK_MS, () => this.#shutdownCheckpoint());
    const { world } = this.#context;
    const lsn = this.directory.writeShutdownCheckpoint();
    world.log.add(this.name, `postgres: shutdown checkpoint at ${lsn}`);
    this.#context.onCleanShutdown(this);
    this.#changed();
    this.#drain(world.now() + SILENCE_MS);
  }

  /** The last step of a clean shutdown: waits until each streaming standby has everything, or is given up. */
  #drain(untilMs: number): void {
    const { world } = this.#context;
    const end = this.directory.position!;
    const behind = world.now() < untilMs &&
      this.connected.some((each) =>
        each.directory.position !== null && !contains(each.directory.position, end)
      );
    const hangs = this.hangsAt === "senders" || this.hangsAt === "archiver";
    if (behind || hangs) {
      this.#stage(hangs ? HANG_LOOK_MS : 10, () => this.#drain(untilMs));
      return;
    }
    world.log.add(this.name, `postgres: clean shutdown at ${this.directory.position!.lsn}`);
    this.#ended({ pid: this.pid, code: 0, signal: null });
  }

  /** Standbys that have a connection to this server. */
  connected: ModelServer[] = [];

  /** SIGQUIT, or the end of everything: nothing is written any more once it takes effect. */
  immediate(afterMs: number): void {
    if (this.process === "none") return;
    this.#generation++;
    if (this.process !== "orphans") this.process = "stopping";
    if (this.#acking) this.#client();
    this.#changed();
    const generation = this.#generation;
    this.#context.world.after(afterMs, () => {
      if (generation === this.#generation) this.#ended({ pid: this.pid, code: null, signal: "SIGQUIT" });
    });
  }

  /** Power loss, or a kill that has reached every process. */
  killed(): void {
    if (this.process === "none") return;
    this.#generation++;
    this.#ended({ pid: this.pid, code: null, signal: "SIGKILL" });
  }

  /** SIGKILL to the postmaster alone: backends go on for a while, the guard is told of the exit. */
  postmasterKilled(): void {
    if (this.process === "none" || this.process === "orphans") return;
    this.#generation++;
    this.process = "orphans";
    if (this.streaming) this.#disconnect();
    if (this.#acking) this.#client();
    const exit = { pid: this.pid, code: null, signal: "SIGKILL" };
    this.#changed();
    this.onExit(exit);
    const generation = this.#generation;
    this.#context.world.after(this.#random.between(5, 3000), () => {
      if (generation === this.#generation) this.#gone();
    });
  }

  freeze(): void {
    if (this.frozen || this.process === "none") return;
    this.frozen = true;
    this.#changed();
  }

  thaw(): void {
    if (!this.frozen) return;
    this.frozen = false;
    const blocked = this.#blocked.splice(0);
    this.#changed();
    for (const run of blocked) run();
  }

  #ended(exit: ServerExit): void {
    const orphans = this.process === "orphans";
    this.#gone();
    if (!orphans) this.onExit(exit);
  }

  #gone(): void {
    this.#generation++;
    this.process = "none";
    this.frozen = false;
    this.#acking = false;
    this.#promoting = false;
    if (this.streaming) this.#disconnect();
    this.#blocked.length = 0;
    this.connected = [];
    if (this.misplaced) {
      this.misplaced = false;
      this.directory.setAside();
    }
    this.#changed();
  }

  /** Runs later unless the server has ended or was told something else; a frozen server does nothing. */
  #stage(delayMs: number, run: () => void): void {
    const generation = this.#generation;
    const guarded = () => {
      if (generation !== this.#generation) return;
      if (this.frozen) this.#blocked.push(guarded);
      else run();
    };
    this.#context.world.after(delayMs, guarded);
  }

  #changed(): void {
    if (this.canAcknowledge !== this.#wasAcking) {
      this.#wasAcking = this.canAcknowledge;
      this.#context.onAcking(this, this.#wasAcking);
    }
    this.onChange();
  }

  // ---- replication ---------------------------------------------------------------------------------------

  /** A reload with another primary_conninfo: the WAL receiver connects anew. */
  follow(upstream: string | null): void {
    if (this.directory.following === upstream && this.streaming) return;
    this.#disconnect();
    this.directory.following = upstream;
    this.#nextConnectMs = this.#context.world.now() + this.#random.between(10, 100);
    this.#changed();
  }

  #tick(): void {
    if (!this.inRecovery || this.process !== "running") return;
    if (!this.#promoting) this.#receive();
    this.#stage(TICK_MS + this.#random.between(0, 5), () => this.#tick());
  }

  #disconnect(): void {
    this.streaming = false;
    const upstream = this.#upstream;
    if (upstream) upstream.connected = upstream.connected.filter((each) => each !== this);
    this.#nextConnectMs = this.#context.world.now() + RECONNECT_MS;
  }

  get #upstream(): ModelServer | null {
    const { following } = this.directory;
    return following === null ? null : this.#context.serverOf(following);
  }

  #receive(): void {
    const { directory } = this;
    const nowMs = this.#context.world.now();
    this.replayedLsn = Math.max(
      this.replayedLsn ?? 0,
      directory.position!.lsn - (this.streaming ? this.#random.below(300) : 0),
    );
    const upstream = this.#upstream;
    if (upstream === null || upstream === this) return;
    const heard = this.#context.reachable(this.name, upstream.name) && !upstream.frozen;
    if (heard && !upstream.#sends) {
      if (this.streaming) this.#disconnect();
      return;
    }
    if (!heard) {
      if (this.streaming && nowMs - this.#lastStreamMs > SILENCE_MS) this.#disconnect();
      return;
    }
    if (!this.streaming) {
      if (nowMs < this.#nextConnectMs || upstream.process === "stopping") return;
      if (!directory.continuesIn(upstream.directory)) {
        // "requested starting point is ahead of the WAL" or "forked off this server's history".
        this.#nextConnectMs = nowMs + RECONNECT_MS;
        return;
      }
      this.streaming = true;
      upstream.connected.push(this);
    }
    this.#lastStreamMs = nowMs;
    const end = upstream.directory.position!;
    const lag = upstream.process === "stopping"
      ? 0
      : Math.max(0, Math.floor(this.#random.exponential(200)) - 100);
    const lsn = Math.max(end.lsn - lag, end.branch.startLsn);
    directory.receive(end.branch, lsn);
    this.receivedLsn = Math.max(this.receivedLsn ?? 0, directory.position!.lsn);
  }

  /** Serves replication connections. */
  get #sends(): boolean {
    return this.process === "running" || (this.process === "stopping" && this.hangsAt !== "senders");
  }

  /** The result of comparing this server's history with that of `other`; null: it does not answer. */
  compareWith(other: ModelServer): "same" | "diverged" | null {
    if (!other.answers || !this.#context.reachable(this.name, other.name)) return null;
    return this.directory.compareWith(other.directory);
  }
}
