/**
 * Messages between members: construction and the binary form that travels in a transport's frame.
 *
 * Decoding is the border to the outside. What passes it has the shape that the protocol may rely on
 * (consecutive entries, terms that do not decrease, valid configurations), so that garbage ends as a
 * DecodeError at the border and never as a broken invariant inside.
 */
import { assert } from "./assert.ts";
import { ByteReader, ByteWriter, DecodeError, EMPTY_BYTES } from "./bytes.ts";
import { decodeConfiguration, encodeConfiguration, MAX_NODE_ID } from "./configuration.ts";
import type { Entry, EntryKind, Message, MessageType, NodeId, Snapshot } from "./types.ts";

export { DecodeError } from "./bytes.ts";

/** The numbers are the wire format: never reuse one. */
const TYPE_CODES: Readonly<Record<MessageType, number>> = {
  preVote: 1,
  preVoteResponse: 2,
  vote: 3,
  voteResponse: 4,
  append: 5,
  appendResponse: 6,
  heartbeat: 7,
  heartbeatResponse: 8,
  snapshot: 9,
  timeoutNow: 10,
  propose: 11,
  transferLeader: 12,
  readIndex: 13,
  readIndexResponse: 14,
};
const TYPES_BY_CODE = new Map<number, MessageType>(
  Object.entries(TYPE_CODES).map(([type, code]) => [code, type as MessageType]),
);
const KIND_CODES: Readonly<Record<EntryKind, number>> = { normal: 0, config: 1 };

const REJECT = 1;
const HAS_SNAPSHOT = 2;
/** type, flags, seven numbers, length of the context, number of entries. */
const HEADER_BYTES = 2 + 7 * 8 + 2 + 4;
/** term, index, kind, length of the data. */
const ENTRY_HEADER_BYTES = 8 + 8 + 1 + 4;
const MAX_CONTEXT_BYTES = 256;

/** Makes a message; fields that its type does not use are filled in. */
export function makeMessage(fields: Partial<Message> & Pick<Message, "type" | "from" | "to">): Message {
  return {
    term: 0,
    logTerm: 0,
    index: 0,
    commit: 0,
    entries: [],
    reject: false,
    rejectHint: 0,
    snapshot: null,
    context: EMPTY_BYTES,
    ...fields,
  };
}

/** Bytes that an entry takes in a message; every limit on sizes counts them. */
export function entryBytes(entry: Entry): number {
  return ENTRY_HEADER_BYTES + entry.data.length;
}

export function sumOfEntryBytes(entries: readonly Entry[]): number {
  return entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
}

/** Context that marks a campaign by leadership transfer: such votes are granted despite a living leader. */
export const TRANSFER_CONTEXT: Uint8Array = new TextEncoder().encode("transfer");

export function isTransferCampaign(message: Message): boolean {
  const { context } = message;
  return context.length === TRANSFER_CONTEXT.length &&
    context.every((byte, at) => byte === TRANSFER_CONTEXT[at]);
}

/** Context of one number: a ReadIndex round, or the target of a transfer. */
export function numberContext(value: number): Uint8Array {
  const writer = new ByteWriter(8);
  writer.count(value);
  return writer.finish();
}

