/**
 * Snapshots that are too large for one frame, or would keep heartbeats and leases waiting in it: both sides
 * of their transfer, joined to the core. Whoever has not said that it takes pieces, as a program before them,
 * gets one message.
 */
import type { Message, NodeId, Snapshot } from "../core/types.ts";
import type { CoreDriver } from "./core_driver.ts";
import type { Clock, Transport } from "./ports.ts";
import type { LogSink } from "./raft_options.ts";
import { lieOf } from "./lie_of.ts";
import { decodeSnapshotMessage, SNAPSHOT_CHANNEL } from "./snapshot_messages.ts";
import { SnapshotReceiver } from "./snapshot_receiver.ts";
import { SnapshotSender } from "./snapshot_sender.ts";

export interface SnapshotTransfersOptions {
  readonly clock: Clock;
  readonly transport: Transport;
  readonly log: LogSink;
  readonly snapshotPieceBytes: number;
  readonly maxSnapshotBytes: number;
  /** Null before we take part. */
  readonly driver: () => CoreDriver | null;
  /** Gives a whole message to the core; why not, for people, or null. */
  readonly step: (message: Message) => string | null;
  readonly isRemoved: (from: NodeId) => boolean;
  readonly nameOf: (id: NodeId) => string;
}

export class SnapshotTransfers {
  readonly #options: SnapshotTransfersOptions;
  readonly #sender: SnapshotSender;
  readonly #receiver: SnapshotReceiver;
  readonly #takers = new Set<NodeId>();

  constructor(options: SnapshotTransfersOptions) {
    this.#options = options;
    const { clock, driver } = options;
    const send = (to: NodeId, bytes: Uint8Array) => options.transport.send(to, SNAPSHOT_CHANNEL, bytes);
    this.#sender = new SnapshotSender({
      now: () => clock.now(),
      pieceBytes: options.snapshotPieceBytes,
      send: (to, bytes) => driver()?.mutedAsLeader !== true && send(to, bytes),
      progress: (to) => driver()?.core.reportSnapshotProgress(to),
      ended: (to, ok) => driver()?.core.reportSnapshot(to, ok),
      refused: (to, reason) =>
        options.log(
          "warning",
          "raft_snapshot_refused",
          `${options.nameOf(to)} does not take the snapshot: ${reason}`,
        ),
    });
    this.#receiver = new SnapshotReceiver({
      now: () => clock.now(),
      maxBytes: options.maxSnapshotBytes,
      send: (to, bytes) => void send(to, bytes),
      // A leader sends snapshots to those alone that have answered it, so that they are in its term and know
      // it: whose first pieces come from another member, or of another term, keeps none of them.
      objection: (head) => {
        const core = driver()?.core;
        if (!core) return "this member does not take part yet";
        const { term } = head;
        return term === core.term
          ? lieOf(head, core)
          : `it is of the leader of term ${term}, and this is ${core.term}`;
      },
      needless: (head, { index }) => {
        const core = driver()?.core;
        if (!core || index > core.commit) return false;
        core.step(head);
        return true;
      },
      deliver: options.step,
    });
  }

  /** A member has said whether it takes pieces. */
  hello(from: NodeId, pieces: boolean): void {
    if (pieces) this.#takers.add(from);
    else this.#takers.delete(from);
  }

  /** False when it has to go as one message. */
  send(message: Message, snapshot: Snapshot): boolean {
    if (snapshot.data.length <= this.#options.snapshotPieceBytes || !this.#takers.has(message.to)) {
      return false;
    }
    this.#sender.begin(message, snapshot);
    return true;
  }

  /** False: it was of no use. */
  frame(from: NodeId, payload: Uint8Array): boolean {
    if (!this.#options.driver()) return true;
    if (this.#options.isRemoved(from)) return false;
    const message = decodeSnapshotMessage(payload);
    if (message === null) return false;
    if (message.kind === "begin" || message.kind === "piece") return this.#receiver.took(from, message);
    this.#sender.answered(from, message);
    return true;
  }

  tick(): void {
    const core = this.#options.driver()?.core;
    this.#sender.tick(core?.role === "leader" ? core.term : null);
    this.#receiver.tick();
  }
}
