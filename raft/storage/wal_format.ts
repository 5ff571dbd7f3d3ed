/**
 * Format of the log: records, their payloads, and their seals. Pure; knows no files.
 *
 *   record  = u32 length word | u32 crc | u8 type | u8 flags | u16 0 | u32 write | u32 previous crc | payload | pad
 *
 * Numbers are little endian. Every record begins at a multiple of 8, so that its first eight bytes lie in one
 * disk sector.
 * - length word: payload length in 24 bits, and one check byte, because a flipped length must not be taken
 *   for a record that goes on into sectors which were never written;
 * - crc: CRC-32C of everything after it, padding included. The chain is the copy of the predecessor's crc,
 *   kept as a field so that a record behind a hole can still be recognised as whole;
 * - write: number of fdatasyncs of this log that had succeeded before, modulo 2^32. A record with a later
 *   number than a damaged one before it proves that the damaged one was durable once: that is rot, not a torn
 *   write. The numbers of existing records are far less than 2^31 apart (a log has some MiB), so it is never
 *   in doubt which of two is later;
 * - flags bit 0: the write that this record ends is followed by an fdatasync, so the next record has `write +
 *   1`.
 * There is at least one byte of padding, 0xA5: a record never ends in a zero, so a missing end shows.
 */
import { getUint32, getUint53, putUint32, putUint53 } from "../core/integers.ts";
import { crc32c, differsByOneBit } from "./crc32c.ts";
import type { Entry, HardState, Index, NodeId, Term } from "../core/types.ts";

export const RECORD_HEADER_BYTES = 20;
const SEGMENT_HEADER_PAYLOAD_BYTES = 12 * 8;
export const SEGMENT_HEADER_BYTES = recordBytes(SEGMENT_HEADER_PAYLOAD_BYTES);
export const MAX_PAYLOAD_BYTES = 0xffffff;
export const SECTOR_BYTES = 512;
const FORMAT_VERSION = 1;
const SEGMENT_MAGIC = 0x4c415752; // "RWAL"
const PAD = 0xa5;
const FLAG_SYNCED_AFTER = 1;

export const RecordType = { entry: 1, hardState: 2, truncate: 3, snapshotMark: 4, segmentHeader: 5 } as const;

/** Snapshot on which the log stands; index 0: none. */
export interface SnapshotRef {
  readonly index: Index;
  readonly term: Term;
}

export interface SegmentHeader {
  readonly sequence: number;
  readonly clusterId: number;
  readonly nodeId: NodeId;
  /**
   * Size with which the file was made. A shorter file was damaged: sizes are durable before the first record.
   */
  readonly segmentBytes: number;
  /** Index of the next appended entry when the segment was begun. */
  readonly firstIndex: Index;
  /** State at the beginning of the segment, so that older segments can be deleted. */
  readonly hardState: HardState;
  readonly snapshot: SnapshotRef;
}

export type WalRecord =
  | { readonly kind: "entry"; readonly entry: Entry }
  | { readonly kind: "hardState"; readonly hardState: HardState }
  | { readonly kind: "truncate"; readonly from: Index }
  /** `reset`: the log did not contain the snapshot's last entry and begins anew behind it. */
  | { readonly kind: "snapshotMark"; readonly snapshot: SnapshotRef; readonly reset: boolean }
  | { readonly kind: "segmentHeader"; readonly header: SegmentHeader };

/** Record as it lies in the file, checked by its own crc but not against the chain. */
export interface RawRecord {
  readonly type: number;
  readonly payload: Uint8Array;
  readonly totalBytes: number;
  readonly crc: number;
  readonly previousCrc: number;
  readonly write: number;
  readonly syncedAfter: boolean;
}

function align8(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** Number of bytes that a record with this much payload occupies. */
export function recordBytes(payloadBytes: number): number {
  return align8(RECORD_HEADER_BYTES + payloadBytes + 1);
}

function lengthWord(bytes: number): number {
  const check = (bytes ^ (bytes >>> 8) ^ (bytes >>> 16) ^ PAD) & 0xff;
  return ((check << 24) | bytes) >>> 0;
}

/** Write number after this one. */
export function nextWrite(write: number): number {
  return (write + 1) >>> 0;
}

/** Whether a record with this write number was written after an fdatasync that followed `write`. */
export function isLaterWrite(later: number, write: number): boolean {
  return ((later - write) | 0) > 0;
}

/** Payload length declared at `offset`; null when the word is no length. */
export function declaredLength(bytes: Uint8Array, offset: number): number | null {
  const word = getUint32(bytes, offset);
  const length = word & MAX_PAYLOAD_BYTES;
  return lengthWord(length) === word ? length : null;
}

const KIND_CODES = { normal: 0, config: 1 } as const;

function numbers(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8);
  values.forEach((value, i) => putUint53(bytes, i * 8, value));
  return bytes;
}

