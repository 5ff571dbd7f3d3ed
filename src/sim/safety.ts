/**
 * The invariants of the whole cluster at every moment of true time, checked as it happens. Throws a
 * Violation. The window of J + K is counted: a server is a writer until its last process has been stopped.
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
  longestOutageMs = 0;
  readonly #writers = new Map<ModelServer, Writer>();
  #highestEpoch = 0;
  #lastWriter:
    | { readonly server: ModelServer; readonly epoch: number; end: Position; clean: boolean }
    | null = null;
  #writableUntilMs: number | null = null;
  readonly #knownResults = new Set<string>();
  /** By epoch: how the writer before ended, and what its successor does not have of it. */
  readonly #handovers = new Map<number, { readonly clean: boolean; readonly lost: number }>();
  /** Epochs that a request was answered with, and the answer. */
  readonly #switchedEpochs = new Map<number, string>();

  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** A server begins to be able to acknowledge commits, or ceases to. */
  onAcking(server: ModelServer, can: boolean): void {
    const nowMs = this.#world.now();
    if (!can) {
      this.#writers.delete(server);
      // A cluster that is still being bootstrapped has no users' data: it may be begun anew.
      if (server.directory.state.kind === "valid") {
        this.#lastWriter = {
          server,
          epoch: server.epoch ?? 0,
          end: server.directory.position!,
          clean: false,
        };
      }
      this.#writableUntilMs = nowMs;
      this.#world.log.add(server.name, `no commit is acknowledged any more (epoch ${server.epoch})`);
      return;
    }
    this.#world.log.add(
      server.name,
      `commits are acknowledged (epoch ${server.epoch}, timeline ${
        server.directory.position!.branch.timeline
      })`,
    );
    for (const other of this.#writers.values()) {
      throw new Violation(
        "never two writers",
        `${server.name} (epoch ${server.epoch}) acknowledges while ${other.server.name} (epoch ${other.server.epoch}, since ${
          (other.sinceMs / 1000).toFixed(3)
        } s) does`,
      );
    }
    const epoch = server.epoch ?? 0;
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

  /** PostgreSQL ended in order: everything it acknowledged is in its WAL, up to here. */
  onCleanShutdown(server: ModelServer): void {
    if (this.#lastWriter?.server === server) {
      // A cluster that is still being bootstrapped has no users' data: it may be begun anew.
      if (server.directory.state.kind === "valid") {
        this.#lastWriter = { ...this.#lastWriter, end: server.directory.position!, clean: true };
      }
    }
  }

  /** The records of a member changed. */
  onRecords(state: DcsState): void {
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
