/** Every reader of other members' messages and of the disk understands or refuses any bytes. */
import { expect } from "bun:test";
import fc from "fast-check";
import { DecodeError } from "./core/bytes.ts";
import { decodeConfiguration, encodeConfiguration, makeConfiguration } from "./core/configuration.ts";
import { decodeMessage, encodeMessage, makeMessage } from "./core/message.ts";
import type { Entry } from "./core/types.ts";
import { ADMISSION_CHANNEL, decodeAdmission, encodeAdmission } from "./node/admission_messages.ts";
import { decodeEnvelope, encodeEnvelope, type Envelope } from "./node/envelope.ts";
import { decodeMemberMessage, encodeMemberMessage, MEMBERS_CHANNEL } from "./node/member_messages.ts";
import { decodeSnapshotMessage, encodeSnapshotMessage, SNAPSHOT_CHANNEL } from "./node/snapshot_messages.ts";
import { TestCluster, text } from "./node/testing.ts";
import {
  decodeQuestion,
  decodeVisitAnswer,
  encodeQuestion,
  encodeVisitAnswer,
} from "./node/visit_messages.ts";
import { readLogFiles } from "./storage/open_wal.ts";
import { recover } from "./storage/recover.ts";
import { MemoryDisk } from "./storage/memory_disk.ts";
import { decodeSnapshotFile, encodeSnapshotFile, laterSnapshot } from "./storage/snapshot_format.ts";
import { entry, IDENTITY, openSim, snapshotAt, story } from "./storage/testing.ts";
import { decodeRecord, encodeUnsealed, readRaw, sealRecords, unknownRecord } from "./storage/wal_format.ts";
import { anyInput, spoiled } from "./testing.ts";
import { readHostPort } from "./transport/host_port.ts";

/** Id of the cluster in TestCluster. */
const CLUSTER = 4711;
const RECORD = { id: 9, name: "n9", addr: "10.0.0.9:2222", votes: true, replaces: 0 };
const CONFIGURATION = makeConfiguration([1, 2, 3], [4]);

/** Result of a function that may throw DecodeError; null then. */
function decoded<T>(decode: () => T): T | null {
  try {
    return decode();
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}

const entries: Entry[] = [
  { term: 2, index: 5, kind: "normal", data: text("command") },
  { term: 3, index: 6, kind: "config", data: encodeConfiguration(CONFIGURATION) },
];
const RAFT_MESSAGES = [
  makeMessage({ type: "append", from: 1, to: 2, term: 3, index: 4, logTerm: 2, entries }),
  makeMessage({ type: "heartbeat", from: 1, to: 2, term: 3, commit: 4, context: text("12345678") }),
  makeMessage({ type: "vote", from: 1, to: 2, term: 3, index: 4, logTerm: 2 }),
  makeMessage({ type: "snapshot", from: 1, to: 2, term: 3, snapshot: snapshotAt(4, 2, 20) }),
].map(encodeMessage);

anyInput("a raft message", spoiled(RAFT_MESSAGES), (bytes) => {
  const message = decoded(() => decodeMessage(bytes));
  if (message !== null) expect(encodeMessage(message)).toEqual(bytes);
});

anyInput("a configuration of members", spoiled([encodeConfiguration(CONFIGURATION)]), (bytes) => {
  const configuration = decoded(() => decodeConfiguration(bytes));
  if (configuration !== null) expect(encodeConfiguration(configuration)).toEqual(bytes);
});

const ADMISSIONS = [
  encodeAdmission(CLUSTER, { kind: "hello", instance: 5, empty: true, version: 2, pieces: true }),
  encodeAdmission(CLUSTER, { kind: "answer", instance: 5, verdict: "log", term: 3 }),
  encodeAdmission(CLUSTER, { kind: "removed" }),
];
anyInput("a question whether a directory took part", spoiled(ADMISSIONS), (bytes) => {
  decodeAdmission(CLUSTER, bytes);
});

const MEMBER_MESSAGES = [
  encodeMemberMessage({ kind: "request", seq: 1, operation: { kind: "add", record: RECORD } }),
  encodeMemberMessage({ kind: "request", seq: 1, operation: { kind: "remove", id: 3 } }),
  encodeMemberMessage({ kind: "answer", seq: 1, outcome: { kind: "rejected", reason: "no" } }),
];
const memberMessage = fc.oneof(
  { weight: 300, arbitrary: spoiled(MEMBER_MESSAGES) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1, max: 100_000 }).map((levels) =>
      text(`{"kind":"request","seq":1,"operation":${"[".repeat(levels)}${"]".repeat(levels)}}`)
    ),
  },
);
anyInput("a change of the members", memberMessage, (bytes) => {
  decodeMemberMessage(bytes);
});

const SNAPSHOT_MESSAGES = [
  encodeSnapshotMessage({ kind: "begin", transfer: 1, total: 20, head: RAFT_MESSAGES[3]! }),
  encodeSnapshotMessage({ kind: "piece", transfer: 1, offset: 0, data: text("piece") }),
  encodeSnapshotMessage({ kind: "got", transfer: 1, received: 5 }),
  encodeSnapshotMessage({ kind: "refused", transfer: 1, reason: "no" }),
];
anyInput("a piece of a snapshot", spoiled(SNAPSHOT_MESSAGES), (bytes) => {
  decodeSnapshotMessage(bytes);
});

