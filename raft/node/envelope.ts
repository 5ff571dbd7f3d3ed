/**
 * What RaftNode puts into an entry: a command with the session that makes a repeated one harmless, or a note that a
 * member has taken part. Pure.
 */
import { ByteReader, ByteWriter, DecodeError } from "../core/bytes.ts";
import type { NodeId } from "../core/types.ts";

const COMMAND = 1;
const JOINED = 2;

export interface CommandEnvelope {
  readonly kind: "command";
  readonly origin: NodeId;
  /** Of the proposing process. Random, 48 bits. */
  readonly incarnation: number;
  /** Number of the command within the incarnation, from 1. */
  readonly seq: number;
  /** The origin waits for no command below this one any more and will not send it again. */
  readonly floor: number;
  readonly command: Uint8Array;
}

export interface JoinedEnvelope {
  readonly kind: "joined";
  readonly member: NodeId;
  /** Which directory it took part with; 0: not known. */
  readonly instance: number;
}

export type Envelope = CommandEnvelope | JoinedEnvelope;

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  if (envelope.kind === "joined") {
    const writer = new ByteWriter(17);
    writer.u8(JOINED);
    writer.count(envelope.member);
    writer.count(envelope.instance);
    return writer.finish();
  }
  const writer = new ByteWriter(33 + envelope.command.length);
  writer.u8(COMMAND);
  writer.count(envelope.origin);
  writer.count(envelope.incarnation);
  writer.count(envelope.seq);
  writer.count(envelope.floor);
  writer.raw(envelope.command);
  return writer.finish();
}

/** Null for what is none: such an entry does nothing, on every member alike. */
export function decodeEnvelope(bytes: Uint8Array): Envelope | null {
  try {
    const reader = new ByteReader(bytes);
    const kind = reader.u8();
    if (kind === JOINED) {
      const joined = { kind: "joined", member: reader.count(), instance: reader.count() } as const;
      reader.end();
      return joined;
    }
    if (kind !== COMMAND) return null;
    const [origin, incarnation, seq, floor] = [
      reader.count(),
      reader.count(),
      reader.count(),
      reader.count(),
    ];
    return { kind: "command", origin, incarnation, seq, floor, command: reader.raw(reader.remaining) };
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}
