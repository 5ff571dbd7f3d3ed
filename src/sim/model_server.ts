/**
 * One PostgreSQL installation of a simulated host: server process, replication, and its data directory
 * (model_directory.ts). It lives on when the agent dies. Which commits it acknowledges is decided here alone:
 * `acking && !frozen`. Times are true times; the order of effects is PostgreSQL's, as far as the decisions
 * about it depend on it.
 */
import type { ExitReport } from "../model/guard_view.ts";
import { type Prng, type World } from "../../raft/sim/mod.ts";
import type { Hang } from "./faults/fault_kinds.ts";
import { ModelDirectory } from "./model_directory.ts";
import { ModelNotes } from "./model_notes.ts";
import { ModelReceiver, SILENCE_MS } from "./model_receiver.ts";
import { ModelSync } from "./model_sync.ts";
import { contains } from "./wal.ts";

/** The servers of the cluster and the network between them, as one server needs them. */
export interface ServerWorld {
  readonly world: World;
  serverOf(member: string): ModelServer | null;
  reachable(a: string, b: string): boolean;
  /** How long its agent has taken part in the cluster. */
  guidedForMs(member: string): number;
  /** This server begins or ceases to be able to acknowledge commits. */
  onAcking(server: ModelServer, can: boolean): void;
  /** Clients are told of its commits up to the present end of the acknowledged ones. */
  onAcknowledged(server: ModelServer): void;
  /** A primary ended in order, after its standbys had everything or were given up. */
  onCleanShutdown(server: ModelServer): void;
  /** Its agent is about to move its data directory away. */
  onSetAside(server: ModelServer): void;
  newSystemId(): string;
}

export type ServerExit = Pick<ExitReport, "pid" | "code" | "signal">;

const TICK_MS = 40;
const HANG_LOOK_MS = 50;

export class ModelServer {
  readonly directory: ModelDirectory;
  readonly notes = new ModelNotes();
  readonly sync: ModelSync;
  /** A server that comes to this step does not go on as long as this is set. */
  hangsAt: Hang | null = null;
  process: "none" | "orphans" | "starting" | "running" | "stopping" = "none";
  pid = 0;
  frozen = false;
  inRecovery = false;
  /** Started as a primary, or promoted by its guard, under this epoch. */
  epoch: number | null = null;
  byHand = false;
  streaming = false;
  receivedLsn: number | null = null;
  replayedLsn: number | null = null;
  checkpointAfterPromote = false;
  onChange: () => void = () => {};
  onExit: (exit: ServerExit) => void = () => {};
  /** Its data directory was moved away: it writes on, and its files are not found after its end. */
  misplaced = false;
  /** Its disk takes no WAL from its primary, to which it stays connected. */
  receivesNothing = false;
  /** Its startup process comes to a change of the upstream so late. */
  repointMs = 0;
  /** It takes WAL from its primary, and is so far behind. */
  lagBytes = 0;
  /** A copy of it takes so many times as long. */
  copySlowdown = 1;
  #acking = false;
  #promoting = false;
  #generation = 0;
  readonly #blocked: (() => void)[] = [];
  readonly #random: Prng;
  readonly #receiver: ModelReceiver;
  #pids = 0;
  #wasAcking = false;

  readonly name: string;
  readonly #context: ServerWorld;

  constructor(name: string, context: ServerWorld) {
    this.name = name;
    this.#context = context;
    this.#random = context.world.random.split(`postgres ${name}`);
    const random = context.world.random.split(`sync ${name}`);
    this.#receiver = new ModelReceiver(this, context, this.#random, random.split("answers"));
    this.sync = new ModelSync(context.world, random, (lsn) => this.#acknowledge(lsn));
    this.directory = new ModelDirectory(name, {
      newSystemId: () => context.newSystemId(),
      named: (dataId) => this.notes.note(dataId, 0, false),
      changed: () => this.#changed(),
    });
  }

  get canAcknowledge(): boolean {
    return this.#acking && !this.frozen;
  }

  get writesUnderLock(): boolean {
    return this.canAcknowledge && this.epoch !== null;
  }

  /** It was promoted past its agent: no lease bounds its writes. */
  get writesAlone(): boolean {
    return this.canAcknowledge && this.epoch === null;
  }

  get anyProcess(): boolean {
    return this.process !== "none";
  }

  /** Answers SQL: up, consistent, not frozen. */
  get answers(): boolean {
    return this.process === "running" && !this.frozen;
  }

  /** Starts a postmaster; false: there is one, or nothing to start. `byHand`: not by its guard. */
  start(epoch: number | null, byHand = false): boolean {
    if (this.process !== "none" || this.directory.position === null) return false;
    this.#generation++;
    this.pid = 1000 + ++this.#pids;
    this.process = "starting";
    this.epoch = epoch;
    this.inRecovery = this.directory.standbySignal || this.directory.recoverySignal;
    this.byHand = byHand;
    this.streaming = this.checkpointAfterPromote = this.#promoting = false;
    this.receivedLsn = this.replayedLsn = null;
    this.#receiver.begin();
    this.sync.start(this.directory.syncSetting);
    const crashed = this.directory.beginRecovery();
    const recoveryMs = crashed ? this.#random.exponential(400) : 0;
    this.#stage(this.#random.between(60, 300) + recoveryMs, () => this.#started());
    this.#changed();
    return true;
  }

  #started(): void {
    if (this.directory.needsWal) {
      this.#receiver.receive();
      return this.#stage(TICK_MS, () => this.#started());
    }
    this.process = "running";
    this.replayedLsn = this.inRecovery ? this.directory.position!.lsn : null;
    if (this.directory.standbySignal) this.#tick();
    else if (this.inRecovery) this.#stage(this.#random.exponential(1500), () => this.#open()); // at its target
    else this.#open();
    this.#changed();
  }

