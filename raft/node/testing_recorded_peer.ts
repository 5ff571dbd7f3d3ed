/**
 * For tests of upgrades: a member of protocol version 2 that replays, over a real socket, what such a member
 * was recorded sending. It uses none of this program's codecs. In a recorded message it replaces the named
 * fields only, and it computes only what has to be computed (checksums of frames, proofs of the password,
 * keys).
 */
import { createHmac, pbkdf2Sync } from "node:crypto";
import * as net from "node:net";
import { crc32c } from "../storage/crc32c.ts";

export const RECORDED_CLUSTER = 4711;
export const RECORDED_PASSWORD = "secret";
/** The member that recorded member 1 spoke to, and the other way round. */
const OTHER: Readonly<Record<number, number>> = { 1: 2, 2: 1 };

/** Messages of member 1 to member 2; fields are replaced where the sender is member 2. */
const RECORDED = {
  hello:
    "5241465400020002000201000000000000126700000000000000010000000000000002010101010101010101010101010101" +
    "0101010101010101010101010101010101",
  challenge: "00000200020202020202020202020202020202020202020202020202020202020202020202",
  versionRefused: "0100020002",
  /** Hello of version 1, which is no longer spoken. */
  firstHello:
    "5241465400010100000000000012670000000000000001000000000000000201010101010101010101010101010101010101" +
    "01010101010101010101010101",
  firstRefusal: "01",
  /** Hello without a version of commands: the first programs sent none. */
  emptyDirectory: "010000000000001267000000000000004d01",
  noLog: "020000000000001267000000000000004e000000000000000000",
  preVote:
    "0100000000000000000100000000000000020000000000000001000000000000000000000000000000000000000000000000" +
    "0000000000000000000000000000",
  preVoteResponse:
    "0200000000000000000100000000000000020000000000000001000000000000000000000000000000000000000000000000" +
    "0000000000000000000000000000",
  vote:
    "0300000000000000000100000000000000020000000000000001000000000000000000000000000000000000000000000000" +
    "0000000000000000000000000000",
  voteResponse:
    "0400000000000000000100000000000000020000000000000001000000000000000000000000000000000000000000000000" +
    "0000000000000000000000000000",
  appendNothing:
    "0500000000000000000100000000000000020000000000000001000000000000000000000000000000000000000000000000" +
    "0000000000000000000000000001000000000000000100000000000000010000000000",
  appendCommand:
    "0500000000000000000100000000000000020000000000000001000000000000000100000000000000030000000000000003" +
    "00000000000000000000000000010000000000000001000000000000000400000000220100000000000000020000c7a435f7" +
    "8fea0000000000000001000000000000000161",
  appendResponse:
    "0600000000000000000100000000000000020000000000000001000000000000000000000000000000010000000000000000" +
    "0000000000000000000000000000",
  heartbeat:
    "0700000000000000000100000000000000020000000000000001000000000000000000000000000000000000000000000003" +
    "0000000000000000000000000000",
  heartbeatResponse:
    "0800000000000000000100000000000000020000000000000001000000000000000000000000000000000000000000000000" +
    "0000000000000000000000000000",
  /** Answer to a heartbeat that confirms a read. */
  readResponse:
    "0800000000000000000100000000000000020000000000000001000000000000000000000000000000000000000000000000" +
    "00000000000000000008000000000000000100000000",
  propose:
    "0b00000000000000000100000000000000020000000000000000000000000000000000000000000000000000000000000000" +
    "0000000000000000000000000001000000000000000000000000000000000000000022010000000000000001000005c49851" +
    "85b90000000000000001000000000000000162",
} as const;
type RecordedName = keyof typeof RECORDED;

const HELLO_FIELDS = { from: 19, to: 27 };
const FIRST_HELLO_FIELDS = { from: 15, to: 23 };
/** Offset behind the version and the range of versions that a later member speaks. */
const HELLO_REST_AT = 10;
const HELLO_NONCE_AT = 35;
const ADMISSION_FIELDS = { instance: 9 };
const VERDICT_AT = 17;
const MESSAGE_FIELDS = {
  from: 2,
  to: 10,
  term: 18,
  logTerm: 26,
  index: 34,
  commit: 42,
  context: 60,
  entryTerm: 64,
  entryIndex: 72,
};
const ENTRY_LENGTH_AT = 81;
const ENTRY_DATA_AT = 85;

const PLAIN_HEADER_BYTES = 12;
const SEALED_HEADER_BYTES = 24;
const KIND = { data: 0, handshake: 2 } as const;
const RAFT = 0;
const ADMISSION = 255;

function bytesOf(name: RecordedName): Buffer {
  return Buffer.from(RECORDED[name], "hex");
}

