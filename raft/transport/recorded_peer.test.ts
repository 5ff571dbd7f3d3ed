/**
 * Recorded messages of a peer of protocol version 2: members of earlier releases still send and expect these
 * bytes. A change that breaks them breaks upgrading one member after another; make a new version instead.
 */
import { expect, test } from "bun:test";
import { decodeMessage, encodeMessage, isTermless, makeMessage, numberContext } from "../core/message.ts";
import type { Message, MessageType } from "../core/types.ts";
import { decodeAdmission, encodeAdmission } from "../node/admission_messages.ts";
import { decodeEnvelope, encodeEnvelope } from "../node/envelope.ts";
import { encodeFrame, FrameKind, FrameReader, sealFrame } from "./frame.ts";
import { FrameMac } from "./frame_mac.ts";
import { Acceptor, Dialer, keyOf, Refusal, refusalText } from "./handshake.ts";

const CLUSTER = 4711;
const KEY = keyOf("secret", CLUSTER);
const DIALER_NONCE = new Uint8Array(32).fill(1);
const ACCEPTOR_NONCE = new Uint8Array(32).fill(2);
const APPEND: Message = {
  type: "append",
  from: 1,
  to: 2,
  term: 5,
  logTerm: 4,
  index: 9,
  commit: 8,
  entries: [
    { term: 5, index: 10, kind: "normal", data: new Uint8Array(0) },
    { term: 5, index: 11, kind: "normal", data: new Uint8Array([1, 2, 3]) },
  ],
  reject: false,
  rejectHint: 0,
  snapshot: null,
  context: new Uint8Array(0),
};
const SNAPSHOT: Message = {
  ...APPEND,
  type: "snapshot",
  entries: [],
  snapshot: {
    index: 9,
    term: 5,
    configuration: { voters: [1, 2], learners: [3] },
    data: new Uint8Array([7]),
  },
};
const HELLO = { kind: "hello", instance: 77, empty: true, version: 1, pieces: false } as const;
const COMMAND = {
  kind: "command",
  origin: 1,
  incarnation: 2,
  seq: 3,
  floor: 1,
  command: new TextEncoder().encode('{"v":1}'),
} as const;

const RECORDED = {
  hello:
    "5241465400020002000201000000000000126700000000000000010000000000000002010101010101010101010101010101" +
    "0101010101010101010101010101010101",
  challenge: "00000200020202020202020202020202020202020202020202020202020202020202020202",
  proof: "f430ffdab5e38e26d106db66321f1dd1ecd56814200d9e7d7d1019936180801b",
  accept: "003d056fc17981cb1bce91b0acf45fb47e079684fc1bfa291c82c3164f7963f5c4",
  dialerKey: "6d18845163d5e08c1c4e73032150eb6c9fcae30e7d96ee2157ed72826c41d2c4",
  acceptorKey: "8645ee617c9f39071d16a1189c4627b4e8ec89cecd434d18e3a0d256879e8dfe",
  append:
    "0500000000000000000100000000000000020000000000000005000000000000000400000000000000090000000000000008" +
    "00000000000000000000000000020000000000000005000000000000000a0000000000000000000000000500000000000000" +
    "0b0000000003010203",
  snapshot:
    "0902000000000000000100000000000000020000000000000005000000000000000400000000000000090000000000000008" +
    "0000000000000000000000000000000000000000000900000000000000050000001d01000200000000000000010000000000" +
    "000002000100000000000000030000000107",
  admission: "010000000000001267000000000000004d01",
  command: "0100000000000000010000000000000002000000000000000300000000000000017b2276223a317d",
  frame: "0100030003000000a033c448090807",
  /** First two sealed frames of a dialer. */
  sealed: "0200030003000000fd30182428c5074ceac21367da0eaaba090807",
  sealedPing: "020100000000000052e21742f25ceee56551f8b524db2894",
};

