/**
 * The other side of snapshot_sender.ts: collects the pieces in memory, and hands the whole message to the
 * core. One snapshot at a time, as there is one leader. A size is not believed before the bytes are there.
 */
import { DecodeError } from "../core/bytes.ts";
import { decodeMessage } from "../core/message.ts";
import type { Message, NodeId, Snapshot } from "../core/types.ts";
import { encodeSnapshotMessage, type SnapshotMessage } from "./snapshot_messages.ts";

/** Time for which the pieces of an unfinished snapshot are kept. */
const FORGET_AFTER_MS = 30_000;

export interface SnapshotReceiverOptions {
  readonly now: () => number;
  /** Size of the largest snapshot that is taken. */
  readonly maxBytes: number;
  readonly send: (to: NodeId, bytes: Uint8Array) => void;
  /** Says why the snapshot of this message is of no use here; null: it is wanted, or not needed. */
  readonly objection: (head: Message) => string | null;
  /** True when all that the snapshot covers is here; the core has then answered it, without its data. */
  readonly needless: (head: Message, snapshot: Snapshot) => boolean;
  /** Takes the whole message; says why it is not taken, or null. */
  readonly deliver: (message: Message) => string | null;
}

interface Incoming {
  readonly from: NodeId;
  readonly transfer: number;
  readonly total: number;
  readonly head: Message;
  readonly snapshot: Snapshot;
  /**
   * Buffer that grows with the bytes received: it takes no more than twice as many, however small the pieces
   * are.
   */
  data: Uint8Array;
  received: number;
  lastMs: number;
}

export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  /**
   * Current snapshot; stays without its data once all is there, so that late pieces are answered as before.
   */
  #incoming: Incoming | null = null;

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
  }

  /** Number of bytes kept. */
  get size(): number {
    return this.#incoming?.data.length ?? 0;
  }

  /** Takes a message. False: it brought nothing, because it was refused, or came before. */
  took(from: NodeId, message: SnapshotMessage): boolean {
    const { transfer } = message;
    if (message.kind === "begin") return this.#begin(from, message);
    if (message.kind !== "piece") return false;
    const incoming = this.#incoming;
    if (incoming?.from !== from || incoming.transfer !== transfer) {
      this.#answer(from, { kind: "lost", transfer });
      return false;
    }
    return this.#piece(incoming, message.offset, message.data);
  }

  tick(): void {
    const lastMs = this.#incoming?.lastMs ?? Infinity;
    if (this.#options.now() - lastMs >= FORGET_AFTER_MS) this.#incoming = null;
  }

  #begin(from: NodeId, { transfer, total, head }: SnapshotMessage & { readonly kind: "begin" }): boolean {
    const known = this.#incoming;
    if (known?.from !== from || known.transfer !== transfer) {
      const incoming = this.#read(from, transfer, total, head);
      if (typeof incoming === "string") {
        this.#answer(from, { kind: "refused", transfer, reason: incoming });
        return false;
      }
      if (this.#options.needless(incoming.head, incoming.snapshot)) {
        this.#answer(from, { kind: "got", transfer, received: total });
        return true;
      }
      this.#incoming = incoming;
    }
    this.#answer(from, { kind: "got", transfer, received: this.#incoming!.received });
    return true;
  }

  #read(from: NodeId, transfer: number, total: number, bytes: Uint8Array): Incoming | string {
    const { maxBytes, objection, now } = this.#options;
    if (total === 0 || total > maxBytes) return `a snapshot of ${total} bytes: 1 to ${maxBytes} are taken`;
    let head: Message;
    try {
      head = decodeMessage(bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return error.message;
    }
    const { snapshot } = head;
    if (snapshot === null || head.from !== from) return "it is no snapshot of the member that sends it";
    const useless = objection(head);
    if (useless !== null) return useless;
    return { from, transfer, total, head, snapshot, data: NOTHING, received: 0, lastMs: now() };
  }

  #piece(incoming: Incoming, offset: number, data: Uint8Array): boolean {
    const { from, transfer, total, head, snapshot } = incoming;
    incoming.lastMs = this.#options.now();
    const fits = offset === incoming.received && data.length > 0 && data.length <= total - offset;
    if (fits) {
      incoming.data = withRoom(incoming.data, incoming.received + data.length, total);
      incoming.data.set(data, incoming.received);
      incoming.received += data.length;
    }
    if (fits && incoming.received === total) {
      const message = { ...head, snapshot: { ...snapshot, data: incoming.data } };
      incoming.data = NOTHING;
      const reason = this.#options.deliver(message);
      if (reason !== null) {
        this.#incoming = null;
        this.#answer(from, { kind: "refused", transfer, reason });
        return false;
      }
    }
    this.#answer(from, { kind: "got", transfer, received: incoming.received });
    return fits;
  }

  #answer(to: NodeId, message: SnapshotMessage): void {
    this.#options.send(to, encodeSnapshotMessage(message));
  }
}

const NOTHING = new Uint8Array(0);

/** Returns `bytes`, or a longer copy where `needed` bytes do not fit. Never longer than `total`. */
function withRoom(bytes: Uint8Array, needed: number, total: number): Uint8Array {
  if (needed <= bytes.length) return bytes;
  const longer = new Uint8Array(Math.min(total, Math.max(needed, bytes.length * 2)));
  longer.set(bytes);
  return longer;
}
