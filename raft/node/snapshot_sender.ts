/**
 * The leader's side of a snapshot that travels in pieces. A few pieces are on their way at a time, each is
 * answered, so heartbeats and leases go between them and no buffer fills up. Frames may be lost, repeated and
 * reordered.
 *
 * A transfer goes on from what the other member has (after a lost frame or a broken connection). It begins
 * anew when the other has lost its part (after a restart). It is given up when nothing more arrives: then the
 * core decides what the member needs.
 */
import { EMPTY_BYTES } from "../core/bytes.ts";
import { encodeMessage } from "../core/message.ts";
import type { Message, NodeId, Snapshot } from "../core/types.ts";
import { encodeSnapshotMessage, type SnapshotMessage } from "./snapshot_messages.ts";

/** Number of pieces on their way to one member. */
const WINDOW = 4;
const AGAIN_AFTER_MS = 500;
const GIVE_UP_AFTER_MS = 10_000;
/** Transfers of one term that have numbers of their own, and terms that have: what both make is exact. */
const TRANSFERS = 2 ** 20;
const TERMS = 2 ** 32;

export interface SnapshotSenderOptions {
  readonly now: () => number;
  readonly pieceBytes: number;
  /** Sends a frame; false when it was dropped. */
  readonly send: (to: NodeId, bytes: Uint8Array) => boolean;
  /** Called when a transfer came nearer its end: the core may go on waiting. */
  readonly progress: (to: NodeId) => void;
  /** Called when the snapshot has arrived, or will not. */
  readonly ended: (to: NodeId, ok: boolean) => void;
  /** Called with the reason, for people, why a snapshot was not taken. */
  readonly refused: (to: NodeId, reason: string) => void;
}

interface Transfer {
  readonly number: number;
  readonly message: Message;
  readonly snapshot: Snapshot;
  /** Whether the other member has the beginning. */
  begun: boolean;
  /** Bytes that the other member has, and bytes that were sent. */
  received: number;
  sent: number;
  progressMs: number;
  sentMs: number;
}

export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
  #transfers = new Map<NodeId, Transfer>();
  #last = 0;

  constructor(options: SnapshotSenderOptions) {
    this.#options = options;
  }

  /** Begins a transfer. A transfer of the same snapshot goes on; one of another snapshot is replaced. */
  begin(message: Message, snapshot: Snapshot): void {
    const { to, term } = message;
    const old = this.#transfers.get(to);
    if (old && old.message.term === term && old.snapshot.index === snapshot.index) return;
    const now = this.#options.now();
    this.#last = (this.#last + 1) % TRANSFERS;
    // With the term, as no member leads in one term before and after a restart: the other member may still
    // have pieces of the transfer that an earlier life of this node gave the same number.
    const number = (term % TERMS) * TRANSFERS + this.#last;
    const transfer = {
      number,
      message,
      snapshot,
      begun: false,
      received: 0,
      sent: 0,
      progressMs: now,
      sentMs: now,
    };
    this.#transfers.set(to, transfer);
    this.#push(to, transfer);
  }

  /**
   * `term`: term in which this member leads; null: it does not. Transfers that began in another term are of
   * no use.
   */
  tick(term: number | null): void {
    const now = this.#options.now();
    for (const [to, transfer] of this.#transfers) {
      if (transfer.message.term !== term) {
        this.#transfers.delete(to);
      } else if (now - transfer.progressMs >= GIVE_UP_AFTER_MS) {
        this.#end(to, false);
      } else if (now - transfer.sentMs >= AGAIN_AFTER_MS) {
        transfer.sent = transfer.received;
        this.#push(to, transfer);
      }
    }
  }

  answered(from: NodeId, answer: SnapshotMessage): void {
    const transfer = this.#transfers.get(from);
    if (transfer?.number !== answer.transfer) return;
    if (answer.kind === "got") this.#got(from, transfer, answer.received);
    else if (answer.kind === "lost") {
      transfer.begun = false;
      transfer.received = transfer.sent = 0;
      this.#push(from, transfer);
    } else if (answer.kind === "refused") {
      this.#options.refused(from, answer.reason);
      this.#end(from, false);
    }
  }

  #got(from: NodeId, transfer: Transfer, received: number): void {
    const { snapshot } = transfer;
    const isNews = !transfer.begun || received > transfer.received;
    if (!isNews || received > snapshot.data.length) return;
    transfer.begun = true;
    transfer.received = received;
    transfer.sent = Math.max(transfer.sent, received);
    transfer.progressMs = this.#options.now();
    if (received === snapshot.data.length) return this.#end(from, true);
    this.#options.progress(from);
    this.#push(from, transfer);
  }

  #push(to: NodeId, transfer: Transfer): void {
    const { now, pieceBytes } = this.#options;
    const { number, message, snapshot } = transfer;
    const total = snapshot.data.length;
    transfer.sentMs = now();
    if (!transfer.begun) {
      const head = encodeMessage({ ...message, snapshot: { ...snapshot, data: EMPTY_BYTES } });
      this.#send(to, { kind: "begin", transfer: number, total, head });
      return;
    }
    while (transfer.sent < total && transfer.sent - transfer.received < WINDOW * pieceBytes) {
      const data = snapshot.data.subarray(transfer.sent, transfer.sent + pieceBytes);
      if (!this.#send(to, { kind: "piece", transfer: number, offset: transfer.sent, data })) return;
      transfer.sent += data.length;
    }
  }

  #send(to: NodeId, message: SnapshotMessage): boolean {
    return this.#options.send(to, encodeSnapshotMessage(message));
  }

  #end(to: NodeId, ok: boolean): void {
    this.#transfers.delete(to);
    this.#options.ended(to, ok);
  }
}