/** First bytes of each type of message: its number, and whether it rejects. */
const BEGINNINGS: Readonly<Record<Exclude<MessageType, "append" | "snapshot">, string>> = {
  preVote: "0100",
  preVoteResponse: "0201",
  vote: "0300",
  voteResponse: "0401",
  appendResponse: "0601",
  heartbeat: "0700",
  heartbeatResponse: "0801",
  timeoutNow: "0a00",
  propose: "0b00",
  transferLeader: "0c00",
  readIndex: "0d00",
  readIndexResponse: "0e01",
};
/** Message from 1 to 2 in term 5: log term 4, index 9, commit 8, hint 3, context 6. */
const WITH_TERM =
  "0000000000000001000000000000000200000000000000050000000000000004000000000000000900000000000000080000000000" +
  "0000030008000000000000000600000000";
/** The same message outside any term. */
const TERMLESS = WITH_TERM.replace("0000000000000005", "0000000000000000");
/** The same message with one entry of nine bytes: term 0, index 0. */
const PROPOSED = TERMLESS.slice(0, -8) + "0000000100000000000000000000000000000000000000000109";

/** Dialers that 2 does not let in: the change of the recorded hello, and the byte that answers. */
const REFUSED = [
  [
    "another version of the protocol",
    (hello: string) => hello.replace(/^524146540002/, "524146540003"),
    "01",
  ],
  [
    "another version of the protocol",
    (hello: string) => `${hello.replace(/^524146540002/, "524146540001")}07`,
    "01",
  ],
  ["node of another cluster", (hello: string) => hello.replace("1267", "1268"), "02"],
  [
    "not a member of this cluster",
    (hello: string) => hello.replace("0000000000000001", "0000000000000009"),
    "03",
  ],
  [
    "meant for another member",
    (hello: string) => hello.replace("0000000000000002", "0000000000000003"),
    "04",
  ],
  ["same member twice", (hello: string) => hello.replace("0000000000000001", "0000000000000002"), "05"],
  [
    "wrong password",
    (hello: string) => hello.replace(/^5241465400020002000201/, "5241465400020002000200"),
    "06",
  ],
  [
    "an older version of the protocol",
    (hello: string) => hello.replace(/^524146540002/, "524146540003"),
    "07",
    { oldest: 2, newest: 3 },
  ],
] as const;

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, "hex"));

test("a recorded dialer and a recorded acceptor pass the handshake", () => {
  const acceptor = new Acceptor({ id: 2, clusterId: CLUSTER, key: KEY }, () => null, ACCEPTOR_NONCE);
  const challenged = acceptor.step(bytesOf(RECORDED.hello));
  expect(hex(challenged.reply!)).toBe(RECORDED.challenge);
  const opened = acceptor.step(bytesOf(RECORDED.proof));
  expect(hex(opened.reply!)).toBe(RECORDED.accept);
  const keys = { dialer: bytesOf(RECORDED.dialerKey), acceptor: bytesOf(RECORDED.acceptorKey) };
  expect(opened).toMatchObject({ kind: "open", peer: 1, keys });

  const dialer = new Dialer({ id: 1, clusterId: CLUSTER, key: KEY }, 2, DIALER_NONCE);
  expect(hex(dialer.hello)).toBe(RECORDED.hello);
  expect(hex(dialer.step(bytesOf(RECORDED.challenge)).reply!)).toBe(RECORDED.proof);
  expect(dialer.step(bytesOf(RECORDED.accept))).toMatchObject({ kind: "open", peer: 2, keys });
});

test("recorded messages mean what they meant, and are still sent alike", () => {
  expect(decodeMessage(bytesOf(RECORDED.append))).toEqual(APPEND);
  expect(decodeMessage(bytesOf(RECORDED.snapshot))).toEqual(SNAPSHOT);
  expect(decodeAdmission(CLUSTER, bytesOf(RECORDED.admission))).toEqual(HELLO);
  expect(decodeEnvelope(bytesOf(RECORDED.command))).toEqual(COMMAND);
  expect(hex(encodeMessage(APPEND))).toBe(RECORDED.append);
  expect(hex(encodeMessage(SNAPSHOT))).toBe(RECORDED.snapshot);
  // A later hello holds more, behind what earlier members read.
  expect(hex(encodeAdmission(CLUSTER, HELLO))).toBe(`${RECORDED.admission}000100`);
  expect(hex(encodeEnvelope(COMMAND))).toBe(RECORDED.command);
});

