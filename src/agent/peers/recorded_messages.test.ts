/**
 * What a member of the first version sends on the opaque channels, as it was recorded: bytes that members of
 * earlier releases still send and expect. A change that breaks these breaks upgrading one member after
 * another: what is new must be optional, and what was there must keep its meaning.
 */
import { expect, test } from "bun:test";
import { COMMAND_VERSION, encodeCommand, parseCommand } from "../../dcs/commands.ts";
import { DcsStateMachine } from "../../dcs/state_machine.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { decodeLeaseMessage, decodeStatus, decodeWitness, encodeMessage } from "./messages.ts";

const RECORDED = {
  renew: '{"kind":"renew","renewal":{"holder":"node1","life":{"node":1,"machine":"m1","boot":"b1"},' +
    '"epoch":7,"incarnation":1234567,"seq":89}}',
  ack: '{"kind":"ack","ack":{"epoch":7,"incarnation":1234567,"seq":89,"grantTtlMs":5000}}',
  status:
    '{"name":"node2","incarnation":42,"seq":17,"epochSeen":7,"lockFreeSeen":false,"holderSeenEpoch":7,' +
    '"walSettled":false,"role":"replica","state":"running","running":true,"writable":false,' +
    '"systemId":"7300000000000000001","timeline":3,"walLsn":null,"receivedLsn":50331648,"replayedLsn":50331640,' +
    '"diskLsn":null,"replicationState":"streaming","following":"node1","directoryUsable":true,' +
    '"primaryDirectory":false,"bootstrapReady":false,"nofailover":false,"failoverPriority":1,' +
    '"watchdogFailed":false,"guard":"ok","shuttingDown":false,"checkpointAfterPromote":false,"tags":{},' +
    '"pendingRestart":null,"serverVersion":170002,"connUrl":"postgres://10.0.0.2:5432/postgres",' +
    '"apiUrl":"http://10.0.0.2:8008/patroni","lateMs":3}',
  witness: '{"name":"w1","raftAddr":"10.0.0.9:7800","apiUrl":"http://10.0.0.9:8008/patroni","canLose":null}',
  grant: '{"v":1,"op":"grant","epoch":7,"holder":"node1","reason":"failover","complete":false,"by":"node2",' +
    '"at":"2026-01-01T00:00:00.000Z"}',
};

const STATUS: MemberStatus = {
  name: "node2",
  incarnation: 42,
  seq: 17,
  epochSeen: 7,
  lockFreeSeen: false,
  holderSeenEpoch: 7,
  walSettled: false,
  role: "replica",
  state: "running",
  running: true,
  writable: false,
  systemId: "7300000000000000001",
  timeline: 3,
  walLsn: null,
  receivedLsn: 50331648,
  replayedLsn: 50331640,
  diskLsn: null,
  replicationState: "streaming",
  following: "node1",
  directoryUsable: true,
  primaryDirectory: false,
  bootstrapReady: false,
  nofailover: false,
  failoverPriority: 1,
  watchdogFailed: false,
  guard: "ok",
  shuttingDown: false,
  checkpointAfterPromote: false,
  tags: {},
  pendingRestart: null,
  serverVersion: 170002,
  connUrl: "postgres://10.0.0.2:5432/postgres",
  apiUrl: "http://10.0.0.2:8008/patroni",
  lateMs: 3,
};

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (encoded: Uint8Array) => new TextDecoder().decode(encoded);

