/**
 * The handshake by which two members find out that they belong together, before anything else is sent. Pure
 * but for the hash functions.
 *
 *   dialer    hello:     magic, version, versions it speaks, password used?, cluster, from, to, nonce
 *   acceptor  challenge: versions it speaks, nonce    or a refusal, for its version with those that are spoken here
 *   dialer    proof:     HMAC(key, "dialer"   + hello + challenge)
 *   acceptor  accept:    HMAC(key, "acceptor" + hello + challenge)   or a refusal
 *
 * The MACs cover both nonces, both ids, the cluster and the role, so that none can be replayed or reflected.
 * The dialer proves first, so that a stranger without the password gets nothing to guess it from. Without a
 * password the MACs are empty: then only an address that nobody else can reach protects (loopback), or TLS
 * underneath.
 *
 * With a password every frame that follows is sealed (frame.ts). The keys, one for each direction, are made
 * of the same secret, the hello and the challenge. Each connection has its own keys, since each side has
 * drawn a nonce for it. So a frame is invalid in the other direction, and on another connection.
 *
 * The version is the dialer's offer and holds for the conversation. The dialer begins with the newest it
 * speaks. When a side that speaks older versions refuses it, the dialer dials again with the newest of those
 * that it speaks as well. Nobody has proved anything by then, so a refusal may come from an attacker in
 * between. Therefore each side says which versions it speaks, and each refuses a conversation in an older
 * version than the newest that both speak. The MACs cover these ranges: an older version cannot be forced
 * upon two members that share a newer one. Version 1, whose frames were not sealed, is not spoken at all.
 *
 * A visitor looks for the cluster and does not know its id yet. It sends NONE for both ids, and in the
 * cluster's place a number that follows from the operator's name for the cluster (visitIdOf); its key is made
 * with that number.
 */
import { createHmac, pbkdf2Sync, timingSafeEqual } from "node:crypto";
import { ByteReader, ByteWriter, DecodeError } from "../core/bytes.ts";
import { type NodeId, NONE } from "../core/types.ts";

const MAGIC = 0x52414654; // "RAFT"
/** Version of a program that names no versions with its refusal. */
const FIRST_VERSION = 1;
/** First version whose frames are sealed. */
const SEALED_VERSION = 2;
const NONCE_BYTES = 32;
const MAC_BYTES = 32;
const CHALLENGE_BYTES = 1 + 4 + NONCE_BYTES;
/**
 * Iterations that make guessing a weak password from a recorded handshake slow; they cost each start some 20
 * ms.
 */
const KEY_ITERATIONS = 50_000;

const OK = 0;

export const Refusal = {
  version: 1,
  otherCluster: 2,
  unknownMember: 3,
  otherMember: 4,
  sameMember: 5,
  password: 6,
  downgrade: 7,
  certificate: 8,
} as const;
export type RefusalCode = (typeof Refusal)[keyof typeof Refusal];

/** Versions of the protocol between members, both ends included. */
export interface VersionRange {
  readonly oldest: number;
  readonly newest: number;
}

/**
 * Versions that this program speaks. With a new version, the one before it stays for at least one release:
 * members are upgraded one after another, and must understand each other meanwhile. The exception is version
 * 1: an attacker in between could make a program that speaks it as well use it, with any password.
 */
export const VERSIONS: VersionRange = { oldest: SEALED_VERSION, newest: SEALED_VERSION };

const REFUSAL_TEXTS: Readonly<Record<number, string>> = {
  [Refusal.version]: "another version of the protocol",
  [Refusal.otherCluster]: "node of another cluster",
  [Refusal.unknownMember]: "not a member of this cluster",
  [Refusal.otherMember]: "meant for another member: addresses are mixed up",
  [Refusal.sameMember]: "same member twice: another process claims to be this one",
  [Refusal.password]: "wrong password",
  [Refusal.downgrade]:
    "an older version of the protocol than both sides speak: an attacker in between may have changed the offer",
  [Refusal.certificate]: "the certificate that was shown is not the one of the member that was named",
};

export function refusalText(code: number): string {
  return REFUSAL_TEXTS[code] ?? `refusal ${code}`;
}

/** A node's identity to the others. `key` is null without a password. */
export interface Credentials {
  readonly id: NodeId;
  readonly clusterId: number;
  readonly key: Uint8Array | null;
  /** Credentials of visitors; null: none are let in. @default null */
  readonly visits?: VisitCredentials | null;
  /** @default VERSIONS */
  readonly versions?: VersionRange;
}

export interface VisitCredentials {
  /** Id that visitors use, see visitIdOf. */
  readonly id: number;
  readonly key: Uint8Array | null;
}

export function keyOf(password: string, clusterId: number): Uint8Array {
  return new Uint8Array(pbkdf2Sync(password, `raft ${clusterId}`, KEY_ITERATIONS, 32, "sha256"));
}

