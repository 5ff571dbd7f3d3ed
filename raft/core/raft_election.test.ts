/**
 * Elections that must and must not happen. The B numbers are classes of bugs found in other implementations.
 */
import { describe, expect, test } from "bun:test";
import { encodeConfiguration, makeConfiguration } from "./configuration.ts";
import { TRANSFER_CONTEXT } from "./message.ts";
import {
  bytesOf,
  entriesOf,
  flush,
  makeLeader,
  message,
  Network,
  newNode,
  PAPER,
  storedLog,
  storedTerms,
} from "./testing.ts";
import type { Entry } from "./types.ts";

const THREE = [1, 2, 3];

describe("pre-vote", () => {
  test("a server that was cut off raises no term and does not disturb when it returns", () => {
    const network = new Network(THREE);
    network.elect(1);
    const term = network.node(1).term;
    network.isolate(3);
    network.tick(100);
    expect(network.node(3).term).toBe(term);
    expect(network.node(3).role).toBe("preCandidate");
    network.heal();
    network.tick(30);
    expect(network.leader()).toBe(1);
    expect(network.node(1).term).toBe(term);
    expect(network.node(3).leader).toBe(1);
  });

  test("of two that miss the leader at the same moment one is elected, in one attempt", () => {
    const network = new Network(THREE);
    network.elect(3);
    const { term } = network.node(3);
    network.isolate(3);
    // Long enough to end their loyalty to the old leader, too short for campaigns of their own.
    for (let ticks = 0; ticks < 10; ticks++) for (const id of [1, 2]) network.node(id).tick();
    expect([network.node(1).role, network.node(2).role]).toEqual(["follower", "follower"]);
    network.node(1).campaign();
    network.node(2).campaign();
    network.settle();
    expect([network.node(1).role, network.node(2).role]).toEqual(["follower", "leader"]);
    expect(network.node(2).term).toBe(term + 1);
  });

  test("whoever asked itself is silent to a lower id for a moment only, and only when both logs are the same", () => {
    const stored = () => storedTerms([1, 1]);
    const asked = (log: { logTerm: number; index: number }, from: number, ticks = 0) => {
      const node = newNode(2, THREE, { storage: stored(), heartbeatTicks: 1, electionTicks: 10 });
      node.campaign();
      flush(node);
      for (let tick = 0; tick < ticks; tick++) node.tick();
      node.step(message("preVote", from, { to: 2, term: 2, ...log }));
      return flush(node).map(({ type, reject }) => `${type} ${reject ? "rejected" : "granted"}`);
    };
    const same = { logTerm: 1, index: 2 };
    expect(asked(same, 1)).toEqual([]);
    expect(asked(same, 1, 1)).toEqual([]);
    expect(asked(same, 1, 2)).toEqual(["preVoteResponse granted"]);
    expect(asked(same, 3)).toEqual(["preVoteResponse granted"]);
    expect(asked({ logTerm: 1, index: 3 }, 1)).toEqual(["preVoteResponse granted"]);
    expect(asked({ logTerm: 2, index: 2 }, 1)).toEqual(["preVoteResponse granted"]);
    expect(asked({ logTerm: 1, index: 1 }, 1)).toEqual(["preVoteResponse rejected"]);
  });

  test("B26: a pre-vote looks at the log, not only at who is alive", () => {
    const node = newNode(1, THREE, { storage: storedTerms([1, 1]) });
    node.step(message("preVote", 2, { term: 2, logTerm: 1, index: 1 }));
    expect(flush(node)[0]).toMatchObject({ type: "preVoteResponse", reject: true });
    node.step(message("preVote", 3, { term: 2, logTerm: 1, index: 2 }));
    expect(flush(node)[0]).toMatchObject({ type: "preVoteResponse", reject: false, term: 2 });
  });

  test("B26: a pre-vote promises nothing: term and vote stay", () => {
    const stored = storedLog({ hardState: { term: 2, vote: 3, commit: 0 }, empty: false });
    const node = newNode(1, THREE, { storage: stored });
    node.step(message("preVote", 2, { term: 3 }));
    expect(flush(node)[0]).toMatchObject({ reject: false });
    expect(node.status()).toMatchObject({ term: 2, vote: 3 });
    expect(node.hasReady()).toBe(false);
  });

  test("B26: campaigning for pre-votes changes neither term nor vote", () => {
    const stored = storedLog({ hardState: { term: 2, vote: 3, commit: 0 }, empty: false });
    const node = newNode(1, THREE, { storage: stored });
    node.campaign();
    const ready = node.ready();
    expect(ready.hardState).toBeNull();
    expect(ready.messages.map(({ type, to, term }) => [type, to, term])).toEqual([
      ["preVote", 2, 3],
      ["preVote", 3, 3],
    ]);
  });

  test("B26: answers to a pre-vote are not counted as votes", () => {
    const node = newNode(1, [1, 2, 3, 4, 5]);
    node.campaign();
    flush(node);
    for (const from of [2, 3]) node.step(message("preVoteResponse", from, { term: 1 }));
    flush(node);
    expect(node.role).toBe("candidate");
    for (const from of [2, 3, 4, 5]) node.step(message("preVoteResponse", from, { term: 1 }));
    flush(node);
    expect(node.role).toBe("candidate");
    for (const from of [2, 3]) node.step(message("voteResponse", from, { term: 1 }));
    expect(node.role).toBe("leader");
  });

  test("B26: a pre-vote granted for an earlier attempt does not count for the next term", () => {
    const node = newNode(1, THREE);
    node.step(message("heartbeat", 2, { term: 3 }));
    node.campaign();
    flush(node);
    node.step(message("preVoteResponse", 2, { term: 3 }));
    expect(node.role).toBe("preCandidate");
    node.step(message("preVoteResponse", 2, { term: 4 }));
    expect(node.role).toBe("candidate");
  });

  test("B26: servers with mixed terms and no leader still elect one", () => {
    const network = new Network(THREE, {}, {
      1: storedTerms([1, 1], { term: 1 }),
      2: storedTerms([1], { term: 5 }),
    });
    network.isolate(3);
    network.tick(100);
    expect(network.leader()).toBe(1);
    expect(network.node(1).term).toBeGreaterThan(5);
  });

  test("a rejection from a later term makes the pre-candidate follow that term", () => {
    const node = newNode(1, THREE);
    node.campaign();
    flush(node);
    node.step(message("preVoteResponse", 2, { term: 7, reject: true }));
    expect(node).toMatchObject({ role: "follower", term: 7 });
  });
});

