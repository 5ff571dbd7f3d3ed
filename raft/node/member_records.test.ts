import { expect, test } from "bun:test";
import { decodeEnvelope, encodeEnvelope, type Envelope } from "./envelope.ts";
import { decodeMemberMessage, encodeMemberMessage, type MemberMessage } from "./member_messages.ts";
import type { MemberRecord } from "./member_record.ts";
import { MemberRecords } from "./member_records.ts";
import { seededRandom } from "../core/seeded_random.ts";

function recordOf(id: number, parts: Partial<MemberRecord> = {}): MemberRecord {
  return { id, name: `n${id}`, addr: `10.0.0.${id}:7000`, votes: true, replaces: 0, ...parts };
}

function withMembers(...ids: number[]): MemberRecords {
  const records = new MemberRecords();
  for (const id of ids) records.put(recordOf(id));
  records.applied({ voters: ids, learners: [] });
  return records;
}

test("whoever is not in the configuration any more is removed, for good", () => {
  const records = withMembers(1, 2, 3);
  records.applied({ voters: [1, 2], learners: [] });
  expect(records.removed).toEqual([3]);
  expect(records.record(3)).toBeNull();
  records.put(recordOf(3));
  expect(records.record(3)).toBeNull();
  expect(records.isRemoved(3)).toBe(true);
});

test("a node that waits for its place is not taken for removed when another member's change is applied", () => {
  const records = withMembers(1, 2, 3);
  records.put(recordOf(4));
  const twin = new MemberRecords();
  twin.restore(records.encode());
  for (const each of [records, twin]) {
    each.applied({ voters: [1, 2], learners: [] });
    expect(each.removed).toEqual([3]);
    expect(each.record(4)).toEqual(recordOf(4));
    each.applied({ voters: [1, 2], learners: [4] });
    each.applied({ voters: [1, 2], learners: [] });
    expect(each.removed).toEqual([3, 4]);
  }
});

test("so it is at the first change, which adds a learner", () => {
  const records = new MemberRecords();
  for (const id of [1, 2, 3, 4, 5]) records.put(recordOf(id));
  records.applied({ voters: [1, 2, 3], learners: [5] });
  expect(records.removed).toEqual([]);
  expect(records.record(4)).toEqual(recordOf(4));
});

test("nodes that were recorded and never came do not pile up", () => {
  const records = withMembers(1, 2, 3);
  for (let id = 10; id < 100; id++) records.put(recordOf(id));
  records.applied({ voters: [1, 2, 3], learners: [] });
  expect(records.all.length).toBe(3 + 16);
  expect(records.removed).toEqual([]);
});

test("a member is not forgotten, only one that did not become one", () => {
  const records = withMembers(1, 2, 3);
  records.put(recordOf(4));
  records.forget(4);
  records.forget(2);
  expect(records.all.map(({ id }) => id)).toEqual([1, 2, 3]);
  expect(records.removed).toEqual([]);
});

test("restored records go on as the ones they were taken from, to the byte", () => {
  const records = withMembers(3, 1, 2);
  records.put(recordOf(9, { name: null, votes: false, replaces: 2 }));
  records.applied({ voters: [1, 3], learners: [9] });
  const twin = new MemberRecords();
  twin.restore(records.encode());
  expect(twin.encode()).toEqual(records.encode());
  twin.forget(1);
  expect(twin.record(1)).not.toBeNull();
  expect(twin.removed).toEqual([2]);
});

test("of the removed, the last ones are remembered", () => {
  const records = new MemberRecords();
  for (let id = 1; id <= 200; id++) {
    records.put(recordOf(id));
    records.applied({ voters: [id], learners: [] });
  }
  expect(records.removed.length).toBe(64);
  expect(records.removed.at(-1)).toBe(199);
});

test("records travel in entries", () => {
  const envelopes: Envelope[] = [
    { kind: "member", record: recordOf(2 ** 48, { name: "däta-1", replaces: 7 }) },
    { kind: "member", record: recordOf(5, { name: null, votes: false }) },
    { kind: "forget", member: 12 },
  ];
  for (const envelope of envelopes) {
    const bytes = encodeEnvelope(envelope);
    expect(decodeEnvelope(bytes)).toEqual(envelope);
    for (let cut = 0; cut < bytes.length; cut++) expect(decodeEnvelope(bytes.subarray(0, cut))).toBeNull();
  }
});

test("requests and answers travel as they are; everything else is garbage", () => {
  const messages: MemberMessage[] = [
    { kind: "request", seq: 1, operation: { kind: "add", record: recordOf(4, { name: null }) } },
    { kind: "request", seq: 2, operation: { kind: "remove", id: 9 } },
    { kind: "answer", seq: 3, outcome: { kind: "done" } },
    { kind: "answer", seq: 4, outcome: { kind: "retry", reason: "later" } },
  ];
  for (const message of messages) expect(decodeMemberMessage(encodeMemberMessage(message))).toEqual(message);
  const wrong: unknown[] = [
    null,
    7,
    {},
    { kind: "request", seq: -1, operation: { kind: "remove", id: 9 } },
    { kind: "request", seq: 1, operation: { kind: "remove", id: 0 } },
    { kind: "request", seq: 1, operation: { kind: "remove", id: 2 ** 50 } },
    { kind: "request", seq: 1, operation: { kind: "add", record: { ...recordOf(4), addr: 5 } } },
    {
      kind: "request",
      seq: 1,
      operation: { kind: "add", record: { ...recordOf(4), name: "x".repeat(9999) } },
    },
    { kind: "answer", seq: 1, outcome: { kind: "rejected" } },
    { kind: "answer", seq: 1, outcome: { kind: "perhaps", reason: "" } },
  ];
  for (const one of wrong) {
    expect(decodeMemberMessage(new TextEncoder().encode(JSON.stringify(one)))).toBeNull();
  }
  const random = seededRandom(1);
  for (let i = 0; i < 300; i++) {
    const bytes = Uint8Array.from({ length: Math.floor(random() * 60) }, () => Math.floor(random() * 256));
    expect(decodeMemberMessage(bytes)).toBeNull();
  }
});
