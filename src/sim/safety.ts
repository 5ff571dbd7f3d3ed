/**
 * The invariants of the whole cluster at every moment of true time, checked as it happens. Throws a
 * Violation. The window of J + K is counted: a server is a writer until its last process has been stopped. A
 * standby that was promoted past its agent is no writer here: writes_alone.ts bounds it.
 */
import { Violation, type World } from "../../raft/sim/mod.ts";
import type { DcsState } from "../model/records.ts";
import type { ModelServer } from "./model_server.ts";
import { contains, lostBytes, type Position } from "./wal.ts";

interface Writer {
  readonly server: ModelServer;
  readonly sinceMs: number;
}

export class Safety {
  failovers = 0;
  switchovers = 0;
  /** Acknowledged writes that an asynchronous failover left behind: allowed, and shown. */
  lostBytes = 0;
  /** How often a server began to write beside another one, where clocks are not bounded. */
  overlaps = 0;
  longestOutageMs = 0;
  readonly #writers = new Map<ModelServer, Writer>();
  #highestEpoch = 0;
  #lastWriter:
    | { readonly server: ModelServer; readonly epoch: number; end: Position; clean: boolean }
    | null = null;
  #writableUntilMs: number | null = null;
  readonly #knownResults = new Set<string>();
  /** By epoch: how the previous writer ended, and the bytes that its successor lacks. */
  readonly #handovers = new Map<number, { readonly clean: boolean; readonly lost: number }>();
  /** Answers to requests, by the epoch of the answer. */
  readonly #switchedEpochs = new Map<number, string>();

  readonly #world: World;
  readonly #bounded: boolean;

  /** `bounded`: clocks run as the lease assumes. Else two may write at once, and epochs may cross. */
  constructor(world: World, bounded = true) {
    this.#world = world;
    this.#bounded = bounded;
  }

  /** End of WAL of the last writer under the lock; null: none has written yet. */
  get lastEnd(): Position | null {
    return this.#lastWriter?.end ?? null;
  }

  /** The cluster follows another one: nobody begins to write. */
  readOnly = false;

  /** The latest records that were seen: they say whether the cluster follows another one. */
  #records = { clusterEpoch: 0, revision: 0, follows: false };

  /** A cluster that has come to follow another one is rewound to that: what it wrote itself is given up. */
  #giveUp(): void {
    if (this.#records.follows && this.#writers.size === 0) this.#lastWriter = null;
  }