describe("votes", () => {
  test("B5: a learner votes when a candidate that knows it as a voter asks", () => {
    const learner = newNode(4, []);
    const config: Entry = {
      index: 1,
      term: 1,
      kind: "config",
      data: encodeConfiguration(makeConfiguration(THREE, [4])),
    };
    learner.step(message("append", 2, { to: 4, term: 1, entries: [config] }));
    flush(learner);
    for (let tick = 0; tick < 30; tick++) learner.tick();
    expect(learner.role).toBe("follower");
    learner.step(message("vote", 3, { to: 4, term: 2, logTerm: 1, index: 2 }));
    expect(flush(learner)[0]).toMatchObject({ type: "voteResponse", to: 3, reject: false });
  });

  test("B10: a vote given in an earlier term is not counted", () => {
    const node = newNode(1, [1, 2, 3, 4, 5], PAPER);
    node.campaign();
    flush(node);
    node.step(message("voteResponse", 2, { term: 1 }));
    node.campaign();
    flush(node);
    expect(node.term).toBe(2);
    node.step(message("voteResponse", 3, { term: 1 }));
    node.step(message("voteResponse", 4, { term: 1 }));
    expect(node.role).toBe("candidate");
    node.step(message("voteResponse", 3, { term: 2 }));
    node.step(message("voteResponse", 4, { term: 2 }));
    expect(node.role).toBe("leader");
  });

  test("giving a vote restarts the election timer: the candidate gets its time", () => {
    const node = newNode(1, THREE);
    node.setRandomizedElectionTimeout(10);
    for (let tick = 0; tick < 9; tick++) node.tick();
    node.step(message("preVote", 2, { term: 1 }));
    node.step(message("vote", 2, { term: 1 }));
    node.setRandomizedElectionTimeout(10);
    for (let tick = 0; tick < 9; tick++) node.tick();
    expect(node).toMatchObject({ role: "follower", term: 1 });
  });

  test("a second request for the vote that was given is granted again, and gives the candidate more time", () => {
    const node = newNode(1, THREE);
    node.step(message("vote", 2, { term: 1 }));
    node.setRandomizedElectionTimeout(10);
    for (let tick = 0; tick < 9; tick++) node.tick();
    node.step(message("vote", 2, { term: 1 }));
    expect(flush(node).map(({ reject }) => reject)).toEqual([false, false]);
    for (let tick = 0; tick < 9; tick++) node.tick();
    expect(node.role).toBe("follower");
  });

  test("the first answer of a voter stays", () => {
    const node = newNode(1, THREE, PAPER);
    node.campaign();
    const ready = node.ready();
    node.step(message("voteResponse", 2, { term: 1 }));
    node.step(message("voteResponse", 2, { term: 1, reject: true }));
    node.advance(ready);
    expect(node.role).toBe("leader");
  });

  test("a repeated answer counts once", () => {
    const node = newNode(1, [1, 2, 3, 4, 5], PAPER);
    node.campaign();
    flush(node);
    for (let i = 0; i < 3; i++) node.step(message("voteResponse", 2, { term: 1 }));
    expect(node.role).toBe("candidate");
  });

  test("B30: a second leader in one term is a broken invariant, not a message to ignore", () => {
    const node = newNode(1, THREE);
    node.step(message("heartbeat", 2, { term: 1 }));
    expect(() => node.step(message("heartbeat", 3, { term: 1 }))).toThrow("lead in term 1");
    const leader = newNode(1, THREE);
    makeLeader(leader, [2, 3]);
    expect(() => leader.step(message("append", 2, { term: 1 }))).toThrow("leads in term 1");
  });

  test("a follower of a living leader votes for nobody else in that term, though its vote is still free", () => {
    const node = newNode(1, THREE, PAPER);
    node.step(message("heartbeat", 2, { term: 1 }));
    flush(node);
    expect(node.status().vote).toBe(0);
    node.step(message("vote", 3, { term: 1, logTerm: 9, index: 9 }));
    expect(flush(node)[0]).toMatchObject({ type: "voteResponse", reject: true });
    expect(node.status().vote).toBe(0);
  });

  test("B7: a server that knows what it promised and has lost the end of its log ends", () => {
    const node = newNode(1, THREE, { storage: storedTerms([1]) });
    expect(() => node.step(message("heartbeat", 2, { term: 1, commit: 2 }))).toThrow(
      "beyond the end of the log",
    );
  });

  test("a server that does not know what it promised grants nothing and never campaigns", () => {
    let mayVote = false;
    const node = newNode(1, THREE, { mayVote: () => mayVote });
    for (let tick = 0; tick < 50; tick++) node.tick();
    node.campaign();
    expect(node).toMatchObject({ role: "follower", term: 0 });
    node.step(message("preVote", 2, { term: 1, logTerm: 1, index: 1 }));
    node.step(message("vote", 2, { term: 1, logTerm: 1, index: 1 }));
    expect(flush(node)).toEqual([]);
    expect(node.status()).toMatchObject({ term: 1, vote: 0 });
    node.step(message("timeoutNow", 2, { term: 1 }));
    expect(node.role).toBe("follower");
    // The server learns how far it had acknowledged. It must not end: it waits to be added anew.
    node.step(message("heartbeat", 2, { term: 1, commit: 40 }));
    flush(node);
    expect(node.commit).toBe(0);
    mayVote = true;
    node.step(message("vote", 3, { term: 2, logTerm: 1, index: 1 }));
    expect(flush(node)).toEqual([]);
    for (let tick = 0; tick < 20; tick++) node.tick();
    expect(node.role).toBe("preCandidate");
  });
});

