/**
 * Messages of a snapshot that travels in pieces, on a reserved channel: the leader's, and the answers of the
 * other member. Pure.
 */
import { ByteReader, ByteWriter, DecodeError } from "../core/bytes.ts";

/** Channel that RaftNode reserves for snapshots. */
export const SNAPSHOT_CHANNEL = 253;

const BEGIN = 1;
const PIECE = 2;
const GOT = 3;
const LOST = 4;
const REFUSED = 5;

const MAX_REASON_BYTES = 512;

/** `transfer`: number that the sender gave the transfer; another attempt has another number. */
export type SnapshotMessage =
  /**
   * `head`: encoded message of the core without the snapshot's data. The data follows and has `total` bytes.
   */
  | { readonly kind: "begin"; readonly transfer: number; readonly total: number; readonly head: Uint8Array }
  | { readonly kind: "piece"; readonly transfer: number; readonly offset: number; readonly data: Uint8Array }
  /** Answer: `received` bytes are there without a gap; the next piece begins behind them. */
  | { readonly kind: "got"; readonly transfer: number; readonly received: number }
  /** Answer to a piece: the beginning of the transfer is not here (any more). */
  | { readonly kind: "lost"; readonly transfer: number }
  /** Answer: the snapshot is not wanted, or is none. */
  | { readonly kind: "refused"; readonly transfer: number; readonly reason: string };

export function encodeSnapshotMessage(message: SnapshotMessage): Uint8Array {
  const { kind, transfer } = message;
  switch (kind) {
    case "begin":
      return encoded(BEGIN, transfer, message.total, message.head);
    case "piece":
      return encoded(PIECE, transfer, message.offset, message.data);
    case "got":
      return encoded(GOT, transfer, message.received, NOTHING);
    case "lost":
      return encoded(LOST, transfer, 0, NOTHING);
    case "refused":
      return encoded(
        REFUSED,
        transfer,
        0,
        new TextEncoder().encode(message.reason).subarray(0, MAX_REASON_BYTES),
      );
  }
}

const NOTHING = new Uint8Array(0);

function encoded(kind: number, transfer: number, number: number, bytes: Uint8Array): Uint8Array {
  const writer = new ByteWriter(17 + bytes.length);
  writer.u8(kind);
  writer.count(transfer);
  writer.count(number);
  writer.raw(bytes);
  return writer.finish();
}

/** Decodes a message; null for garbage. */
export function decodeSnapshotMessage(bytes: Uint8Array): SnapshotMessage | null {
  try {
    const reader = new ByteReader(bytes);
    const kind = reader.u8();
    const transfer = reader.count();
    const number = reader.count();
    const rest = reader.raw(reader.remaining);
    switch (kind) {
      case BEGIN:
        return { kind: "begin", transfer, total: number, head: rest };
      case PIECE:
        return { kind: "piece", transfer, offset: number, data: rest };
      case GOT:
        return { kind: "got", transfer, received: number };
      case LOST:
        return { kind: "lost", transfer };
      case REFUSED:
        return {
          kind: "refused",
          transfer,
          reason: new TextDecoder().decode(rest.subarray(0, MAX_REASON_BYTES)),
        };
      default:
        return null;
    }
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}
