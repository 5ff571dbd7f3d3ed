/** Changes of the configuration, one server at a time, in force from the append on. */
import { describe, expect, test } from "bun:test";
import { type ConfigChange, encodeConfiguration } from "./configuration.ts";
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
import type { NodeId } from "./types.ts";

const THREE = [1, 2, 3];

function tryChange(network: Network, kind: ConfigChange["kind"], id: NodeId): string {
  const result = network.node(network.leader()).proposeConfig({ kind, id });
  network.settle();
  return result.kind === "dropped" ? result.reason : result.kind;
}

/** Asks a second time when the members were at rest, since they have shown by now that they can write. */
function change(network: Network, kind: ConfigChange["kind"], id: NodeId): string {
  const result = tryChange(network, kind, id);
  return result === "writesUnproven" ? tryChange(network, kind, id) : result;
}

function withLearner(): Network {
  const network = new Network(THREE);
  network.elect(1);
  network.add(4, { storage: undefined });
  expect(change(network, "addLearner", 4)).toBe("appended");
  return network;
}

describe("adding a server", () => {
  test("it listens first, catches up, and is then promoted", () => {
    const network = withLearner();
    network.propose(1, "a");
    expect(network.member(4).commands).toEqual(["a"]);
    expect(network.node(4).configuration).toEqual({ voters: THREE, learners: [4] });
    expect(change(network, "promote", 4)).toBe("appended");
    expect(network.node(4).configuration).toEqual({ voters: [1, 2, 3, 4], learners: [] });
    network.isolate(3);
    network.isolate(4);
    network.propose(1, "b");
    expect(network.member(2).commands).toEqual(["a"]);
    network.heal();
    network.isolate(3);
    network.tick(3);
    expect(network.member(2).commands).toEqual(["a", "b"]);
  });

  test("a learner does not count for commitment, nor does it campaign", () => {
    const network = withLearner();
    network.isolate(2);
    network.isolate(3);
    const before = network.node(1).commit;
    network.propose(1, "a");
    expect(network.node(1).commit).toBe(before);
    network.tick(60, [4]);
    expect(network.node(4).role).toBe("follower");
  });

  test("a leader that hears nobody but a learner steps down", () => {
    const network = withLearner();
    for (const voter of [2, 3]) network.isolate(voter);
    network.tick(20, [1, 4]);
    expect(network.node(1)).toMatchObject({ role: "follower", leader: 0 });
  });

  test("one that lags or is silent is not promoted", () => {
    const network = withLearner();
    network.isolate(4);
    for (let i = 0; i < 70; i++) network.propose(1, `${i}`);
    expect(change(network, "promote", 4)).toBe("notCaughtUp");
    network.heal();
    network.tick(3);
    network.isolate(4);
    network.tick(12);
    expect(change(network, "promote", 4)).toBe("notCaughtUp");
    network.heal();
    network.tick(3);
    expect(change(network, "promote", 4)).toBe("appended");
  });

  test("one that joins late is brought up by a snapshot that does not know it", () => {
    const network = new Network(THREE);
    network.elect(1);
    for (let i = 0; i < 5; i++) network.propose(1, `${i}`);
    network.member(1).compact();
    network.add(4);
    change(network, "addLearner", 4);
    network.tick(3);
    expect(network.member(4).commands).toEqual(["0", "1", "2", "3", "4"]);
    expect(network.node(4).configuration.learners).toEqual([4]);
  });
});

describe("removing a server", () => {
  test("the rest goes on with the smaller majority", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.isolate(3);
    expect(change(network, "remove", 3)).toBe("appended");
    network.propose(1, "a");
    expect(network.member(2).commands).toEqual(["a"]);
    expect(network.node(2).configuration.voters).toEqual([1, 2]);
    expect(network.node(1).status().progress.map(({ id }) => id)).toEqual([1, 2]);
  });

  test("is refused when those in contact would be no majority, or when it is the leader", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.isolate(3);
    network.tick(12);
    expect(change(network, "remove", 2)).toBe("wouldLoseQuorum");
    expect(change(network, "remove", 1)).toBe("removesLeader");
    expect(change(network, "remove", 9)).toBe("notMember");
    expect(change(network, "remove", 3)).toBe("appended");
  });
});