describe("loyalty to a living leader", () => {
  test("B27: requests for votes are ignored while the leader is heard, unless the leader itself wants the change", () => {
    const node = newNode(1, THREE);
    node.step(message("heartbeat", 2, { term: 1 }));
    flush(node);
    node.step(message("vote", 3, { term: 2, logTerm: 9, index: 9 }));
    node.step(message("preVote", 3, { term: 2, logTerm: 9, index: 9 }));
    expect(flush(node)).toEqual([]);
    expect(node).toMatchObject({ term: 1, leader: 2 });
    const context = TRANSFER_CONTEXT;
    node.step(message("vote", 3, { term: 2, logTerm: 9, index: 9, context }));
    expect(flush(node)[0]).toMatchObject({ type: "voteResponse", term: 2, reject: false });
  });

  test("B27: a server removed without knowing neither disturbs nor hangs the others", () => {
    const network = new Network([1, 2, 3, 4]);
    network.elect(1);
    network.isolate(4);
    network.node(1).proposeConfig({ kind: "remove", id: 4 });
    network.settle();
    const term = network.node(1).term;
    network.heal();
    network.tick(100);
    expect(network.node(4).configuration.voters).toEqual([1, 2, 3, 4]);
    expect(network.leader()).toBe(1);
    expect(network.node(1).term).toBe(term);
    network.propose(1, "a");
    expect(network.member(3).commands).toEqual(["a"]);
  });

  test("B27: a removed server with an up-to-date log does not win, nor stop the others from electing", () => {
    const network = new Network([1, 2, 3, 4]);
    network.elect(1);
    network.cut(1, 4);
    network.node(1).proposeConfig({ kind: "remove", id: 4 });
    network.settle();
    network.isolate(1);
    network.tick(60);
    expect([2, 3]).toContain(network.leader());
    expect(network.node(4).role).not.toBe("leader");
  });

  test("B28: in a partial mesh one leader stays, though a server that does not hear it keeps trying", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.cut(1, 3);
    network.cut(3, 1);
    const term = network.node(1).term;
    network.tick(200);
    expect(network.leader()).toBe(1);
    expect(network.node(1).term).toBe(term);
    network.propose(1, "a");
    expect(network.member(2).commands).toEqual(["a"]);
  });

  test("a follower rests for half of the shortest timeout after its leader, and then for no tick", () => {
    const node = newNode(1, THREE, { electionTicks: 12, heartbeatTicks: 4 });
    expect(node.restTicks).toBe(1);
    node.step(message("heartbeat", 2, { term: 5 }));
    expect(node.restTicks).toBe(6);
    const rests = Array.from({ length: 8 }, () => {
      node.tick();
      return node.restTicks;
    });
    expect(rests).toEqual([5, 4, 3, 2, 1, 1, 1, 1]);
    node.step(message("heartbeat", 2, { term: 5 }));
    expect(node.restTicks).toBe(6);
  });

  test("B29: heartbeats and entries of an older term do not reset the election timer", () => {
    const node = newNode(1, THREE);
    node.step(message("heartbeat", 2, { term: 5 }));
    node.setRandomizedElectionTimeout(10);
    for (let tick = 0; tick < 10; tick++) {
      node.step(message("heartbeat", 3, { term: 4 }));
      node.step(message("append", 3, { term: 4 }));
      node.step(message("snapshot", 3, {
        term: 4,
        snapshot: { index: 9, term: 4, configuration: makeConfiguration(THREE), data: bytesOf("") },
      }));
      node.tick();
    }
    expect(node.role).toBe("preCandidate");
    expect(node.lastIndex).toBe(0);
  });

  test("a server stranded in a later term is brought back by one election", () => {
    const network = new Network(THREE, {}, {
      1: storedTerms([1]),
      2: storedTerms([1]),
      3: storedTerms([1], { term: 9 }),
    });
    network.isolate(3);
    network.elect(1);
    network.heal();
    network.tick(60);
    const leader = network.leader();
    expect(leader).not.toBe(0);
    expect(network.node(leader).term).toBeGreaterThan(9);
    for (const id of THREE) expect(network.node(id).leader).toBe(leader);
  });
});

