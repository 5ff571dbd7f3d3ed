import { expect, test } from "bun:test";
import { decodeMessage, encodeMessage, makeMessage, TRANSFER_CONTEXT } from "../core/message.ts";
import type { RawNode } from "../core/raw_node.ts";
import { type NodeId, NONE, type Role } from "../core/types.ts";
import { announcements, HandOver } from "./hand_over.ts";
import { TestCluster } from "./testing.ts";

const VOTERS = [1, 2, 3, 4];

/** Core of a member in term 5, whose leader is 1. */
function at(role: Role, transferee: NodeId = NONE, leader: NodeId = 1): RawNode {
  return { role, term: 5, leader, transferee } as RawNode;
}

const vote = (from: NodeId, context = TRANSFER_CONTEXT, term = 6) =>
  makeMessage({ type: "vote", from, to: 3, term, context });

test("whom a leader tells to take over it names to the other voters, in a message that travels", () => {
  const said = announcements(makeMessage({ type: "timeoutNow", from: 1, to: 2, term: 5 }), VOTERS);
  expect(said.map(({ to }) => to)).toEqual([3, 4]);
  const handOver = new HandOver();
  const heard = decodeMessage(encodeMessage(said[0]!));
  expect(handOver.believes(vote(2), at("follower"))).toBe(false);
  handOver.believes(heard, at("follower"));
  expect([2, 4].map((from) => handOver.believes(vote(from), at("follower")))).toEqual([true, false]);
  expect(announcements(vote(2), VOTERS)).toEqual([]);
});

test("what another member says of it, or of another term, names nobody", () => {
  const said = announcements(makeMessage({ type: "timeoutNow", from: 1, to: 2, term: 5 }), VOTERS)[0]!;
  for (const false_ of [{ ...said, from: 4 }, { ...said, term: 4 }, { ...said, term: 6 }]) {
    const handOver = new HandOver();
    handOver.believes(false_, at("follower"));
    expect(handOver.believes(vote(2), at("follower"))).toBe(false);
  }
});

test("the leader goes by its own wish; without a leader, and without the mark, votes are for the core to judge", () => {
  const handOver = new HandOver();
  expect(handOver.believes(vote(2), at("leader"))).toBe(false);
  expect(handOver.believes(vote(2), at("leader", 4))).toBe(false);
  expect(handOver.believes(vote(2), at("leader", 2))).toBe(true);
  expect(handOver.believes(vote(2), at("follower", NONE, NONE))).toBe(true);
  expect(handOver.believes(vote(2, new Uint8Array(0)), at("follower"))).toBe(true);
  expect(handOver.believes(vote(2, TRANSFER_CONTEXT, 5), at("follower"))).toBe(true);
});

test("leadership passes at once in a group of five, of which two are away", () => {
  const cluster = new TestCluster(5);
  cluster.startAll();
  const leader = cluster.leader();
  const [next, , ...away] = cluster.ids.filter((id) => id !== leader.id);
  for (const id of away) cluster.stop(id);
  cluster.clock.advance(50);
  const beganMs = cluster.clock.now();
  let ended: string | null | undefined;
  leader.node.transferLeadership(next!, (error) => void (ended = error));
  cluster.until("the transfer", () => ended !== undefined);
  expect([ended as unknown, cluster.leader().id]).toEqual([null, next!]);
  expect(cluster.clock.now() - beganMs).toBeLessThan(100);
});