/** Replaces fields, eight bytes each, big-endian. */
function replaced(
  bytes: Buffer,
  at: Readonly<Record<string, number>>,
  fields: Readonly<Record<string, number>>,
) {
  for (const [name, value] of Object.entries(fields)) bytes.writeBigUInt64BE(BigInt(value), at[name]!);
  return bytes;
}

function fieldOf(bytes: Buffer, name: keyof typeof MESSAGE_FIELDS): number {
  return Number(bytes.readBigUInt64BE(MESSAGE_FIELDS[name]));
}

function framed(kind: number, channel: number, payload: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(12 + payload.length);
  frame.set([1, kind, channel, 0]);
  frame.writeUInt32LE(payload.length, 4);
  frame.set(payload, 12);
  frame.writeUInt32LE(crc32c(payload, crc32c(frame, 0, 0, 8)), 8);
  return frame;
}

/** Makes a frame after the handshake, the `number`th in its direction. */
function sealed(key: Uint8Array, number: number, kind: number, channel: number, payload: Uint8Array) {
  const frame = Buffer.alloc(SEALED_HEADER_BYTES + payload.length);
  frame.set([2, kind, channel, 0]);
  frame.writeUInt32LE(payload.length, 4);
  frame.set(payload, SEALED_HEADER_BYTES);
  const numbered = Buffer.alloc(8);
  numbered.writeBigUInt64LE(BigInt(number));
  const mac = createHmac("sha256", key).update(numbered).update(frame.subarray(0, 8)).update(payload)
    .digest();
  frame.set(mac.subarray(0, 16), 8);
  return frame;
}

/** Begins a conversation of version 1, which is answered by a refusal; `refused` gets its payload. */
export function dialAsFirstVersion(id: number, port: number, refused: (payload: Buffer) => void): net.Socket {
  const socket = net.connect(port, "127.0.0.1");
  const ends = { from: id, to: OTHER[id]! };
  socket.on("error", () => {});
  socket.on("data", (chunk) => refused((chunk as Buffer).subarray(PLAIN_HEADER_BYTES)));
  socket.write(framed(KIND.handshake, 0, replaced(bytesOf("firstHello"), FIRST_HELLO_FIELDS, ends)));
  return socket;
}

/** Member `id` of a cluster of two. `first`: it speaks version 1, and refuses every later one. */
export class RecordedPeer {
  /** Whether it is to lead itself. */
  campaigns = false;
  /** Types of the node's raft messages, in order. */
  readonly heard: number[] = [];
  /** Last raft message of each type. */
  readonly last = new Map<number, Buffer>();
  /** Versions of the hellos that it has seen, refused ones included. */
  readonly offered: number[] = [];
  /** Verdicts on its empty directory; 0: nobody has a log. */
  readonly verdicts: number[] = [];
  readonly #id: number;
  readonly #key = pbkdf2Sync(RECORDED_PASSWORD, `raft ${RECORDED_CLUSTER}`, 50_000, 32, "sha256");
  #server: net.Server | null = null;
  #socket: net.Socket | null = null;
  /** Key of its own frames; null before the handshake is done. */
  #frameKey: Uint8Array | null = null;
  #sent = 0;
  readonly #first: boolean;

  constructor(id: number, first = false) {
    this.#id = id;
    this.#first = first;
  }