describe("a disk that hangs", () => {
  /** Hangs a member's disk: it answers heartbeats, and has nothing durable to acknowledge any more. */
  function hang(network: Network, id: NodeId): void {
    network.drop = ({ type, from }) => type === "appendResponse" && from === id;
  }

  /**
   * Network in which the disk of `id` hangs after all members have written everything, and nothing more is
   * written.
   */
  function atRestWith(id: NodeId, network = new Network(THREE)): Network {
    if (!network.node(1).status().ownTermCommitted) network.elect(1);
    network.propose(1, "a");
    network.tick(30);
    hang(network, id);
    network.tick(30);
    return network;
  }

  test("beside it no healthy voter is removed: the smaller group could commit nothing", () => {
    const network = atRestWith(3);
    expect(tryChange(network, "remove", 2)).toBe("writesUnproven");
    network.tick(9);
    expect(tryChange(network, "remove", 2)).toBe("writesUnproven");
    network.tick(1);
    expect(tryChange(network, "remove", 2)).toBe("wouldLoseQuorum");
    expect(network.node(1).status().progress.map(({ diskHangs }) => diskHangs)).toEqual([false, false, true]);
    expect(change(network, "remove", 3)).toBe("appended");
    network.propose(1, "b");
    expect(network.member(2).commands).toEqual(["a", "b"]);
  });

  test("of a new leader's follower, that has written nothing in its term, shows as well", () => {
    const network = new Network(THREE);
    hang(network, 3);
    network.elect(1);
    network.tick(12);
    expect(change(network, "remove", 2)).toBe("wouldLoseQuorum");
    expect(change(network, "remove", 3)).toBe("appended");
  });

  test("that has completed a write a moment ago, and owes one since, is waited for", () => {
    const network = new Network(THREE);
    network.elect(1);
    hang(network, 3);
    network.propose(1, "a");
    network.tick(5);
    expect(tryChange(network, "remove", 2)).toBe("writesUnproven");
    network.tick(5);
    expect(tryChange(network, "remove", 2)).toBe("wouldLoseQuorum");
  });

  test("while commands go on it is the same: what it wrote before proves nothing", () => {
    const network = atRestWith(3);
    for (let i = 0; i < 12; i++) {
      network.propose(1, `${i}`);
      network.tick(1);
    }
    expect(tryChange(network, "remove", 2)).toBe("wouldLoseQuorum");
  });

  test("members at rest show that they can write, and the change goes on; nobody is asked twice", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.tick(30);
    const { lastIndex } = network.node(1);
    expect(tryChange(network, "remove", 2)).toBe("writesUnproven");
    expect(network.node(1).lastIndex).toBe(lastIndex + 1);
    expect(tryChange(network, "remove", 2)).toBe("appended");
    const hung = atRestWith(3);
    const { lastIndex: before } = hung.node(1);
    for (let i = 0; i < 30; i++) {
      tryChange(hung, "remove", 2);
      hung.tick(1);
    }
    expect(hung.node(1).lastIndex).toBe(before + 1);
  });

  test("a learner is given no vote, though it lacks few entries: neither one that never acknowledged any", () => {
    const network = atRestWith(4, withLearner());
    expect(change(network, "promote", 4)).toBe("writesUnproven");
    network.tick(12);
    expect(change(network, "promote", 4)).toBe("diskHangs");
    network.drop = () => false;
    network.tick(3);
    expect(change(network, "promote", 4)).toBe("appended");

    const never = new Network(THREE);
    never.elect(1);
    hang(never, 4);
    never.add(4, { storage: undefined });
    expect(change(never, "addLearner", 4)).toBe("appended");
    never.tick(12);
    expect(change(never, "promote", 4)).toBe("diskHangs");
  });

  test("of one voter keeps no healthy learner from being promoted", () => {
    const network = atRestWith(3, withLearner());
    expect(change(network, "promote", 4)).toBe("appended");
    network.propose(1, "b");
    expect(network.member(4).commands).toEqual(["a", "b"]);
  });
});