describe("quorum of the leader", () => {
  test("B24: a leader that hears from no majority steps down within two election timeouts", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.isolate(1);
    network.tick(20, [1]);
    expect(network.node(1)).toMatchObject({ role: "follower", leader: 0, term: 1 });
    expect(network.node(1).propose(bytesOf("a"))).toEqual({ kind: "dropped", reason: "noLeader" });
  });

  test("one of two followers is enough to stay", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.isolate(3);
    network.tick(100, [1, 2]);
    expect(network.node(1).role).toBe("leader");
  });

  test("B42: a leader that can only send steps down, and another one is elected", () => {
    const network = new Network(THREE);
    network.elect(1);
    for (const other of [2, 3]) network.cut(other, 1);
    network.tick(60);
    expect([2, 3]).toContain(network.leader());
    expect(network.node(1).role).not.toBe("leader");
  });

  test("B42: a leader that can only receive is replaced", () => {
    const network = new Network(THREE);
    network.elect(1);
    for (const other of [2, 3]) network.cut(1, other);
    network.tick(60);
    expect([2, 3]).toContain(network.leader());
    expect(network.node(1).role).toBe("follower");
  });

  test("B42: a follower that can only send does not disturb, one that can only receive is kept up to date", () => {
    for (const sendOnly of [true, false]) {
      const network = new Network(THREE);
      network.elect(1);
      for (const other of [1, 2]) {
        if (sendOnly) network.cut(other, 3);
        else network.cut(3, other);
      }
      const term = network.node(1).term;
      network.tick(100);
      expect(network.leader()).toBe(1);
      expect(network.node(1).term).toBe(term);
      network.propose(1, "a");
      if (!sendOnly) expect(network.member(3).commands).toEqual(["a"]);
      network.heal();
      network.tick(30);
      expect(network.member(3).commands).toEqual(["a"]);
      expect(network.node(1).term).toBe(term);
    }
  });
});

describe("terms", () => {
  test("every answer carries the term of the answering server", () => {
    const node = newNode(1, THREE, { storage: storedTerms([1], { term: 6 }) });
    const inputs = [
      message("append", 2, { term: 6, index: 1, logTerm: 1 }),
      message("append", 2, { term: 6, index: 7, logTerm: 5 }),
      message("append", 2, { term: 3, index: 1, logTerm: 1 }),
      message("heartbeat", 2, { term: 6 }),
      message("heartbeat", 3, { term: 2 }),
      message("vote", 3, { term: 6 }),
    ];
    for (const input of inputs) {
      node.step(input);
      expect(flush(node).map(({ term }) => term)).toEqual([6]);
    }
  });

  test("a candidate follows a leader of its own term", () => {
    const node = newNode(1, THREE, PAPER);
    node.campaign();
    node.step(message("append", 2, { term: 1, entries: entriesOf([1]) }));
    expect(node).toMatchObject({ role: "follower", leader: 2, term: 1, lastIndex: 1 });
  });
});
