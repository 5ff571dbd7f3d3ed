/**
 * How two members find out that they belong together, before anything else is said. Pure but for the hash functions.
 *
 *   dialer    hello:     magic, version, password used?, cluster, from, to, nonce
 *   acceptor  challenge: nonce                       or a refusal, for its version with those that are spoken here
 *   dialer    proof:     HMAC(key, "dialer"   + hello + challenge)
 *   acceptor  accept:    HMAC(key, "acceptor" + hello + challenge)   or a refusal
 *
 * The MACs cover both nonces, both ids, the cluster and the role, so that none can be replayed or reflected; the dialer
 * proves first, so that a stranger who knows no password gets nothing to guess it from. Without a password the MACs are
 * empty: then only an address that nobody else can reach protects (loopback), or TLS underneath.
 *
 * The version is the dialer's offer and holds for the conversation. It begins with the newest it speaks; refused by one that
 * speaks older ones, it dials again with the newest of those that it speaks as well. Nobody has proved anything by then: who
 * stands in between can bring about an older version, but none that is not spoken here, and no other one than was offered,
 * since the MACs cover the hello.
 *
 * A visitor, which looks for the cluster and does not know its id yet, says NONE for both ids, and in the cluster's place
 * a number that follows from what the operator calls the cluster (visitIdOf); its key is made with that number.
 */
import { createHmac, pbkdf2Sync, timingSafeEqual } from "node:crypto";
import { ByteReader, ByteWriter, DecodeError } from "../core/bytes.ts";
import { type NodeId, NONE } from "../core/types.ts";

const MAGIC = 0x52414654; // "RAFT"
/** What a program answers that names no versions with its refusal. */
const FIRST_VERSION = 1;
const NONCE_BYTES = 32;
const MAC_BYTES = 32;
/** Makes guessing a weak password from a recorded handshake slow; costs each start some 20 ms. */
const KEY_ITERATIONS = 50_000;

const OK = 0;

export const Refusal = {
  version: 1,
  otherCluster: 2,
  unknownMember: 3,
  otherMember: 4,
  sameMember: 5,
  password: 6,
} as const;
export type RefusalCode = (typeof Refusal)[keyof typeof Refusal];

/** Versions of the protocol between members, both ends included. */
export interface VersionRange {
  readonly oldest: number;
  readonly newest: number;
}

/**
 * What this program speaks. With a new version, the one before it stays for at least one release: members are upgraded one
 * after another, and must understand each other meanwhile.
 */
export const VERSIONS: VersionRange = { oldest: FIRST_VERSION, newest: FIRST_VERSION };

const REFUSAL_TEXTS: Readonly<Record<number, string>> = {
  [Refusal.version]: "another version of the protocol",
  [Refusal.otherCluster]: "node of another cluster",
  [Refusal.unknownMember]: "not a member of this cluster",
  [Refusal.otherMember]: "meant for another member: addresses are mixed up",
  [Refusal.sameMember]: "same member twice: another process claims to be this one",
  [Refusal.password]: "wrong password",
};

export function refusalText(code: number): string {
  return REFUSAL_TEXTS[code] ?? `refusal ${code}`;
}

/** Who we are to the others. `key` is null without a password. */
export interface Credentials {
  readonly id: NodeId;
  readonly clusterId: number;
  readonly key: Uint8Array | null;
  /** What visitors say and prove; null: none are let in. @default null */
  readonly visits?: VisitCredentials | null;
  /** @default VERSIONS */
  readonly versions?: VersionRange;
}

export interface VisitCredentials {
  /** See visitIdOf. */
  readonly id: number;
  readonly key: Uint8Array | null;
}

export function keyOf(password: string, clusterId: number): Uint8Array {
  return new Uint8Array(pbkdf2Sync(password, `raft ${clusterId}`, KEY_ITERATIONS, 32, "sha256"));
}

function macOf(
  key: Uint8Array | null,
  role: "dialer" | "acceptor",
  hello: Uint8Array,
  challenge: Uint8Array,
) {
  if (!key) return new Uint8Array(0);
  return new Uint8Array(
    createHmac("sha256", key).update(`raft ${role} `).update(hello).update(challenge).digest(),
  );
}

function macHolds(expected: Uint8Array, got: Uint8Array): boolean {
  return expected.length === got.length && timingSafeEqual(expected, got);
}

/** What to do after a handshake message: `reply` is sent in any case. */
export type Step =
  | { readonly kind: "continue"; readonly reply: Uint8Array }
  | { readonly kind: "open"; readonly peer: NodeId; readonly reply: Uint8Array | null }
  | { readonly kind: "refuse"; readonly text: string; readonly reply: Uint8Array | null };

/** The side that connects. `nonce`: 32 bytes nobody can foresee. `version`: what it offers, by default the newest. */
export class Dialer {
  readonly hello: Uint8Array;
  /** Once refused: the version that would have been taken, and is to be offered next; null: there is none. */
  olderVersion: number | null = null;
  #own: Credentials;
  #peer: NodeId;
  #version: number;
  #challenge: Uint8Array | null = null;