describe("safety of changes", () => {
  test("B1: a leader changes nothing before an entry of its own term is committed", () => {
    const node = newNode(1, THREE, { storage: storedTerms([1], { commit: 1 }) });
    makeLeader(node, [2, 3]);
    const add = { kind: "addLearner", id: 4 } as const;
    expect(node.proposeConfig(add)).toEqual({ kind: "dropped", reason: "noOwnTermCommit" });
    node.step(message("appendResponse", 2, { term: 2, index: 2 }));
    flush(node);
    expect(node.proposeConfig(add).kind).toBe("appended");
  });

  test("at most one change is uncommitted", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.isolate(1);
    expect(change(network, "addLearner", 4)).toBe("appended");
    expect(change(network, "addLearner", 5)).toBe("configPending");
    network.heal();
    network.tick(3);
    expect(change(network, "addLearner", 5)).toBe("appended");
  });

  test("B6: an uncommitted change that is overwritten is undone with its entry, also after a restart", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.isolate(1);
    change(network, "addLearner", 4);
    network.member(1).restart();
    expect(network.node(1).configuration.learners).toEqual([4]);
    network.tick(60, [2, 3]);
    network.heal();
    network.tick(30);
    expect(network.leader()).not.toBe(1);
    expect(network.node(1).configuration).toEqual({ voters: THREE, learners: [] });
  });

  test("B3: whatever of a change got through before the leader died, the others elect somebody", () => {
    for (const kind of ["addLearner", "promote", "remove"] as const) {
      // Every subset of the others may still have got the entry of the change from the leader.
      for (let reached = 0; reached < 8; reached++) {
        const network = new Network(THREE);
        network.elect(1);
        network.add(4);
        if (kind !== "addLearner") change(network, "addLearner", 4);
        if (kind === "remove") change(network, "promote", 4);
        expect(network.node(1).proposeConfig({ kind, id: 4 }).kind).toBe("appended");
        network.collect();
        for (const sent of network.take()) if (reached & (1 << (sent.to - 2))) network.deliver(sent);
        network.isolate(1);
        network.tick(80, [2, 3, 4]);
        const leader = network.leader();
        expect({ kind, reached, leader }).not.toEqual({ kind, reached, leader: 1 });
        network.propose(leader, "goes on");
        expect(network.member(leader).commands).toEqual(["goes on"]);
      }
    }
  });

  test("B4: a change is one entry: nothing has to follow, that could come too early or never", () => {
    const network = withLearner();
    const { lastIndex } = network.node(1);
    change(network, "promote", 4);
    network.tick(30);
    expect(network.node(1)).toMatchObject({ lastIndex: lastIndex + 1, commit: lastIndex + 1 });
    expect(network.node(1).status().configurationPending).toBe(false);
  });

  test("B2: a candidate uses the configuration of its log's end, committed or not", () => {
    const network = new Network(THREE);
    network.add(4);
    network.elect(1);
    change(network, "addLearner", 4);
    change(network, "promote", 4);
    // Servers 2 and 4 are no majority of four.
    network.isolate(1);
    network.isolate(3);
    network.tick(60, [2, 4]);
    expect(network.node(2).role).not.toBe("leader");
    expect(network.node(4).role).not.toBe("leader");
  });

  test("B2: after a restart, too, when nothing is known to be committed and nothing is applied", () => {
    const cases = [
      { voters: [1, 2, 3, 4], votes: [3], elected: false },
      { voters: [1, 2, 3, 4], votes: [3, 4], elected: true },
      // 3 was removed: its vote no longer counts, and 1's is needed.
      { voters: [1, 2], votes: [3], elected: false },
      { voters: [1, 2], votes: [1], elected: true },
    ];
    for (const { voters, votes, elected } of cases) {
      const data = encodeConfiguration({ voters, learners: [] });
      const entries = [...entriesOf([1]), { term: 1, index: 2, kind: "config", data } as const];
      const node = newNode(2, THREE, { ...PAPER, storage: storedLog({ entries }) });
      expect(node).toMatchObject({ commit: 0, applied: 0 });
      node.campaign();
      flush(node);
      for (const from of votes) node.step(message("voteResponse", from, { to: 2, term: 2 }));
      expect({ voters, votes, elected: node.role === "leader" }).toEqual({ voters, votes, elected });
    }
  });

  test("a change is durable like any entry, and comes back after a restart", () => {
    const network = withLearner();
    change(network, "promote", 4);
    for (const member of network.members.values()) {
      member.restart();
      expect(member.node.configuration.voters).toEqual([1, 2, 3, 4]);
    }
    network.tick(60);
    network.propose(network.leader(), "a");
    for (const member of network.members.values()) expect(member.commands).toEqual(["a"]);
  });

  test("a snapshot carries the configuration of its index", () => {
    const network = withLearner();
    const index = network.node(1).applied;
    network.propose(1, "a");
    change(network, "promote", 4);
    const { configuration } = network.node(1).makeSnapshot(index, bytesOf(""));
    expect(configuration).toEqual({ voters: THREE, learners: [4] });
  });

  test("a server without any configuration waits to be added", () => {
    const node = newNode(9, []);
    for (let tick = 0; tick < 100; tick++) node.tick();
    node.campaign();
    expect(node).toMatchObject({ role: "follower", term: 0 });
    node.step(message("append", 2, { to: 9, term: 1, entries: entriesOf([1]) }));
    expect(flush(node)[0]).toMatchObject({ type: "appendResponse", index: 1 });
  });
});
