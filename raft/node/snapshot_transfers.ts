/**
 * Transfer of snapshots that are too large for one frame, or would keep heartbeats and leases waiting in it:
 * both sides, joined to the core. A member that has not said that it takes pieces, such as an older program,
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
  /** Driver of the core; null before this member takes part. */
  readonly driver: () => CoreDriver | null;
  /** Gives a whole message to the core; says, for people, why not, or null. */
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
      // A leader sends snapshots only to members that have answered it, so they are in its term and know it.
      // First pieces from another member, or of another term, are not kept.
      objection: (head) => {
        const core = driver()?.core;
        if (!core) return "this member does not take part yet";
        const { term } = head;
        return term === core.term
          ? lieOf(head, core)
          : `it is from the leader of term ${term}, and the current term is ${core.term}`;
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

  /** Notes whether a member takes pieces. */
  hello(from: NodeId, pieces: boolean): void {
    if (pieces) this.#takers.add(from);
    else this.#takers.delete(from);
  }

  /** Sends a snapshot in pieces; false when it has to go as one message. */
  send(message: Message, snapshot: Snapshot): boolean {
    if (snapshot.data.length <= this.#options.snapshotPieceBytes || !this.#takers.has(message.to)) {
      return false;
    }
    this.#sender.begin(message, snapshot);
    return true;
  }

  /** Takes a frame; false: it was of no use. */
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