  constructor(own: Credentials, peer: NodeId, nonce: Uint8Array, version: number | null = null) {
    this.#own = own;
    this.#peer = peer;
    this.#version = version ?? (own.versions ?? VERSIONS).newest;
    const writer = new ByteWriter(64);
    writer.u32(MAGIC);
    writer.u16(this.#version);
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
      if (message.length !== 1 + NONCE_BYTES) return { kind: "refuse", text: "a bad challenge", reply: null };
      this.#challenge = message;
      return { kind: "continue", reply: macOf(key, "dialer", this.hello, message) };
    }
    const expected = macOf(key, "acceptor", this.hello, this.#challenge);
    // It has accepted our proof but has none of its own: not a member but somebody in between.
    if (!macHolds(expected, message.subarray(1))) {
      return { kind: "refuse", text: "wrong password", reply: null };
    }
    return { kind: "open", peer: this.#peer, reply: null };
  }

  #refusedVersion(message: Uint8Array): Step {
    const own = this.#own.versions ?? VERSIONS;
    const theirs = decodeVersions(message);
    const common = Math.min(own.newest, theirs.newest);
    // Only ever downwards, so that it ends.
    if (common >= own.oldest && common < this.#version) this.olderVersion = common;
    const text = `${refusalText(Refusal.version)}: it speaks ${describe(theirs)}, this member ${
      describe(own)
    }`;
    return { kind: "refuse", text, reply: null };
  }
}

/** The side that is connected to. */
export class Acceptor {
  #own: Credentials;
  #isMember: (id: NodeId) => boolean;
  #challenge: Uint8Array;
  #hello: { readonly bytes: Uint8Array; readonly from: NodeId; readonly key: Uint8Array | null } | null =
    null;

  constructor(own: Credentials, isMember: (id: NodeId) => boolean, nonce: Uint8Array) {
    this.#own = own;
    this.#isMember = isMember;
    this.#challenge = new Uint8Array(1 + NONCE_BYTES);
    this.#challenge.set(nonce.subarray(0, NONCE_BYTES), 1);
  }

  step(message: Uint8Array): Step {
    if (!this.#hello) return this.#onHello(message);
    const { bytes, from, key } = this.#hello;
    if (!macHolds(macOf(key, "dialer", bytes, this.#challenge), message)) return refuse(Refusal.password);
    const mac = macOf(key, "acceptor", bytes, this.#challenge);
    const accept = new Uint8Array(1 + mac.length);
    accept.set(mac, 1);
    return { kind: "open", peer: from, reply: accept };
  }

  #onHello(message: Uint8Array): Step {
    const own = this.#own;
    const versions = own.versions ?? VERSIONS;
    const hello = decodeHello(message, versions);
    if (!hello) return { kind: "refuse", text: "not a raft member", reply: null };
    if (typeof hello === "number") return refuseVersion(hello, versions);
    if (hello.from === NONE && hello.to === NONE && own.visits) {
      const { id, key } = own.visits;
      if (hello.clusterId !== id) return refuse(Refusal.otherCluster);
      return this.#challengeTo(message, hello, key);
    }
    if (hello.clusterId !== own.clusterId) return refuse(Refusal.otherCluster);
    if (hello.from === own.id) return refuse(Refusal.sameMember);
    if (hello.to !== own.id) return refuse(Refusal.otherMember);
    if (!this.#isMember(hello.from)) return refuse(Refusal.unknownMember);
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

function refuse(code: RefusalCode): Step {
  return { kind: "refuse", text: refusalText(code), reply: new Uint8Array([code]) };
}

/** Code, oldest, newest: members that know of no ranges read the code alone. */
function refuseVersion(offered: number, spoken: VersionRange): Step {
  const writer = new ByteWriter(5);
  writer.u8(Refusal.version);
  writer.u16(spoken.oldest);
  writer.u16(spoken.newest);
  const text = `${refusalText(Refusal.version)}: it offers ${offered}, this member speaks ${
    describe(spoken)
  }`;
  return { kind: "refuse", text, reply: writer.finish() };
}

function decodeVersions(refusal: Uint8Array): VersionRange {
  const reader = new ByteReader(refusal.subarray(1));
  if (reader.remaining < 4) return { oldest: FIRST_VERSION, newest: FIRST_VERSION };
  return { oldest: reader.u16(), newest: reader.u16() };
}

function describe({ oldest, newest }: VersionRange): string {
  return oldest === newest ? String(newest) : `${oldest} to ${newest}`;
}

/** A number: the version that it offers, which is not spoken here. */
function decodeHello(bytes: Uint8Array, { oldest, newest }: VersionRange) {
  try {
    const reader = new ByteReader(bytes);
    if (reader.u32() !== MAGIC) return null;
    // What follows in another version may be anything.
    const version = reader.u16();
    if (version < oldest || version > newest) return version;
    const usesPassword = reader.u8() === 1;
    const hello = {
      usesPassword,
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