const VISITS = [
  encodeQuestion({ kind: "join", addr: "10.0.0.9:2222", name: "n9", votes: true }),
  encodeQuestion({ kind: "ask", addr: "10.0.0.9:2222" }),
  encodeVisitAnswer({ kind: "founding", founded: 1, addresses: ["a:1", "b:1"] }),
  encodeVisitAnswer({
    kind: "joined",
    clusterId: 1,
    founded: 1,
    id: 4,
    members: [{ id: 1, name: null, addr: "a:1" }],
  }),
  encodeVisitAnswer({ kind: "refused", reason: "no", final: true }),
];
anyInput("a visitor's question, and the answer to it", spoiled(VISITS), (bytes) => {
  decodeQuestion(bytes);
  decodeVisitAnswer(bytes);
});

const ENVELOPES: Envelope[] = [
  { kind: "command", origin: 1, incarnation: 2, seq: 3, floor: 1, command: text("command") },
  { kind: "joined", member: 3, instance: 4 },
  { kind: "member", record: RECORD },
  { kind: "forget", member: 3 },
  { kind: "version", version: 2 },
];
anyInput("the envelope of an entry", spoiled(ENVELOPES.map(encodeEnvelope)), (bytes) => {
  const envelope = decodeEnvelope(bytes);
  if (envelope !== null) expect(decodeEnvelope(encodeEnvelope(envelope))).toEqual(envelope);
});

anyInput(
  "a member's address",
  spoiled(["10.0.0.9:2222", "[::1]:5432", "h:70000", "a:b:c"].map(text)),
  (bytes) => {
    const address = readHostPort(new TextDecoder().decode(bytes));
    if (address !== null) expect(address.port).toBeLessThan(65_536);
  },
);

const SNAPSHOT_FILE = encodeSnapshotFile(snapshotAt(4, 2, 20), CLUSTER, 1);
anyInput("a snapshot's file", spoiled([SNAPSHOT_FILE]), (bytes) => {
  laterSnapshot(bytes);
  const read = decodeSnapshotFile(bytes);
  if (read !== null) expect(bytes).toEqual(SNAPSHOT_FILE);
});

const RECORDS = encodeUnsealed([
  { kind: "entry", entry: entry(1, 1) },
  { kind: "hardState", hardState: { term: 1, vote: 1, commit: 0 } },
  { kind: "truncate", from: 1 },
]);
sealRecords(RECORDS, 0, 1, true);
anyInput("a record of the log's file", spoiled([RECORDS]), (bytes) => {
  for (let at = 0, raw = readRaw(bytes, at); raw !== null; raw = readRaw(bytes, at += raw.totalBytes)) {
    if (decodeRecord(raw.type, raw.payload) === null) unknownRecord(raw.type, raw.payload);
  }
  // The payload may be anything even when the checksum is right.
  decodeRecord(1 + (bytes[0] ?? 0) % 6, bytes);
});

/** Files of a log with every kind of record. */
function logFiles(): Map<string, Uint8Array> {
  const disk = new MemoryDisk();
  const log = openSim(disk, 1024);
  for (const chapter of story()) {
    log.append(chapter, () => {});
    if (chapter.compactTo > 0) log.compact(chapter.compactTo);
  }
  return readLogFiles(disk);
}
const FILES = logFiles();
const NAMES = [...FILES.keys()].sort();
const LAST = NAMES.filter((name) => name.endsWith(".log")).at(-1)!;
anyInput("the last file of a log", spoiled([FILES.get(LAST)!], 3000), (bytes) => {
  recover(new Map([...FILES, [LAST, bytes]]), IDENTITY, true);
}, { usual: 300 });

const ON_CHANNELS = [
  [SNAPSHOT_CHANNEL, spoiled(SNAPSHOT_MESSAGES)],
  [MEMBERS_CHANNEL, memberMessage.filter((bytes) => decodeMemberMessage(bytes)?.kind !== "request")],
  // Members believe each other that they were removed.
  [
    ADMISSION_CHANNEL,
    spoiled(ADMISSIONS).filter((bytes) => decodeAdmission(CLUSTER, bytes)?.kind !== "removed"),
  ],
  [252, spoiled([text("{}")])],
  [1, spoiled([text("{}")])],
] as const;
/** Limit of frames, because the notes of the test's own members grow with each. */
const FRAMES_OF_A_CLUSTER = 5000;
let cluster = new TestCluster(2);
let frames = 0;
for (const [channel, frame] of ON_CHANNELS) {
  anyInput(`a frame on channel ${channel} of a running member`, frame, (bytes) => {
    if (frames++ % FRAMES_OF_A_CLUSTER === 0) {
      cluster = new TestCluster(2);
      cluster.startAll();
    }
    const leader = cluster.leader();
    const follower = [...cluster.members.values()].find((one) => one !== leader)!;
    follower.node.send(leader.id, channel, bytes);
    leader.node.send(follower.id, channel, bytes);
    cluster.clock.advance(1);
    expect(follower.node.status().leader).toBe(leader.id);
  });
}