  /**
   * The promote signal. The epoch counts from now on: the server may acknowledge at any moment. null: it is
   * not the guard's signal (pg_promote(), pg_ctl promote, a trigger file).
   */
  promote(epoch: number | null): void {
    if (epoch !== null) this.writeUnder(epoch);
    if (this.process !== "running" || !this.inRecovery || this.#promoting) return;
    this.#promoting = true;
    if (this.streaming) this.#receiver.disconnect();
    // Everything received is replayed first; then the history forks.
    const leaveRecovery = () => {
      if (this.hangsAt === "promotion") return this.#stage(HANG_LOOK_MS, leaveRecovery);
      this.#promoting = false;
      this.#open();
    };
    const quick = this.#random.chance(0.3);
    this.#stage(quick ? this.#random.between(5, 30) : this.#random.between(30, 400), leaveRecovery);
    this.#changed();
  }

  /** It goes on under the lock with the data that it has written alone, or since before there was one. */
  writeUnder(epoch: number): void {
    const { writesAlone } = this;
    if (writesAlone) this.#context.onAcking(this, false);
    this.epoch = epoch;
    this.directory.wroteAlone = false;
    if (writesAlone) this.#context.onAcking(this, true);
  }

  /** Writes are accepted from now on. */
  #open(): void {
    if (this.hangsAt === "disk") return this.#ended({ pid: this.pid, code: 1, signal: null });
    if (this.inRecovery) this.directory.fork();
    this.inRecovery = false;
    this.directory.beginWriting();
    // The agent marks what it knows for a standby; this one was started as a primary.
    this.directory.wroteAlone = this.epoch === null && !this.byHand;
    this.receivedLsn = this.replayedLsn = null;
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
      if (!this.frozen) {
        this.directory.commit(100 + this.#random.below(300));
        if (!this.sync.waits) this.#acknowledge(null);
      }
      this.#context.world.after(this.#random.between(10, 50), next);
    };
    next();
  }

  /** null: everything. */
  #acknowledge(lsn: number | null): void {
    if (!this.canAcknowledge) return;
    if (this.directory.acknowledge(lsn ?? Infinity)) this.#context.onAcknowledged(this);
  }

  /** A checkpoint, or on a standby a restartpoint, that somebody asks for. */
  checkpoint(): void {
    if (this.answers) this.directory.checkpointLsn = this.directory.position!.lsn;
  }

  /** SIGINT: clients end, then all WAL goes to the standbys that are connected, then the postmaster ends. */
  fast(): void {
    if (this.process === "none" || this.process === "stopping") return;
    const wasPrimary = !this.inRecovery && this.#acking;
    const wasStarting = this.process === "starting";
    this.#generation++;
    this.process = "stopping";
    this.#changed();
    if (this.#acking) this.#client();
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
      return this.#ended({ pid: this.pid, code: 0, signal: null });
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
    if (behind || hangs) return this.#stage(hangs ? HANG_LOOK_MS : 10, () => this.#drain(untilMs));
    world.log.add(this.name, `postgres: clean shutdown at ${this.directory.position!.lsn}`);
    this.#ended({ pid: this.pid, code: 0, signal: null });
  }

  /** Moves its data directory away, unless a process lives there. */
  setAside(): void {
    if (this.anyProcess) return;
    this.#context.onSetAside(this);
    this.directory.setAside();
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
    if (this.process !== "none") this.#ended({ pid: this.pid, code: null, signal: "SIGKILL" });
  }

  /** SIGKILL to the postmaster alone: backends go on for a while, the guard is told of the exit. */
  postmasterKilled(): void {
    if (this.process === "none" || this.process === "orphans") return;
    this.#generation++;
    this.process = "orphans";
    if (this.streaming) this.#receiver.disconnect();
    if (this.#acking) this.#client();
    this.#changed();
    this.onExit({ pid: this.pid, code: null, signal: "SIGKILL" });
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
    if (this.streaming) this.#receiver.disconnect();
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

  /** A reload with another primary_conninfo: the WAL receiver connects anew. */
  follow(upstream: string | null): void {
    if (this.#receiver.follow(upstream)) this.#changed();
  }

  #tick(): void {
    if (!this.inRecovery || this.process !== "running") return;
    if (!this.#promoting) this.#receiver.receive();
    this.#stage(TICK_MS + this.#random.between(0, 5), () => this.#tick());
  }

  /** Serves replication connections. */
  get sends(): boolean {
    return this.process === "running" || (this.process === "stopping" && this.hangsAt !== "senders");
  }
}
