import { expect, test } from "bun:test";
import { type Raft, type RaftStatus, withoutAddress } from "../../../raft/mod.ts";
import { status as bare } from "../../brain/testing.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { HeardStatuses } from "./heard_statuses.ts";
import { decodeRelayed, encodeMessage, RELAY_CHANNEL, SHORT_CHANNEL, STATUS_CHANNEL } from "./messages.ts";
import { decodeStatus } from "./messages.ts";
import { encodeShort } from "./short_status.ts";

const status = (seq: number, change: Partial<MemberStatus> = {}) =>
  bare("d", { holderLsn: 7, lookAgeMs: 3, wallMs: 5, seq, ...change });

/** Member 1 leads; members 4 and 5 have no address. */
function member() {
  const sent: (readonly [to: number, channel: number, bytes: Uint8Array])[] = [];
  const heard: (readonly [status: MemberStatus, from: number, before: MemberStatus | null])[] = [];
  const askedBy: number[] = [];
  const handlers = new Map<number, (from: number, bytes: Uint8Array) => void>();
  const members = [[1, "10.0.0.1:1"], [2, "10.0.0.2:1"], [4, withoutAddress("d")], [5, withoutAddress("e")]];
  const raft: Pick<Raft, "id" | "status" | "send" | "onChannel"> = {
    id: 1,
    status: () =>
      ({
        id: 1,
        leader: 1,
        role: "leader",
        members: members.map(([id, addr]) => ({ id, addr })),
      }) as unknown as RaftStatus,
    send: (to, channel, bytes) => void sent.push([to, channel, bytes]),
    onChannel: (channel, handler) => void handlers.set(channel, handler),
  };
  const statuses = new HeardStatuses({
    raft,
    heard: (one, from, before) => void heard.push([one, from, before]),
    asked: (from) => void askedBy.push(from),
  });
  return {
    statuses,
    heard,
    askedBy,
    sent: () => sent.splice(0),
    full: (from: number, one: MemberStatus) => handlers.get(STATUS_CHANNEL)!(from, encodeMessage(one)),
    short: (from: number, base: MemberStatus, one: MemberStatus) =>
      handlers.get(SHORT_CHANNEL)!(from, encodeShort(base, one)),
    asks: (from: number) => handlers.get(SHORT_CHANNEL)!(from, new Uint8Array(0)),
  };
}

const ASK = new Uint8Array(0);

test("a member is asked for short statuses when its connection begins, and its wish is passed on", () => {
  const { statuses, sent, asks, askedBy } = member();
  statuses.peer(2, true);
  expect(sent()).toEqual([[2, SHORT_CHANNEL, ASK]]);
  statuses.peer(2, false);
  expect(sent()).toEqual([]);
  asks(2);
  expect(askedBy).toEqual([2]);
});

test("short statuses are heard as whole ones, with the one before", () => {
  const { heard, sent, full, short } = member();
  const [one, two, three] = [status(1), status(2, { walLsn: 9 }), status(3, { walLsn: 10 })];
  full(2, one);
  short(2, one, two);
  short(2, one, three);
  expect(heard).toEqual([[one, 2, null], [two, 2, one], [three, 2, two]]);
  expect(heard[2]![2]).toBe(heard[1]![0]);
  expect(sent()).toEqual([]);
});

test("without the status that a short one goes by, nothing is heard and a full one is asked for", () => {
  const { statuses, heard, sent, full, short } = member();
  short(2, status(1), status(2));
  expect(sent()).toEqual([[2, SHORT_CHANNEL, ASK]]);
  full(2, status(3));
  short(2, status(1), status(4));
  short(5, status(3), status(4));
  expect(sent()).toEqual([[2, SHORT_CHANNEL, ASK], [5, SHORT_CHANNEL, ASK]]);
  statuses.peer(2, false);
  short(2, status(3), status(4));
  expect(sent()).toEqual([[2, SHORT_CHANNEL, ASK]]);
  expect(heard.length).toBe(1);
});

test("what a member without an address says in short is passed on in full", () => {
  const { sent, full, short } = member();
  full(4, status(1));
  short(4, status(1), status(2, { lateMs: 4 }));
  const relayed = sent().map(([to, channel, bytes]) => {
    const { from, status } = decodeRelayed(bytes)!;
    return [to, channel, from, decodeStatus(status)];
  });
  expect(relayed).toEqual([
    [5, RELAY_CHANNEL, 4, status(1)],
    [5, RELAY_CHANNEL, 4, status(2, { lateMs: 4 })],
  ]);
});