type Role = "dialer" | "acceptor";

function hmac(key: Uint8Array, purpose: string, hello: Uint8Array, challenge: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", key).update(purpose).update(hello).update(challenge).digest());
}

function macOf(key: Uint8Array | null, role: Role, hello: Uint8Array, challenge: Uint8Array): Uint8Array {
  return key ? hmac(key, `raft ${role} `, hello, challenge) : new Uint8Array(0);
}

/** Keys of the frames that each side sends; null without a password: they are not sealed. */
export interface SessionKeys {
  readonly dialer: Uint8Array;
  readonly acceptor: Uint8Array;
}

function sessionKeys(
  key: Uint8Array | null,
  hello: Uint8Array,
  challenge: Uint8Array,
): SessionKeys | null {
  if (!key) return null;
  const keyOfFrames = (role: Role) => hmac(key, `raft frames of the ${role} `, hello, challenge);
  return { dialer: keyOfFrames("dialer"), acceptor: keyOfFrames("acceptor") };
}

function macHolds(expected: Uint8Array, got: Uint8Array): boolean {
  return expected.length === got.length && timingSafeEqual(expected, got);
}

/** Next step after a handshake message; `reply` is sent in any case. */
export type Step =
  | { readonly kind: "continue"; readonly reply: Uint8Array }
  | {
    readonly kind: "open";
    readonly peer: NodeId;
    readonly keys: SessionKeys | null;
    readonly reply: Uint8Array | null;
  }
  | { readonly kind: "refuse"; readonly text: string; readonly reply: Uint8Array | null };

/**
 * The side that connects. `nonce`: 32 bytes that nobody can foresee. `version`: the offered version, by
 * default the newest.
 */
export class Dialer {
  readonly hello: Uint8Array;
  /** After a refusal: the version that would have been taken, and is offered next; null: there is none. */
  olderVersion: number | null = null;
  #own: Credentials;
  #peer: NodeId;
  #version: number;
  #challenge: Uint8Array | null = null;

