/**
 * Leadership transfer. B25 is the class of bugs where a transfer leaves a trace, a gap, or the wrong leader.
 */
import { describe, expect, test } from "bun:test";
import { bytesOf, flush, makeLeader, message, Network, newNode } from "./testing.ts";

const THREE = [1, 2, 3];

describe("a transfer", () => {
  test("makes the target leader in one round, without a pre-vote and despite loyalty to the old leader", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.sent.length = 0;
    expect(network.node(1).transferLeader(3)).toEqual({ kind: "started" });
    network.settle();
    expect(network.leader()).toBe(3);
    expect(network.node(1)).toMatchObject({ role: "follower", leader: 3, term: 2 });
    expect(network.sent.some(({ type }) => type === "preVote")).toBe(false);
  });

  test("may be asked of a follower", () => {
    const network = new Network(THREE);
    network.elect(1);
    expect(network.node(2).transferLeader(3)).toEqual({ kind: "forwarded" });
    network.settle();
    expect(network.leader()).toBe(3);
  });

  test("waits until the target has the whole log", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.isolate(3);
    network.propose(1, "a");
    network.heal();
    network.node(1).transferLeader(3);
    network.collect();
    expect(network.sent.some(({ type }) => type === "timeoutNow")).toBe(false);
    network.tick(3);
    expect(network.leader()).toBe(3);
    expect(network.member(3).commands).toEqual(["a"]);
  });

  test("tells a target that catches up step by step nothing before it has acknowledged the log's end", () => {
    const node = newNode(1, THREE);
    makeLeader(node, [2, 3]);
    for (const command of ["a", "b", "c"]) node.propose(bytesOf(command));
    flush(node);
    node.transferLeader(3);
    for (let index = 1; index <= node.lastIndex; index++) {
      node.step(message("appendResponse", 3, { term: node.term, index }));
      const told = flush(node).some(({ type }) => type === "timeoutNow");
      expect([index, told]).toEqual([index, index === node.lastIndex]);
    }
  });

  test("B25: goes only to another voter", () => {
    const network = new Network(THREE);
    network.add(4);
    network.elect(1);
    network.node(1).proposeConfig({ kind: "addLearner", id: 4 });
    network.settle();
    const refusal = (id: number) => network.node(1).transferLeader(id);
    expect(refusal(4)).toEqual({ kind: "dropped", reason: "notVoter" });
    expect(refusal(9)).toEqual({ kind: "dropped", reason: "notVoter" });
    expect(refusal(1)).toEqual({ kind: "dropped", reason: "alreadyLeader" });
    expect(network.node(1).propose(bytesOf("a")).kind).toBe("appended");
  });

  test("B25: a learner that is told to take over does not", () => {
    const node = newNode(4, THREE);
    node.step(message("timeoutNow", 1, { to: 4, term: 1 }));
    expect(flush(node)).toEqual([]);
    expect(node.role).toBe("follower");
  });

  test("a candidate that is told to take over goes on with its election, in its term", () => {
    const node = newNode(1, THREE);
    node.campaign();
    flush(node);
    node.step(message("preVoteResponse", 2, { term: 1 }));
    flush(node);
    expect(node).toMatchObject({ role: "candidate", term: 1 });
    node.step(message("timeoutNow", 3, { term: 1 }));
    expect(node).toMatchObject({ role: "candidate", term: 1 });
    node.step(message("voteResponse", 2, { term: 1 }));
    expect(node.role).toBe("leader");
  });

  test("B25: a candidate that wins although the leader is only slow is not stopped by a late TimeoutNow", () => {
    const node = newNode(1, THREE);
    makeLeader(node, [2, 3]);
    node.step(message("timeoutNow", 2, { term: 1 }));
    expect(node).toMatchObject({ role: "leader", term: 1 });
  });
});

describe("while it is pending", () => {
  function stuck(): Network {
    const network = new Network(THREE);
    network.elect(1);
    network.isolate(3);
    network.propose(1, "a");
    network.node(1).transferLeader(3);
    network.settle();
    return network;
  }

  test("proposals are refused: the log must not grow away from the target", () => {
    const node = stuck().node(1);
    expect(node.propose(bytesOf("b"))).toEqual({ kind: "dropped", reason: "transferPending" });
    expect(node.proposeConfig({ kind: "addLearner", id: 4 })).toEqual({
      kind: "dropped",
      reason: "transferPending",
    });
    expect(node.status().transferee).toBe(3);
  });

  test("B25: it is given up after one election timeout", () => {
    const network = stuck();
    network.tick(9, [1, 2]);
    expect(network.node(1).status().transferee).toBe(3);
    network.tick(1, [1, 2]);
    expect(network.node(1).status().transferee).toBe(0);
    network.propose(1, "b");
    expect(network.member(2).commands).toEqual(["a", "b"]);
  });

  test("asking again for the same target does not prolong it, another target replaces it", () => {
    const network = stuck();
    network.tick(9, [1, 2]);
    expect(network.node(1).transferLeader(3)).toEqual({ kind: "started" });
    network.tick(1, [1, 2]);
    expect(network.node(1).status().transferee).toBe(0);
    network.node(1).transferLeader(3);
    network.node(1).transferLeader(2);
    network.settle();
    expect(network.leader()).toBe(2);
  });

  test("another target has an election timeout of its own", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.drop = ({ type }) => type === "timeoutNow";
    network.node(1).transferLeader(3);
    network.tick(6);
    network.node(1).transferLeader(2);
    network.tick(6);
    expect(network.node(1).status().transferee).toBe(2);
    network.tick(4);
    expect(network.node(1).status().transferee).toBe(0);
  });

  test("asking on and on does not keep an isolated leader from stepping down", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.isolate(1);
    for (let tick = 0; tick < 20; tick++) {
      network.node(1).transferLeader(2 + tick % 2);
      network.tick(1, [1]);
    }
    expect(network.node(1).role).toBe("follower");
  });

  test("B25: it ends with the leadership: who leads again later accepts proposals", () => {
    const network = stuck();
    // The leader steps down while the transfer is pending, and is elected once more.
    network.node(1).step(message("heartbeat", 2, { term: 5 }));
    expect(network.node(1)).toMatchObject({ role: "follower", term: 5 });
    network.settle();
    network.node(2).step(message("appendResponse", 1, { to: 2, term: 5 }));
    network.tick(30, [1]);
    expect(network.node(1).role).toBe("leader");
    expect(network.node(1).status().transferee).toBe(0);
    expect(network.node(1).propose(bytesOf("b")).kind).toBe("appended");
  });
});