function encodePayload(record: WalRecord): { type: number; head: Uint8Array; data: Uint8Array | null } {
  switch (record.kind) {
    case "entry": {
      const { term, index, kind, data } = record.entry;
      return { type: RecordType.entry, head: numbers([term, index, KIND_CODES[kind]]), data };
    }
    case "hardState": {
      const { term, vote, commit } = record.hardState;
      return { type: RecordType.hardState, head: numbers([term, vote, commit]), data: null };
    }
    case "truncate":
      return { type: RecordType.truncate, head: numbers([record.from]), data: null };
    case "snapshotMark": {
      const { index, term } = record.snapshot;
      return {
        type: RecordType.snapshotMark,
        head: numbers([index, term, record.reset ? 1 : 0]),
        data: null,
      };
    }
    case "segmentHeader": {
      const h = record.header;
      const head = numbers([
        SEGMENT_MAGIC,
        FORMAT_VERSION,
        h.sequence,
        h.clusterId,
        h.nodeId,
        h.segmentBytes,
        h.firstIndex,
        h.hardState.term,
        h.hardState.vote,
        h.hardState.commit,
        h.snapshot.index,
        h.snapshot.term,
      ]);
      return { type: RecordType.segmentHeader, head, data: null };
    }
  }
}

/**
 * Lays out records one after another, complete but for write number, flags, chain and crc: see `sealRecords`.
 */
export function encodeUnsealed(records: readonly WalRecord[]): Uint8Array {
  const parts = records.map(encodePayload);
  let total = 0;
  for (const part of parts) {
    const payload = part.head.length + (part.data?.length ?? 0);
    if (payload > MAX_PAYLOAD_BYTES) {
      throw new RangeError(`record of ${payload} bytes is too large for the log`);
    }
    total += recordBytes(payload);
  }
  const bytes = new Uint8Array(total);
  let offset = 0;
  for (const part of parts) {
    const payload = part.head.length + (part.data?.length ?? 0);
    const end = offset + recordBytes(payload);
    putUint32(bytes, offset, lengthWord(payload));
    bytes[offset + 8] = part.type;
    bytes.set(part.head, offset + RECORD_HEADER_BYTES);
    if (part.data) bytes.set(part.data, offset + RECORD_HEADER_BYTES + part.head.length);
    bytes.fill(PAD, offset + RECORD_HEADER_BYTES + payload, end);
    offset = end;
  }
  return bytes;
}

/** Number of bytes that the unsealed record at `offset` occupies. */
export function unsealedBytes(bytes: Uint8Array, offset: number): number {
  const payload = declaredLength(bytes, offset);
  if (payload === null) throw new Error(`no record at byte ${offset} of a batch`);
  return recordBytes(payload);
}

/**
 * Completes unsealed records in place; returns the crc of the last one. `synced`: an fdatasync follows
 * directly.
 */
export function sealRecords(bytes: Uint8Array, previousCrc: number, write: number, synced: boolean): number {
  let crc = previousCrc;
  for (let offset = 0; offset < bytes.length;) {
    const end = offset + unsealedBytes(bytes, offset);
    bytes[offset + 9] = synced && end === bytes.length ? FLAG_SYNCED_AFTER : 0;
    putUint32(bytes, offset + 12, write);
    putUint32(bytes, offset + 16, crc);
    crc = crc32c(bytes, 0, offset + 8, end);
    putUint32(bytes, offset + 4, crc);
    offset = end;
  }
  return crc;
}