  constructor(own: Credentials, peer: NodeId, nonce: Uint8Array, version: number | null = null) {
    this.#own = own;
    this.#peer = peer;
    const versions = own.versions ?? VERSIONS;
    this.#version = version ?? versions.newest;
    const writer = new ByteWriter(64);
    writer.u32(MAGIC);
    writer.u16(this.#version);
    putVersions(writer, versions);
    writer.u8(own.key ? 1 : 0);
    writer.count(own.clusterId);
    writer.count(own.id);
    writer.count(peer);
    writer.raw(nonce.subarray(0, NONCE_BYTES));
    this.hello = writer.finish();
  }

  step(message: Uint8Array): Step {
    const [status] = message;
    if (status === undefined) return { kind: "refuse", text: "an empty handshake message", reply: null };
    if (status === Refusal.version) return this.#refusedVersion(message);
    if (status !== OK) return { kind: "refuse", text: refusalText(status), reply: null };
    const { key } = this.#own;
    if (!this.#challenge) {
      const theirs = decodeChallenge(message);
      if (!theirs) return { kind: "refuse", text: "a bad challenge", reply: null };
      if (newestOfBoth(this.#own.versions ?? VERSIONS, theirs) !== this.#version) {
        return { kind: "refuse", text: refusalText(Refusal.downgrade), reply: null };
      }
      this.#challenge = message;
      return { kind: "continue", reply: macOf(key, "dialer", this.hello, message) };
    }
    const expected = macOf(key, "acceptor", this.hello, this.#challenge);
    // The other side has accepted this node's proof but has none of its own: it is no member but an attacker
    // in between.
    if (!macHolds(expected, message.subarray(1))) {
      return { kind: "refuse", text: "wrong password", reply: null };
    }
    const keys = sessionKeys(key, this.hello, this.#challenge);
    return { kind: "open", peer: this.#peer, keys, reply: null };
  }

  #refusedVersion(message: Uint8Array): Step {
    const own = this.#own.versions ?? VERSIONS;
    const theirs = decodeVersions(message);
    const common = newestOfBoth(own, theirs);
    // Versions only go down, so the dialing ends.
    if (common >= own.oldest && common < this.#version) this.olderVersion = common;
    const text = `${refusalText(Refusal.version)}: it speaks ${describe(theirs)}, this member ${
      describe(own)
    }`;
    return { kind: "refuse", text, reply: null };
  }
}

/** Objection to a member that is not let in. */
export interface Objection {
  readonly code: RefusalCode;
  /** Text for people on this side; the other side learns the code. @default the text of the code */
  readonly text?: string;
}

/** The side that accepts. `objection`: to this member at the other end; null: there is none. */
export class Acceptor {
  #own: Credentials;
  #objection: (id: NodeId) => Objection | null;
  #challenge: Uint8Array;
  #hello: { readonly bytes: Uint8Array; readonly from: NodeId; readonly key: Uint8Array | null } | null =
    null;

  constructor(own: Credentials, objection: (id: NodeId) => Objection | null, nonce: Uint8Array) {
    this.#own = own;
    this.#objection = objection;
    const writer = new ByteWriter(CHALLENGE_BYTES);
    writer.u8(OK);
    putVersions(writer, own.versions ?? VERSIONS);
    writer.raw(nonce.subarray(0, NONCE_BYTES));
    this.#challenge = writer.finish();
  }

  step(message: Uint8Array): Step {
    if (!this.#hello) return this.#onHello(message);
    const { bytes, from, key } = this.#hello;
    if (!macHolds(macOf(key, "dialer", bytes, this.#challenge), message)) return refuse(Refusal.password);
    const mac = macOf(key, "acceptor", bytes, this.#challenge);
    const accept = new Uint8Array(1 + mac.length);
    accept.set(mac, 1);
    return { kind: "open", peer: from, keys: sessionKeys(key, bytes, this.#challenge), reply: accept };
  }

  #onHello(message: Uint8Array): Step {
    const own = this.#own;
    const versions = own.versions ?? VERSIONS;
    const hello = decodeHello(message, versions);
    if (!hello) return { kind: "refuse", text: "not a raft member", reply: null };
    if (typeof hello === "number") return refuseVersion(hello, versions);
    if (newestOfBoth(versions, hello.versions) !== hello.version) return refuse(Refusal.downgrade);
    if (hello.from === NONE && hello.to === NONE && own.visits) {
      const { id, key } = own.visits;
      if (hello.clusterId !== id) return refuse(Refusal.otherCluster);
      return this.#challengeTo(message, hello, key);
    }
    if (hello.clusterId !== own.clusterId) return refuse(Refusal.otherCluster);
    if (hello.from === own.id) return refuse(Refusal.sameMember);
    if (hello.to !== own.id) return refuse(Refusal.otherMember);
    const objection = this.#objection(hello.from);
    if (objection) return refuse(objection.code, objection.text);
    return this.#challengeTo(message, hello, own.key);
  }

  #challengeTo(
    bytes: Uint8Array,
    { from, usesPassword }: { readonly from: NodeId; readonly usesPassword: boolean },
    key: Uint8Array | null,
  ): Step {
    if (usesPassword !== (key !== null)) return refuse(Refusal.password);
    this.#hello = { bytes, from, key };
    return { kind: "continue", reply: this.#challenge };
  }
}

function refuse(code: RefusalCode, text = refusalText(code)): Step {
  return { kind: "refuse", text, reply: new Uint8Array([code]) };
}

/** Refuses a version: code, oldest, newest. Members that know of no ranges read the code alone. */
function refuseVersion(offered: number, spoken: VersionRange): Step {
  const writer = new ByteWriter(5);
  writer.u8(Refusal.version);
  putVersions(writer, spoken);
  const text = `${refusalText(Refusal.version)}: it offers ${offered}, this member speaks ${
    describe(spoken)
  }`;
  return { kind: "refuse", text, reply: writer.finish() };
}

function decodeVersions(refusal: Uint8Array): VersionRange {
  const reader = new ByteReader(refusal.subarray(1));
  if (reader.remaining < 4) return { oldest: FIRST_VERSION, newest: FIRST_VERSION };
  return readVersions(reader);
}

function putVersions(writer: ByteWriter, { oldest, newest }: VersionRange): void {
  writer.u16(oldest);
  writer.u16(newest);
}

function readVersions(reader: ByteReader): VersionRange {
  return { oldest: reader.u16(), newest: reader.u16() };
}

function newestOfBoth(one: VersionRange, other: VersionRange): number {
  return Math.min(one.newest, other.newest);
}

/** Versions of the acceptor; null when the message is no challenge. */
function decodeChallenge(message: Uint8Array): VersionRange | null {
  return message.length === CHALLENGE_BYTES ? readVersions(new ByteReader(message.subarray(1))) : null;
}

function describe({ oldest, newest }: VersionRange): string {
  return oldest === newest ? String(newest) : `${oldest} to ${newest}`;
}

/** Decodes a hello. A number: the version that it offers, which is not spoken here. */
function decodeHello(bytes: Uint8Array, { oldest, newest }: VersionRange) {
  try {
    const reader = new ByteReader(bytes);
    if (reader.u32() !== MAGIC) return null;
    // In another version, anything may follow.
    const version = reader.u16();
    if (version < oldest || version > newest) return version;
    const hello = {
      version,
      versions: readVersions(reader),
      usesPassword: reader.u8() === 1,
      clusterId: reader.count(),
      from: reader.count(),
      to: reader.count(),
    };
    reader.raw(NONCE_BYTES);
    reader.end();
    return hello;
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}

export { MAC_BYTES, NONCE_BYTES };