/** The number in a context; null when it holds none. */
export function contextNumber(context: Uint8Array): number | null {
  if (context.length !== 8) return null;
  const reader = new ByteReader(context);
  try {
    return reader.count();
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}

export function encodeMessage(message: Message): Uint8Array {
  assert(message.context.length <= MAX_CONTEXT_BYTES, "context of a message too long");
  const size = sumOfEntryBytes(message.entries);
  const writer = new ByteWriter(HEADER_BYTES + message.context.length + size);
  writer.u8(TYPE_CODES[message.type]);
  writer.u8((message.reject ? REJECT : 0) | (message.snapshot === null ? 0 : HAS_SNAPSHOT));
  writer.count(message.from);
  writer.count(message.to);
  writer.count(message.term);
  writer.count(message.logTerm);
  writer.count(message.index);
  writer.count(message.commit);
  writer.count(message.rejectHint);
  writer.u16(message.context.length);
  writer.raw(message.context);
  writer.u32(message.entries.length);
  for (const entry of message.entries) writeEntry(writer, entry);
  if (message.snapshot !== null) writeSnapshot(writer, message.snapshot);
  return writer.finish();
}

/** Type that the bytes claim, without reading the rest; null: no message. */
export function typeOfMessage(bytes: Uint8Array): MessageType | null {
  return TYPES_BY_CODE.get(bytes[0] ?? 0) ?? null;
}

/** Throws DecodeError on anything that is not exactly one valid message. */
export function decodeMessage(bytes: Uint8Array): Message {
  const reader = new ByteReader(bytes);
  const type = TYPES_BY_CODE.get(reader.u8());
  if (type === undefined) throw new DecodeError("unknown type of message");
  const flags = reader.u8();
  if ((flags & ~(REJECT | HAS_SNAPSHOT)) !== 0) throw new DecodeError("unknown flags of a message");
  const message: Message = {
    type,
    reject: (flags & REJECT) !== 0,
    from: readNodeId(reader),
    to: readNodeId(reader),
    term: reader.count(),
    logTerm: reader.count(),
    index: reader.count(),
    commit: reader.count(),
    rejectHint: reader.count(),
    context: readContext(reader),
    entries: readEntries(reader),
    snapshot: (flags & HAS_SNAPSHOT) !== 0 ? readSnapshot(reader) : null,
  };
  reader.end();
  const flaw = flawOf(message);
  if (flaw !== null) throw new DecodeError(`${type}: ${flaw}`);
  return message;
}

/** Whether messages of this type belong to no term: proposals and reads ask the leader of any term. */
export function isTermless(type: MessageType): boolean {
  return type === "propose" || type === "readIndex";
}

function flawOf(message: Message): string | null {
  const { type, term, entries } = message;
  if (isTermless(type) !== (term === 0)) return `term ${term}`;
  if ((type === "snapshot") !== (message.snapshot !== null)) return "snapshot where none belongs, or none";
  if (message.snapshot !== null && message.snapshot.term > term) return "snapshot from a later term";
  switch (type) {
    case "append": {
      let previousTerm = message.logTerm;
      for (const [at, entry] of entries.entries()) {
        if (entry.index !== message.index + 1 + at) return "entries with gaps";
        if (entry.term < previousTerm || entry.term > term || entry.term === 0) return "entries out of order";
        previousTerm = entry.term;
      }
      return message.logTerm > term ? "entries out of order" : null;
    }
    case "propose":
      if (entries.length === 0) return "nothing proposed";
      return entries.some(({ kind }) => kind !== "normal") ? "only the leader proposes configurations" : null;
    default:
      return entries.length > 0 ? "entries where none belong" : null;
  }
}

function writeEntry(writer: ByteWriter, entry: Entry): void {
  writer.count(entry.term);
  writer.count(entry.index);
  writer.u8(KIND_CODES[entry.kind]);
  writer.u32(entry.data.length);
  writer.raw(entry.data);
}

function readEntries(reader: ByteReader): Entry[] {
  const length = reader.u32();
  if (length * ENTRY_HEADER_BYTES > reader.remaining) throw new DecodeError(`${length} entries do not fit`);
  return Array.from({ length }, () => {
    const term = reader.count();
    const index = reader.count();
    const kind = readKind(reader);
    const data = reader.raw(reader.u32());
    // With such a configuration in force, nobody could ever be elected again.
    if (kind === "config" && decodeConfiguration(data).voters.length === 0) {
      throw new DecodeError("a configuration without voters");
    }
    return { term, index, kind, data };
  });
}

function readKind(reader: ByteReader): EntryKind {
  const code = reader.u8();
  if (code === KIND_CODES.normal) return "normal";
  if (code === KIND_CODES.config) return "config";
  throw new DecodeError(`unknown kind of entry ${code}`);
}

function writeSnapshot(writer: ByteWriter, snapshot: Snapshot): void {
  const configuration = encodeConfiguration(snapshot.configuration);
  writer.count(snapshot.index);
  writer.count(snapshot.term);
  writer.u32(configuration.length);
  writer.raw(configuration);
  writer.u32(snapshot.data.length);
  writer.raw(snapshot.data);
}

function readSnapshot(reader: ByteReader): Snapshot {
  const index = reader.count();
  const term = reader.count();
  if (index === 0 || term === 0) throw new DecodeError("snapshot of nothing");
  const configuration = decodeConfiguration(reader.raw(reader.u32()));
  const data = reader.raw(reader.u32());
  return { index, term, configuration, data };
}

function readNodeId(reader: ByteReader): NodeId {
  const id = reader.count();
  if (id < 1 || id > MAX_NODE_ID) throw new DecodeError(`invalid id ${id}`);
  return id;
}

function readContext(reader: ByteReader): Uint8Array {
  const length = reader.u16();
  if (length > MAX_CONTEXT_BYTES) throw new DecodeError(`context of ${length} bytes`);
  return reader.raw(length);
}
