/**
 * Contents of RaftNode's entries: a command with the session that makes a repetition harmless, the record
 * that a member has taken part, what is known of a member, or which commands all members know. Pure.
 */
import { ByteReader, ByteWriter, DecodeError } from "../core/bytes.ts";
import { type NodeId, NONE } from "../core/types.ts";
import { memberFlaw } from "./member_flaw.ts";
import type { MemberRecord } from "./member_record.ts";

const COMMAND = 1;
const JOINED = 2;
const MEMBER = 3;
const FORGET = 4;
const VERSION = 5;

const VOTES = 1;
const NAMED = 2;

export interface CommandEnvelope {
  readonly kind: "command";
  readonly origin: NodeId;
  /** Incarnation of the proposing process: random, 48 bits. */
  readonly incarnation: number;
  /** Number of the command within the incarnation, from 1. */
  readonly seq: number;
  /** Lowest command that the origin may still wait for: it sends none below it again. */
  readonly floor: number;
  readonly command: Uint8Array;
}

export interface JoinedEnvelope {
  readonly kind: "joined";
  readonly member: NodeId;
  /** Directory with which the member took part; 0: not known. */
  readonly instance: number;
}

/** Record of a member, written before it enters the configuration. */
export interface MemberEnvelope {
  readonly kind: "member";
  readonly record: MemberRecord;
}

/** Takes back the record of a node that did not become a member. */
export interface ForgetEnvelope {
  readonly kind: "forget";
  readonly member: NodeId;
}

/** Records that all members know commands of this version (see versions.ts). */
export interface VersionEnvelope {
  readonly kind: "version";
  readonly version: number;
}

export type Envelope = CommandEnvelope | JoinedEnvelope | MemberEnvelope | ForgetEnvelope | VersionEnvelope;

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  switch (envelope.kind) {
    case "command": {
      const writer = new ByteWriter(33 + envelope.command.length);
      writer.u8(COMMAND);
      writer.count(envelope.origin);
      writer.count(envelope.incarnation);
      writer.count(envelope.seq);
      writer.count(envelope.floor);
      writer.raw(envelope.command);
      return writer.finish();
    }
    case "joined": {
      const writer = new ByteWriter(17);
      writer.u8(JOINED);
      writer.count(envelope.member);
      writer.count(envelope.instance);
      return writer.finish();
    }
    case "member": {
      const { id, name, addr, votes, replaces } = envelope.record;
      const writer = new ByteWriter();
      writer.u8(MEMBER);
      writer.u8((votes ? VOTES : 0) | (name === null ? 0 : NAMED));
      writer.count(id);
      writer.count(replaces);
      for (const text of [name ?? "", addr]) {
        const bytes = new TextEncoder().encode(text);
        writer.u16(bytes.length);
        writer.raw(bytes);
      }
      return writer.finish();
    }
    case "forget": {
      const writer = new ByteWriter(16);
      writer.u8(FORGET);
      writer.count(envelope.member);
      return writer.finish();
    }
    case "version": {
      const writer = new ByteWriter(3);
      writer.u8(VERSION);
      writer.u16(envelope.version);
      return writer.finish();
    }
  }
}

/**
 * Decodes an entry; null for garbage, and for kinds that this program does not know: such an entry does
 * nothing, on every member alike. A kind of a later version stands behind the record that all members know
 * that version, and this program has stopped at that record (versions.ts).
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope | null {
  try {
    const reader = new ByteReader(bytes);
    const kind = reader.u8();
    if (kind === JOINED) {
      const joined = { kind: "joined", member: reader.count(), instance: reader.count() } as const;
      reader.end();
      return joined;
    }
    if (kind === MEMBER) return readMember(reader);
    if (kind === FORGET) {
      const forget = { kind: "forget", member: reader.count() } as const;
      reader.end();
      return forget;
    }
    if (kind === VERSION) {
      const version = { kind: "version", version: reader.u16() } as const;
      reader.end();
      return version;
    }
    if (kind !== COMMAND) return null;
    const [origin, incarnation, seq, floor] = [
      reader.count(),
      reader.count(),
      reader.count(),
      reader.count(),
    ];
    // No proposer writes such a command, and it would raise the floor of a session beyond what was sent.
    if (origin === NONE || seq === 0 || floor > seq) return null;
    return { kind: "command", origin, incarnation, seq, floor, command: reader.raw(reader.remaining) };
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}

function readMember(reader: ByteReader): MemberEnvelope | null {
  const flags = reader.u8();
  if ((flags & ~(VOTES | NAMED)) !== 0) return null;
  const [id, replaces] = [reader.count(), reader.count()];
  const text = () => new TextDecoder().decode(reader.raw(reader.u16()));
  const [name, addr] = [text(), text()];
  reader.end();
  const named = (flags & NAMED) !== 0 ? name : null;
  const record = { id, name: named, addr, votes: (flags & VOTES) !== 0, replaces };
  return memberFlaw(record) === null ? { kind: "member", record } : null;
}
