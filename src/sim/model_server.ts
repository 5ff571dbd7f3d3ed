/**
 * One PostgreSQL installation of a simulated host: data directory, server process, WAL, replication. It lives
 * on when the agent dies. Which commits it acknowledges is decided here alone: `acking && !frozen`. Times
 * are true times; the order of effects is PostgreSQL's, as far as the decisions about it depend on it.
 */
import type { Hang } from "./faults/fault_kinds.ts";
import { type Prng, type World } from "../../raft/sim/mod.ts";
import { Branch, commonAncestor, contains, type Position } from "./wal.ts";

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

export type DirectoryState =
  | { readonly kind: "empty" }
  | { readonly kind: "valid" }
  | { readonly kind: "half-written"; readonly what: "bootstrap" | "clone" | "rewind" };

export type ServerProcess = "none" | "orphans" | "starting" | "running" | "stopping";

export interface ServerExit {
  readonly pid: number;
  readonly code: number | null;
  readonly signal: string | null;
}

const CHECKPOINT_BYTES = 120;
/** After a failed or lost connection the WAL receiver tries again. */
const RECONNECT_MS = 1000;
/** A connection over which nothing comes is given up, by either side. */
const SILENCE_MS = 4000;
const TICK_MS = 40;
const HANG_LOOK_MS = 50;

export class ModelServer {
  directory: DirectoryState = { kind: "empty" };
  position: Position | null = null;
  /** As in the control file. */
  clusterState = "shut down";
  checkpointLsn = 0;
  minRecoveryLsn = 0;
  standbySignal = false;
  /** primary_conninfo, durable. */
  following: string | null = null;
  /** Marked as a former primary's that was started read-only, durable. */
  formerPrimary = false;
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

  get systemId(): string | null {
    return this.directory.kind === "empty" ? null : this.position?.branch.systemId ?? null;
  }

  // ---- data directory ------------------------------------------------------------------------------------