test("recorded refusals are given for the recorded reasons, and understood", () => {
  for (const [why, change, code, versions] of REFUSED) {
    const hello = change(RECORDED.hello);
    expect(hello).not.toBe(RECORDED.hello);
    const own = { id: 2, clusterId: CLUSTER, key: KEY, versions };
    const acceptor = new Acceptor(
      own,
      (id) => id === 1 ? null : { code: Refusal.unknownMember },
      ACCEPTOR_NONCE,
    );
    const step = acceptor.step(bytesOf(hello));
    // The spoken versions stand behind the code for the version; members of version 1 do not read them.
    expect([why, step.kind, hex(step.reply!)])
      .toEqual([why, "refuse", code === "01" ? "0100020002" : code]);
    expect(refusalText(bytesOf(code)[0]!)).toContain(why);
    const dialer = new Dialer({ id: 1, clusterId: CLUSTER, key: KEY }, 2, DIALER_NONCE);
    const refused = dialer.step(bytesOf(code));
    expect(refused.kind === "refuse" && refused.text).toStartWith(refusalText(bytesOf(code)[0]!));
  }
});

for (const [name, beginning] of Object.entries(BEGINNINGS)) {
  test(`a recorded ${name} means what it meant, and is still sent alike`, () => {
    const type = name as MessageType;
    const message = makeMessage({
      type,
      from: 1,
      to: 2,
      term: isTermless(type) ? 0 : 5,
      logTerm: 4,
      index: 9,
      commit: 8,
      reject: beginning.endsWith("01"),
      rejectHint: 3,
      context: numberContext(6),
      entries: type === "propose" ? [{ term: 0, index: 0, kind: "normal", data: new Uint8Array([9]) }] : [],
    });
    const recorded = beginning + (type === "propose" ? PROPOSED : isTermless(type) ? TERMLESS : WITH_TERM);
    expect(decodeMessage(bytesOf(recorded))).toEqual(message);
    expect(hex(encodeMessage(message))).toBe(recorded);
  });
}

test("a recorded ping is read, and still sent alike", () => {
  const recorded = "010100000000000065e317ad";
  const reader = new FrameReader();
  reader.open(null);
  const kinds: number[] = [];
  reader.push(bytesOf(recorded), ({ kind }) => kinds.push(kind) > 0);
  expect(kinds).toEqual([FrameKind.ping]);
  expect(hex(encodeFrame(FrameKind.ping, 0, new Uint8Array(0)))).toBe(recorded);
});

test("recorded sealed frames are read, and still sent alike", () => {
  const reader = new FrameReader();
  reader.open(new FrameMac(bytesOf(RECORDED.dialerKey)));
  const got: [number, number, string][] = [];
  const stream = bytesOf(RECORDED.sealed + RECORDED.sealedPing);
  reader.push(stream, ({ kind, channel, payload }) => got.push([kind, channel, hex(payload)]) > 0);
  expect(got).toEqual([[FrameKind.data, 3, "090807"], [FrameKind.ping, 0, ""]]);
  const mac = new FrameMac(bytesOf(RECORDED.dialerKey));
  expect(hex(sealFrame(mac, FrameKind.data, 3, bytesOf("090807")))).toBe(RECORDED.sealed);
  expect(hex(sealFrame(mac, FrameKind.ping, 0, new Uint8Array(0)))).toBe(RECORDED.sealedPing);
});

test("a recorded frame is read, and what a later version may send is no error", () => {
  const reader = new FrameReader();
  reader.open(null);
  const channels: number[] = [];
  const later = encodeFrame(FrameKind.data, 200, new Uint8Array([1]));
  reader.push(Buffer.concat([bytesOf(RECORDED.frame), later]), ({ channel }) => {
    channels.push(channel);
    return true;
  });
  expect(channels).toEqual([3, 200]);
  expect(decodeAdmission(CLUSTER, new Uint8Array([99, 1, 2]))).toBeNull();
  expect(decodeEnvelope(new Uint8Array([99, 1, 2]))).toBeNull();
});
