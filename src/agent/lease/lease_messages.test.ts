import { expect, test } from "bun:test";
import type { RaftStatus } from "../../../raft/mod.ts";
import type { Renewal, RenewalAck } from "../../lease/renewal.ts";
import { LeaseMessages } from "./lease_messages.ts";
import { encodeMessage, LEASE_CHANNEL } from "../peers/messages.ts";

const ME = 1;
const LEADER = 2;
const OTHER = 3;
const renewalOf = (node: number): Renewal => ({
  epoch: 7,
  holder: "a",
  life: { node, machine: "m", boot: "b" },
  incarnation: 5,
  seq: 4,
});
const ACK: RenewalAck = { epoch: 7, incarnation: 5, seq: 4, grantTtlMs: 5000 };

/** Node 1, and what it sends and hears. `leader` may change. */
function node(leader: number | null = LEADER) {
  const it = {
    leader,
    sent: [] as number[],
    renewals: [] as number[],
    acknowledged: [] as number[],
    receive: (_from: number, _bytes: Uint8Array): void => {},
  };
  const messages = new LeaseMessages({
    raft: {
      status: () => ({ id: ME, leader: it.leader }) as unknown as RaftStatus,
      send: (to, channel) => {
        expect(channel).toBe(LEASE_CHANNEL);
        it.sent.push(to);
      },
      onChannel: (channel, handler) => {
        expect(channel).toBe(LEASE_CHANNEL);
        it.receive = handler;
      },
    },
    renewal: (renewal, reply) => {
      it.renewals.push(renewal.life.node);
      reply(ACK);
    },
    acknowledged: (ack) => void it.acknowledged.push(ack.seq),
  });
  const heard = (from: number, message: Parameters<typeof encodeMessage>[0]) =>
    it.receive(from, encodeMessage(message));
  return { it, messages, heard };
}

test("only the leader that was asked acknowledges a renewal", () => {
  const { it, messages, heard } = node();
  heard(LEADER, { kind: "ack", ack: ACK });
  expect(it.acknowledged).toEqual([]);
  messages.renew(renewalOf(ME));
  expect(it.sent).toEqual([LEADER]);
  heard(OTHER, { kind: "ack", ack: ACK });
  expect(it.acknowledged).toEqual([]);
  heard(LEADER, { kind: "ack", ack: ACK });
  expect(it.acknowledged).toEqual([4]);
  // Asked anew elsewhere: the word of the former leader counts no more.
  it.leader = OTHER;
  messages.renew(renewalOf(ME));
  heard(LEADER, { kind: "ack", ack: ACK });
  expect(it.acknowledged).toEqual([4]);
  heard(OTHER, { kind: "ack", ack: ACK });
  expect(it.acknowledged).toEqual([4, 4]);
});

test("a renewal is one's own machine's, and its answer goes to whom it came from", () => {
  const { it, heard } = node(ME);
  heard(OTHER, { kind: "renew", renewal: renewalOf(LEADER) });
  expect(it.renewals).toEqual([]);
  heard(OTHER, { kind: "renew", renewal: renewalOf(OTHER) });
  expect(it.renewals).toEqual([OTHER]);
  expect(it.sent).toEqual([OTHER]);
});

test("a leader renews with itself, and without a leader nobody is asked", () => {
  const { it, messages } = node(ME);
  messages.renew(renewalOf(ME));
  expect([it.renewals, it.acknowledged, it.sent]).toEqual([[ME], [4], []]);
  it.leader = null;
  messages.renew(renewalOf(ME));
  expect([it.renewals, it.sent]).toEqual([[ME], []]);
});

test("after its end nothing is heard, and garbage never", () => {
  const { it, messages, heard } = node(ME);
  it.receive(OTHER, new Uint8Array([1, 2, 3]));
  messages.end();
  heard(OTHER, { kind: "renew", renewal: renewalOf(OTHER) });
  expect(it.renewals).toEqual([]);
});