/** Reads the record at `offset`; null when its own crc does not hold. `payload` is a view of `bytes`. */
export function readRaw(bytes: Uint8Array, offset: number): RawRecord | null {
  if (offset + RECORD_HEADER_BYTES > bytes.length) return null;
  const length = declaredLength(bytes, offset);
  if (length === null) return null;
  const totalBytes = recordBytes(length);
  if (offset + totalBytes > bytes.length) return null;
  const crc = getUint32(bytes, offset + 4);
  if (crc32c(bytes, 0, offset + 8, offset + totalBytes) !== crc) return null;
  return {
    type: bytes[offset + 8]!,
    payload: bytes.subarray(offset + RECORD_HEADER_BYTES, offset + RECORD_HEADER_BYTES + length),
    totalBytes,
    crc,
    previousCrc: getUint32(bytes, offset + 16),
    write: getUint32(bytes, offset + 12),
    syncedAfter: (bytes[offset + 9]! & FLAG_SYNCED_AFTER) !== 0,
  };
}

/**
 * Whether only one inverted bit keeps the bytes at `offset` from being a record: then it was written, and has
 * rotted since. A torn write looks like that once in thousands of millions of bits, and is then refused
 * instead of cut.
 */
export function hasOneFlippedBit(bytes: Uint8Array, offset: number): boolean {
  const word = getUint32(bytes, offset);
  const length = declaredLength(bytes, offset);
  const holds = (payloadBytes: number, differences: (crc: number, length: number) => boolean) => {
    const end = offset + recordBytes(payloadBytes);
    if (end > bytes.length) return false;
    const wrong = (crc32c(bytes, 0, offset + 8, end) ^ getUint32(bytes, offset + 4)) >>> 0;
    return differences(wrong, end - offset - 8);
  };
  // The bit is in the checksum itself, or in what it covers.
  if (length !== null) {
    return holds(length, (wrong, covered) => isPowerOfTwo(wrong) || differsByOneBit(wrong, covered));
  }
  for (let bit = 0; bit < 32; bit++) {
    const mended = (word ^ (1 << bit)) >>> 0;
    const before = mended & MAX_PAYLOAD_BYTES;
    if (lengthWord(before) === mended && holds(before, (wrong) => wrong === 0)) return true;
  }
  return false;
}

function isPowerOfTwo(value: number): boolean {
  return value !== 0 && (value & (value - 1)) === 0;
}

/** Decodes a record; null when its type or payload is none of this version. Entry data is copied. */
export function decodeRecord(type: number, payload: Uint8Array): WalRecord | null {
  const at = (i: number) => getUint53(payload, i * 8);
  const length = payload.length;
  if (type === RecordType.entry && length >= 24) {
    const code = at(2);
    if (code !== 0 && code !== 1) return null;
    const kind = code === 0 ? "normal" : "config";
    return { kind: "entry", entry: { term: at(0), index: at(1), kind, data: payload.slice(24) } };
  }
  if (type === RecordType.hardState && length === 24) {
    return { kind: "hardState", hardState: { term: at(0), vote: at(1), commit: at(2) } };
  }
  if (type === RecordType.truncate && length === 8) return { kind: "truncate", from: at(0) };
  if (type === RecordType.snapshotMark && length === 24) {
    return { kind: "snapshotMark", snapshot: { index: at(0), term: at(1) }, reset: at(2) !== 0 };
  }
  if (type === RecordType.segmentHeader && length === SEGMENT_HEADER_PAYLOAD_BYTES) {
    if (at(0) !== SEGMENT_MAGIC || at(1) !== FORMAT_VERSION) return null;
    const header: SegmentHeader = {
      sequence: at(2),
      clusterId: at(3),
      nodeId: at(4),
      segmentBytes: at(5),
      firstIndex: at(6),
      hardState: { term: at(7), vote: at(8), commit: at(9) },
      snapshot: { index: at(10), term: at(11) },
    };
    return { kind: "segmentHeader", header };
  }
  return null;
}

/** Describes a whole record that decodeRecord does not know. */
export function unknownRecord(type: number, payload: Uint8Array): string {
  if (type === RecordType.segmentHeader && payload.length >= 16 && getUint53(payload, 0) === SEGMENT_MAGIC) {
    return `format ${getUint53(payload, 8)}, and this program knows ${FORMAT_VERSION}`;
  }
  const known = Object.values<number>(RecordType).includes(type);
  return known ? `an unknown record of type ${type}` : `a record of the unknown type ${type}`;
}

/** Name of a segment: "00000001.log" for 1. */
export function segmentName(sequence: number): string {
  return `${String(sequence).padStart(8, "0")}.log`;
}

/** Number in a segment's name; null for other files. */
export function segmentSequence(name: string): number | null {
  const match = /^(\d{8,})\.log$/.exec(name);
  return match ? Number(match[1]) : null;
}