  /** Waits to be dialed. */
  async listen(port: number): Promise<void> {
    const server = net.createServer((socket) => this.#accept(socket));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  }

  /** Dials the node, and says that its directory is empty. */
  dial(port: number): void {
    const socket = net.connect(port, "127.0.0.1");
    const hello = replaced(bytesOf("hello"), HELLO_FIELDS, this.#ends);
    let challenge: Buffer | null = null;
    this.#read(socket, (payload) => {
      if (payload[0] !== 0) return;
      if (challenge === null) {
        challenge = payload;
        return void socket.write(framed(KIND.handshake, 0, this.#hmac("raft dialer ", hello, payload)));
      }
      if (!this.#hmac("raft acceptor ", hello, challenge).equals(payload.subarray(1))) return;
      this.#begin(socket, this.#hmac("raft frames of the dialer ", hello, challenge));
    });
    socket.on("error", () => {});
    socket.on("connect", () => socket.write(framed(KIND.handshake, 0, hello)));
  }

  close(): void {
    this.#server?.close();
    this.#socket?.destroy();
  }

  /** Sends the message recorded under a name, with these fields, and with this command in its entry. */
  say(
    name: RecordedName,
    fields: Readonly<Record<string, number>> = {},
    data: Buffer | null = null,
  ): void {
    let bytes = replaced(bytesOf(name), MESSAGE_FIELDS, { ...this.#ends, ...fields });
    if (data !== null) {
      bytes = Buffer.concat([bytes.subarray(0, ENTRY_DATA_AT), data]);
      bytes.writeUInt32BE(data.length, ENTRY_LENGTH_AT);
    }
    this.#send(RAFT, bytes);
  }

  /** Sends any bytes on a channel. */
  sayBytes(channel: number, bytes: Uint8Array): void {
    this.#send(channel, bytes);
  }

  /** First entry of the last message of this type. */
  entryOf(type: number): Buffer {
    const message = this.last.get(type)!;
    return message.subarray(ENTRY_DATA_AT, ENTRY_DATA_AT + message.readUInt32BE(ENTRY_LENGTH_AT));
  }

  get #ends() {
    return { from: this.#id, to: OTHER[this.#id]! };
  }

  #send(channel: number, payload: Uint8Array): void {
    if (this.#frameKey) {
      this.#socket!.write(sealed(this.#frameKey, this.#sent++, KIND.data, channel, payload));
    }
  }

  #hmac(purpose: string, hello: Uint8Array, challenge: Uint8Array): Buffer {
    return createHmac("sha256", this.#key).update(purpose).update(hello).update(challenge).digest();
  }

  #accept(socket: net.Socket): void {
    const challenge = bytesOf("challenge");
    let hello: Buffer | null = null;
    socket.on("error", () => {});
    this.#read(socket, (payload) => {
      if (hello === null) {
        this.offered.push(payload.readUInt16BE(4));
        const refusal = this.#refusal(payload);
        if (refusal) return void socket.end(framed(KIND.handshake, 0, refusal));
        hello = payload;
        return void socket.write(framed(KIND.handshake, 0, challenge));
      }
      if (!this.#hmac("raft dialer ", hello, challenge).equals(payload)) return;
      const accept = Buffer.concat([Buffer.from([0]), this.#hmac("raft acceptor ", hello, challenge)]);
      socket.write(framed(KIND.handshake, 0, accept));
      this.#begin(socket, this.#hmac("raft frames of the acceptor ", hello, challenge));
    });
  }

  /** Refuses a hello, knowing all but the nonce: cluster, sender and receiver, and its own version. */
  #refusal(hello: Buffer): Buffer | null {
    if (this.#first) return bytesOf("firstRefusal");
    const ends = { from: OTHER[this.#id]!, to: this.#id };
    const known = replaced(bytesOf("hello"), HELLO_FIELDS, ends);
    const parts = (bytes: Buffer) =>
      Buffer.concat([bytes.subarray(0, 6), bytes.subarray(HELLO_REST_AT, HELLO_NONCE_AT)]);
    return parts(known).equals(parts(hello)) ? null : bytesOf("versionRefused");
  }

  #begin(socket: net.Socket, frameKey: Uint8Array): void {
    this.#socket = socket;
    this.#frameKey = frameKey;
    this.#send(ADMISSION, bytesOf("emptyDirectory"));
  }

  #read(socket: net.Socket, handshake: (payload: Buffer) => void): void {
    let rest = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      rest = Buffer.concat([rest, chunk as Buffer]);
      for (;;) {
        const [version, kind, channel] = rest;
        const begin = version === 2 ? SEALED_HEADER_BYTES : PLAIN_HEADER_BYTES;
        if (rest.length < begin || rest.length < begin + rest.readUInt32LE(4)) return;
        const payload = rest.subarray(begin, begin + rest.readUInt32LE(4));
        rest = rest.subarray(begin + payload.length);
        if (kind === KIND.handshake) handshake(payload);
        else if (kind === KIND.data) this.#answer(channel!, payload);
      }
    });
  }

  /**
   * Answers as the recorded member did: every question with yes, every entry with an acknowledgement. One
   * that is to lead answers no pre-vote.
   */
  #answer(channel: number, payload: Buffer): void {
    const [type, flags] = payload;
    if (channel === ADMISSION && type === 1) {
      const instance = Number(payload.readBigUInt64BE(ADMISSION_FIELDS.instance));
      return this.#send(ADMISSION, replaced(bytesOf("noLog"), ADMISSION_FIELDS, { instance }));
    }
    if (channel === ADMISSION && type === 2) this.verdicts.push(payload[VERDICT_AT]!);
    if (channel !== RAFT) return;
    this.heard.push(type!);
    this.last.set(type!, payload);
    const term = fieldOf(payload, "term");
    if (flags !== 0) return;
    if (type === 1 && !this.campaigns) this.say("preVoteResponse", { term });
    else if (type === 3) this.say("voteResponse", { term });
    else if (type === 5) {
      this.say("appendResponse", { term, index: fieldOf(payload, "index") + payload.readUInt32BE(60) });
    } else if (type === 7 && payload.readUInt16BE(58) === 0) this.say("heartbeatResponse", { term });
    else if (type === 7) this.say("readResponse", { term, context: fieldOf(payload, "context") });
  }
}