/** As a later version would send it: with something more. */
const later = (recorded: string) => bytes(recorded.replace(/^\{/, '{"fromLater":{"a":1},'));

test("a recorded status means what it meant, and is still sent alike", () => {
  expect(decodeStatus(bytes(RECORDED.status))).toEqual(STATUS);
  expect(text(encodeMessage(STATUS))).toBe(RECORDED.status);
  expect(decodeStatus(later(RECORDED.status))).toMatchObject({ ...STATUS });
});

test("what later versions say of themselves is judged where this one knows it", () => {
  const lastStop = { at: "t", steps: ["fast"] as const, why: "demoted", over: true };
  expect(decodeStatus(encodeMessage({ ...STATUS, lastStop }))).toEqual({ ...STATUS, lastStop });
  for (const wrong of [null, {}, { ...lastStop, steps: "fast" }, { ...lastStop, why: "x".repeat(1001) }]) {
    expect(decodeStatus(encodeMessage({ ...STATUS, lastStop: wrong as typeof lastStop }))).toBeNull();
  }
});

test("the ailments of a member are judged, and a cause of a later version is one", () => {
  const full = { cause: "data-space", severity: "critical", since: "t", detail: "12 MiB free" } as const;
  const ailments = [full, { ...full, cause: "haunted" as "read-only" }];
  expect(decodeStatus(encodeMessage({ ...STATUS, ailments }))).toEqual({ ...STATUS, ailments });
  const wrong = [
    null,
    {},
    [null],
    [{ ...full, detail: 1 }],
    [{ ...full, detail: "x".repeat(1001) }],
    Array.from({ length: 51 }, () => full),
  ];
  for (const each of wrong) {
    expect(decodeStatus(encodeMessage({ ...STATUS, ailments: each as typeof ailments }))).toBeNull();
  }
});

test("troubles of synchronous replication are judged, and a kind of a later version is one", () => {
  const full = { kind: "writes-blocked", since: "t", detail: "no standby streams" } as const;
  const syncTroubles = [full, { ...full, kind: "of-later" as "writes-blocked" }];
  expect(decodeStatus(encodeMessage({ ...STATUS, syncTroubles }))).toEqual({ ...STATUS, syncTroubles });
  for (const each of [null, {}, [null], [{ ...full, since: 1 }], [{ ...full, detail: "x".repeat(1001) }]]) {
    expect(decodeStatus(encodeMessage({ ...STATUS, syncTroubles: each as typeof syncTroubles }))).toBeNull();
  }
});

test("recorded renewals and acknowledgements mean what they meant, and are still sent alike", () => {
  const life = { node: 1, machine: "m1", boot: "b1" };
  const renewal = { holder: "node1", life, epoch: 7, incarnation: 1234567, seq: 89 };
  const ack = { epoch: 7, incarnation: 1234567, seq: 89, grantTtlMs: 5000 };
  expect(decodeLeaseMessage(bytes(RECORDED.renew))).toEqual({ kind: "renew", renewal });
  expect(decodeLeaseMessage(bytes(RECORDED.ack))).toEqual({ kind: "ack", ack });
  expect(text(encodeMessage({ kind: "renew", renewal }))).toBe(RECORDED.renew);
  expect(text(encodeMessage({ kind: "ack", ack }))).toBe(RECORDED.ack);
  expect(decodeLeaseMessage(later(RECORDED.renew))).toMatchObject({ kind: "renew", renewal });
});

test("a recorded command is applied, and still proposed alike", () => {
  const judged = parseCommand(bytes(RECORDED.grant), 1);
  const command = judged.ok ? judged.command : expect.unreachable(judged.reason);
  expect(command).toMatchObject({ op: "grant", epoch: 7, holder: "node1" });
  const { v: _, ...rest } = command as typeof command & { v: number };
  expect(text(encodeCommand(rest))).toBe(RECORDED.grant);
});

test("a recorded command does the same at every version, and what is of a later one than is in force does nothing", () => {
  const first = RECORDED.grant.replace('"epoch":7', '"epoch":1');
  for (let version = 1; version <= COMMAND_VERSION; version++) {
    const dcs = new DcsStateMachine();
    expect(dcs.apply(bytes(first.replace('"v":1', `"v":${COMMAND_VERSION + 1}`)), 1, version)).toMatchObject({
      ok: false,
    });
    expect(dcs.apply(bytes('{"v":1,"op":"teleport","by":"a","at":""}'), 2, version)).toMatchObject({
      ok: false,
    });
    expect(dcs.apply(bytes(first), 3, version)).toEqual({ ok: true, revision: 3 });
    expect(dcs.state.lock).toMatchObject({ epoch: 1, holder: "node1" });
  }
});

test("what a witness says of itself", () => {
  const notice = {
    name: "w1",
    raftAddr: "10.0.0.9:7800",
    apiUrl: "http://10.0.0.9:8008/patroni",
    canLose: null,
  };
  expect(decodeWitness(bytes(RECORDED.witness))).toEqual(notice);
  expect(text(encodeMessage(notice))).toBe(RECORDED.witness);
  for (const other of ["", "[]", "{}", '{"name":1}', RECORDED.witness.replace("null", "-1")]) {
    expect(decodeWitness(bytes(other))).toBeNull();
  }
});