  /** A server begins to be able to acknowledge commits, or ceases to. */
  onAcking(server: ModelServer, can: boolean): void {
    const nowMs = this.#world.now();
    if (server.epoch === null) {
      return this.#world.log.add(
        server.name,
        `commits are ${can ? "" : "no longer "}acknowledged without the lock`,
      );
    }
    if (!can) return this.#ends(server, server.epoch);
    this.#world.log.add(
      server.name,
      `commits are acknowledged (epoch ${server.epoch}, timeline ${
        server.directory.position!.branch.timeline
      })`,
    );
    this.#expectWritable(server);
    if (!this.#bounded) return this.#overlap(server);
    for (const other of this.#writers.values()) {
      throw new Violation(
        "never two writers",
        `${server.name} (epoch ${server.epoch}) acknowledges while ${other.server.name} (epoch ${other.server.epoch}, since ${
          (other.sinceMs / 1000).toFixed(3)
        } s) does`,
      );
    }
    const { epoch } = server;
    if (epoch < this.#highestEpoch) {
      throw new Violation(
        "epochs go forward",
        `${server.name} writes under ${epoch} after ${this.#highestEpoch}`,
      );
    }
    const before = this.#lastWriter;
    if (epoch > 0 && epoch === before?.epoch && server !== before.server) {
      throw new Violation(
        "epochs go forward",
        `${server.name} writes under ${epoch}, as ${before.server.name} did`,
      );
    }
    if (epoch > this.#highestEpoch) this.#handover(server, epoch);
    this.#highestEpoch = epoch;
    if (this.#writableUntilMs !== null) {
      this.longestOutageMs = Math.max(this.longestOutageMs, nowMs - this.#writableUntilMs);
    }
    this.#writers.set(server, { server, sinceMs: nowMs });
  }

  #ends(server: ModelServer, epoch: number): void {
    this.#writers.delete(server);
    // A cluster that is still being bootstrapped has no users' data: it may be begun anew.
    if (server.directory.state.kind === "valid") {
      this.#lastWriter = {
        server,
        epoch,
        end: server.directory.position!,
        clean: false,
      };
    }
    this.#giveUp();
    this.#writableUntilMs = this.#world.now();
    this.#world.log.add(server.name, `no commit is acknowledged any more (epoch ${epoch})`);
  }

  /** Only what no clock has a part in: how much of the WAL goes on. */
  #overlap(server: ModelServer): void {
    const epoch = server.epoch!;
    this.overlaps += this.#writers.size;
    if (epoch > this.#highestEpoch && this.#lastWriter !== null) {
      if (this.#lastWriter.server !== server) this.failovers++;
    }
    this.#highestEpoch = Math.max(this.#highestEpoch, epoch);
    this.#writers.set(server, { server, sinceMs: this.#world.now() });
  }

  #expectWritable({ name, epoch }: ModelServer): void {
    if (!this.readOnly) return;
    throw new Violation("a standby cluster is not written to", `${name} acknowledges (epoch ${epoch})`);
  }

  /** PostgreSQL ended in order: everything it acknowledged is in its WAL, up to here. */
  onCleanShutdown(server: ModelServer): void {
    if (this.#lastWriter?.server === server && server.epoch !== null) {
      // A cluster that is still being bootstrapped has no users' data: it may be begun anew.
      if (server.directory.state.kind === "valid") {
        this.#lastWriter = { ...this.#lastWriter, end: server.directory.position!, clean: true };
      }
    }
  }

  /** The records of a member changed. */
  onRecords(state: DcsState): void {
    const { clusterEpoch, revision, config } = state;
    const known = this.#records;
    if (
      clusterEpoch > known.clusterEpoch || (clusterEpoch === known.clusterEpoch && revision > known.revision)
    ) {
      this.#records = { clusterEpoch, revision, follows: config?.value["standby_cluster"] !== undefined };
      this.#giveUp();
    }
    for (const result of state.failoverResults) {
      if (this.#knownResults.has(result.id)) continue;
      this.#knownResults.add(result.id);
      this.#world.log.add(
        "records",
        `request ${result.id}: ${result.ok ? "done" : "failed"}: ${result.text}`,
      );
      if (!result.ok) continue;
      this.switchovers++;
      this.#switchedEpochs.set(state.lock.epoch, result.text);
      this.#checkSwitchover(state.lock.epoch);
    }
  }

  /** An acknowledged switchover from a server that was shut down in order loses nothing. */
  #checkSwitchover(epoch: number): void {
    const text = this.#switchedEpochs.get(epoch);
    const handover = this.#handovers.get(epoch);
    if (text !== undefined && handover !== undefined && handover.clean && handover.lost > 0) {
      throw new Violation(
        "a switchover loses nothing",
        `${handover.lost} acknowledged bytes are lost before epoch ${epoch} (${text})`,
      );
    }
  }

  #handover(server: ModelServer, epoch: number): void {
    const before = this.#lastWriter;
    if (before === null) return;
    const lost = lostBytes(before.end, server.directory.position!);
    if (before.server !== server) this.failovers++;
    else if (!contains(server.directory.position!, before.end)) {
      throw new Violation(
        "a server keeps what it wrote",
        `${server.name} comes back without its own end of WAL`,
      );
    }
    this.lostBytes += lost;
    if (lost > 0) {
      this.#world.log.add(server.name, `${lost} acknowledged bytes of ${before.server.name} are left behind`);
    }
    this.#handovers.set(epoch, { clean: before.clean, lost });
    this.#checkSwitchover(epoch);
  }
}