  initdb(): void {
    const branch = new Branch(1, this.#context.newSystemId(), null, this.name);
    this.directory = { kind: "half-written", what: "bootstrap" };
    this.position = { branch, lsn: branch.endLsn };
    this.clusterState = "shut down";
    this.checkpointLsn = branch.endLsn - CHECKPOINT_BYTES;
    this.minRecoveryLsn = 0;
    this.standbySignal = false;
    this.following = null;
    this.#changed();
  }

  setHalfWritten(what: "bootstrap" | "clone" | "rewind"): void {
    this.directory = { kind: "half-written", what };
    this.#changed();
  }

  finishBootstrap(): void {
    this.directory = { kind: "valid" };
    this.#changed();
  }

  /** The directory of a virtual machine that was copied while its server ran. */
  restoredFrom(other: ModelServer): void {
    const { directory, position, clusterState, checkpointLsn, minRecoveryLsn, standbySignal, following } =
      other;
    Object.assign(this, {
      directory,
      position,
      clusterState,
      checkpointLsn,
      minRecoveryLsn,
      standbySignal,
      following,
    });
    this.#changed();
  }

  /** The end of a clone or rewind: everything that `source` has, to be started as a standby. */
  copyFrom(source: ModelServer): void {
    this.directory = { kind: "valid" };
    this.position = source.position;
    this.clusterState = "in archive recovery";
    this.checkpointLsn = source.checkpointLsn;
    this.minRecoveryLsn = source.position?.lsn ?? 0;
    this.standbySignal = true;
    this.formerPrimary = false;
    this.#changed();
  }

  /** Writes the recovery settings into the directory before a start. */
  configureRecovery(standby: boolean, upstream: string | null): void {
    if (!standby) this.formerPrimary = false;
    else if (upstream === null && !this.standbySignal) this.formerPrimary = true;
    this.standbySignal = standby;
    this.following = upstream;
  }

  setAside(): void {
    this.directory = { kind: "empty" };
    this.position = null;
    this.standbySignal = false;
    this.formerPrimary = false;
    this.following = null;
    this.#changed();
  }

  // ---- the server process --------------------------------------------------------------------------------

  /** Starts a postmaster; false: there is one, or nothing to start. */
  start(epoch: number | null): boolean {
    if (this.process !== "none" || this.position === null) return false;
    this.#generation++;
    this.pid = 1000 + ++this.#pids;
    this.process = "starting";
    this.epoch = epoch;
    this.inRecovery = this.standbySignal;
    this.streaming = false;
    this.receivedLsn = null;
    this.replayedLsn = null;
    this.checkpointAfterPromote = false;
    this.#promoting = false;
    this.#nextConnectMs = 0;
    const crashed = !this.clusterState.startsWith("shut down");
    this.clusterState = this.inRecovery ? "in archive recovery" : crashed ? "in crash recovery" : "shut down";
    const recoveryMs = crashed ? this.#random.exponential(400) : 0;
    this.#stage(this.#random.between(60, 300) + recoveryMs, () => this.#started());
    this.#changed();
    return true;
  }

  #started(): void {
    this.process = "running";
    this.replayedLsn = this.inRecovery ? this.position!.lsn : null;
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
      const fork = this.position!;
      this.inRecovery = false;
      this.standbySignal = this.formerPrimary = false;
      const branch = new Branch(fork.branch.timeline + 1, fork.branch.systemId, fork, this.name);
      this.position = { branch, lsn: fork.lsn };
      this.#open();
    };
    const quick = this.#random.chance(0.3);
    this.#stage(quick ? this.#random.between(5, 30) : this.#random.between(30, 400), leaveRecovery);
    this.#changed();
  }

  /** Writes are accepted from now on. */
  #open(): void {
    let { branch, lsn } = this.position!;
    if (branch.writer !== this.name || branch.endLsn !== lsn) {
      // Another server has written on this timeline, or did and lost it: the number stays, the history is
      // another.
      branch = new Branch(branch.timeline, branch.systemId, { branch, lsn }, this.name);
    }
    this.clusterState = "in production";
    this.#write(branch, lsn + CHECKPOINT_BYTES);
    this.receivedLsn = null;
    this.replayedLsn = null;
    this.following = null;
    this.#acking = true;
    this.#changed();
    this.#client();
    this.#stage(this.#random.between(50, 2000), () => {
      this.checkpointAfterPromote = true;
      this.checkpointLsn = this.position!.lsn;
      this.#changed();
    });
  }

  #write(branch: Branch, lsn: number): void {
    branch.endLsn = lsn;
    this.position = { branch, lsn };
  }

  /** A client that writes all the time, and is told of each commit that is flushed. */
  #client(): void {
    const generation = this.#generation;
    const next = () => {
      if (generation !== this.#generation || !this.#acking) return;
      if (!this.frozen) {
        const { branch, lsn } = this.position!;
        this.#write(branch, lsn + 100 + this.#random.below(300));
        branch.ackedLsn = branch.endLsn;
        branch.acks++;
      }
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
      if (this.inRecovery && !wasStarting) this.clusterState = "shut down in recovery";
      if (this.replayedLsn !== null) this.checkpointLsn = this.minRecoveryLsn = this.position!.lsn;
      this.#ended({ pid: this.pid, code: 0, signal: null });
      return;
    }
    this.clusterState = "shutting down";
    this.#changed();
    this.#stage(this.#random.between(1, 50), () => this.#shutdownCheckpoint());
  }

  #shutdownCheckpoint(): void {
    if (this.hangsAt === "checkpoint") return this.#stage(HANG_LOOK_MS, () => this.#shutdownCheckpoint());
    const { world } = this.#context;
    const { branch, lsn } = this.position!;
    this.#write(branch, lsn + CHECKPOINT_BYTES);
    this.checkpointLsn = lsn;
    this.clusterState = "shut down";
    world.log.add(this.name, `postgres: shutdown checkpoint at ${lsn}`);
    this.#context.onCleanShutdown(this);
    this.#changed();
    this.#drain(world.now() + SILENCE_MS);
  }

  /** The last step of a clean shutdown: waits until each streaming standby has everything, or is given up. */
  #drain(untilMs: number): void {
    const { world } = this.#context;
    const end = this.position!;
    const behind = world.now() < untilMs &&
      this.connected.some((each) => each.position !== null && !contains(each.position, end));
    const hangs = this.hangsAt === "senders" || this.hangsAt === "archiver";
    if (behind || hangs) {
      this.#stage(hangs ? HANG_LOOK_MS : 10, () => this.#drain(untilMs));
      return;
    }
    world.log.add(this.name, `postgres: clean shutdown at ${this.position!.lsn}`);
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
      this.setAside();
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
    if (this.following === upstream && this.streaming) return;
    this.#disconnect();
    this.following = upstream;
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
    const upstream = this.following === null ? null : this.#context.serverOf(this.following);
    if (upstream) upstream.connected = upstream.connected.filter((each) => each !== this);
    this.#nextConnectMs = this.#context.world.now() + RECONNECT_MS;
  }

  #receive(): void {
    const nowMs = this.#context.world.now();
    this.replayedLsn = Math.max(
      this.replayedLsn ?? 0,
      this.position!.lsn - (this.streaming ? this.#random.below(300) : 0),
    );
    const upstream = this.following === null ? null : this.#context.serverOf(this.following);
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
      if (upstream.systemId !== this.systemId || !contains(upstream.position!, this.position!)) {
        // "requested starting point is ahead of the WAL" or "forked off this server's history".
        this.#nextConnectMs = nowMs + RECONNECT_MS;
        return;
      }
      this.streaming = true;
      upstream.connected.push(this);
    }
    this.#lastStreamMs = nowMs;
    const end = upstream.position!;
    const lag = upstream.process === "stopping"
      ? 0
      : Math.max(0, Math.floor(this.#random.exponential(200)) - 100);
    const lsn = Math.max(end.lsn - lag, end.branch.startLsn);
    if (this.position!.branch !== end.branch || lsn > this.position!.lsn) {
      this.position = { branch: end.branch, lsn: Math.max(lsn, this.position!.lsn) };
    }
    this.receivedLsn = Math.max(this.receivedLsn ?? 0, this.position!.lsn);
  }

  /** Serves replication connections. */
  get #sends(): boolean {
    return this.process === "running" || (this.process === "stopping" && this.hangsAt !== "senders");
  }

  /** The result of comparing this server's history with that of `other`; null: it does not answer. */
  compareWith(other: ModelServer): "same" | "diverged" | null {
    if (!other.answers || other.position === null || this.position === null) return null;
    if (!this.#context.reachable(this.name, other.name)) return null;
    return commonAncestor(this.position, other.position) !== null && contains(other.position, this.position)
      ? "same"
      : "diverged";
  }
}
