/**
 * Questions of a node that is no member to the members of a cluster it looks for, and their answers. Pure.
 * They travel on connections of visitors (transport/visit.ts), which carry one question and one answer.
 */
import { ByteReader, ByteWriter, DecodeError } from "../core/bytes.ts";
import { MAX_MEMBERS } from "../core/configuration.ts";
import { type NodeId, NONE } from "../core/types.ts";
import type { MemberInfo } from "./raft_options.ts";

const ASK = 1;
const JOIN = 2;
const FOUNDING = 3;
const MEMBER = 4;
const JOINED = 5;
const REFUSED = 6;
/** Code of a final refusal. An older visitor cannot read it, and goes on asking. */
const REFUSED_FOR_GOOD = 7;

const MAX_TEXT_BYTES = 1024;

export type VisitQuestion =
  /** Asks what the member knows of the cluster, and of a member at this address. */
  | { readonly kind: "ask"; readonly addr: string }
  /** Asks to be made a member; only a leader can do that. */
  | { readonly kind: "join"; readonly addr: string; readonly name: string | null; readonly votes: boolean };

/**
 * Member at the visitor's address. "none": there is none. "founder": a first member, which has never taken
 * part. "added": a member that was added and has never taken part. "used": a member that took part with some
 * directory.
 */
export type Seat = "none" | "founder" | "added" | "used";
const SEATS: readonly Seat[] = ["none", "founder", "added", "used"];

export type VisitAnswer =
  /**
   * This node has no log either. `founded`: id that a cluster founded by it will have; `addresses`: its first
   * members.
   */
  | { readonly kind: "founding"; readonly founded: number; readonly addresses: readonly string[] }
  /** This node takes part. `leaderAddr`: null when unknown. */
  | {
    readonly kind: "member";
    readonly clusterId: number;
    readonly founded: number;
    readonly leaderAddr: string | null;
    readonly seat: Seat;
  }
  | {
    readonly kind: "joined";
    readonly clusterId: number;
    readonly founded: number;
    readonly id: NodeId;
    readonly members: readonly MemberInfo[];
  }
  /** Refused for now; `reason` is for people. `final`: for good, as long as the visitor stays as it is. */
  | { readonly kind: "refused"; readonly reason: string; readonly final?: true };

export function encodeQuestion(question: VisitQuestion): Uint8Array {
  const writer = new ByteWriter(128);
  writer.u8(question.kind === "ask" ? ASK : JOIN);
  putText(writer, question.addr);
  if (question.kind === "join") {
    putText(writer, question.name ?? "");
    writer.u8(question.votes ? 1 : 0);
  }
  return writer.finish();
}

/** Decodes a message; null for garbage. */
export function decodeQuestion(bytes: Uint8Array): VisitQuestion | null {
  return decoded(bytes, (reader) => {
    const kind = reader.u8();
    const addr = text(reader);
    if (kind === ASK) return { kind: "ask", addr };
    if (kind !== JOIN) return null;
    const name = text(reader);
    return { kind: "join", addr, name: name === "" ? null : name, votes: reader.u8() === 1 };
  });
}

export function encodeVisitAnswer(answer: VisitAnswer): Uint8Array {
  const writer = new ByteWriter(256);
  if (answer.kind === "founding") {
    writer.u8(FOUNDING);
    writer.count(answer.founded);
    writer.u16(answer.addresses.length);
    for (const address of answer.addresses) putText(writer, address);
  } else if (answer.kind === "member") {
    writer.u8(MEMBER);
    writer.count(answer.clusterId);
    writer.count(answer.founded);
    putText(writer, answer.leaderAddr ?? "");
    writer.u8(SEATS.indexOf(answer.seat));
  } else if (answer.kind === "joined") {
    writer.u8(JOINED);
    writer.count(answer.clusterId);
    writer.count(answer.founded);
    writer.count(answer.id);
    writer.u16(answer.members.length);
    for (const { id, name, addr } of answer.members) {
      writer.count(id);
      putText(writer, name ?? "");
      putText(writer, addr);
    }
  } else {
    writer.u8(answer.final ? REFUSED_FOR_GOOD : REFUSED);
    putText(writer, answer.reason);
  }
  return writer.finish();
}

/** Decodes a message; null for garbage. */
export function decodeVisitAnswer(bytes: Uint8Array): VisitAnswer | null {
  return decoded(bytes, (reader) => {
    const kind = reader.u8();
    if (kind === REFUSED) return { kind: "refused", reason: text(reader) };
    if (kind === REFUSED_FOR_GOOD) return { kind: "refused", reason: text(reader), final: true };
    if (kind === FOUNDING) {
      const founded = reader.count();
      return { kind: "founding", founded, addresses: list(reader, () => text(reader)) };
    }
    if (kind !== MEMBER && kind !== JOINED) return null;
    const clusterId = reader.count();
    const founded = reader.count();
    if (kind === MEMBER) {
      const leaderAddr = text(reader);
      const seat = SEATS[reader.u8()];
      if (seat === undefined) return null;
      return { kind: "member", clusterId, founded, leaderAddr: leaderAddr === "" ? null : leaderAddr, seat };
    }
    const id = reader.count();
    if (id === NONE) return null;
    const members = list(reader, (): MemberInfo => {
      const member = reader.count();
      const name = text(reader);
      return { id: member, name: name === "" ? null : name, addr: text(reader) };
    });
    return { kind: "joined", clusterId, founded, id, members };
  });
}

function decoded<T>(bytes: Uint8Array, read: (reader: ByteReader) => T | null): T | null {
  try {
    const reader = new ByteReader(bytes);
    const value = read(reader);
    reader.end();
    return value;
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}

function list<T>(reader: ByteReader, read: () => T): T[] {
  const count = reader.u16();
  if (count > MAX_MEMBERS) throw new DecodeError(`a list of ${count}`);
  return Array.from({ length: count }, read);
}

function putText(writer: ByteWriter, value: string): void {
  const bytes = new TextEncoder().encode(value).subarray(0, MAX_TEXT_BYTES);
  writer.u16(bytes.length);
  writer.raw(bytes);
}

function text(reader: ByteReader): string {
  const length = reader.u16();
  if (length > MAX_TEXT_BYTES) throw new DecodeError(`a text of ${length} bytes`);
  return new TextDecoder().decode(reader.raw(length));
}
