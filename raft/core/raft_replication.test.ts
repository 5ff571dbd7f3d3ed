/**
 * Replication under loss, conflicts and snapshots. The B numbers are classes of bugs found in other
 * implementations.
 */
import { describe, expect, test } from "bun:test";
import type { BrokenRules } from "./broken_rules.ts";
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
  type TestOptions,
} from "./testing.ts";
import type { RawNode } from "./raw_node.ts";
import type { MemberProgress } from "./status.ts";
import type { NodeId, Snapshot, Term } from "./types.ts";

const THREE = [1, 2, 3];

/** A leader that both followers have acknowledged everything to. */
function settledLeader(options: TestOptions = {}): RawNode {
  const node = newNode(1, THREE, options);
  makeLeader(node, [2, 3]);
  for (const from of [2, 3]) acknowledge(node, from);
  flush(node);
  return node;
}

function acknowledge(node: RawNode, from: NodeId, index = node.lastIndex): void {
  node.step(message("appendResponse", from, { term: node.term, index }));
}

function progressOf(node: RawNode, id: NodeId): MemberProgress {
  return node.status().progress.find((member) => member.id === id)!;
}

function terms(node: RawNode): (Term | null)[] {
  return Array.from({ length: node.lastIndex }, (_, at) => node.entryTerm(at + 1));
}

function snapshotAt(index: number, term: Term): Snapshot {
  return { index, term, configuration: { voters: THREE, learners: [] }, data: bytesOf("[]") };
}

describe("acknowledgements", () => {
  test("a follower acknowledges what was asked, not the end of its log", () => {
    const node = newNode(1, THREE, { storage: storedTerms([1, 1, 1, 1]) });
    node.step(message("append", 2, { term: 2, index: 1, logTerm: 1, entries: entriesOf([1], 2) }));
    expect(flush(node)[0]).toMatchObject({ type: "appendResponse", index: 2, reject: false });
  });

  test("B9: a delayed message does not take back what was acknowledged since", () => {
    const node = newNode(1, THREE);
    const early = message("append", 2, { term: 1, entries: entriesOf([1]) });
    node.step(message("append", 2, { term: 1, entries: entriesOf([1, 1, 1]) }));
    flush(node);
    node.step(early);
    expect(node.lastIndex).toBe(3);
    expect(node.hasReady()).toBe(true);
    expect(node.ready().entries).toEqual([]);
  });

  test("B10: an acknowledgement of an earlier term is not counted", () => {
    const node = newNode(1, THREE, { storage: storedTerms([1, 1, 1]) });
    makeLeader(node, [2, 3]);
    node.step(message("appendResponse", 2, { term: 1, index: 3 }));
    expect(progressOf(node, 2).match).toBe(0);
  });

  test("B13: a late rejection does not move what is sent next behind what is acknowledged", () => {
    const node = settledLeader();
    node.propose(bytesOf("a"));
    acknowledge(node, 2, 2);
    node.step(message("appendResponse", 2, { term: 1, index: 1, reject: true, rejectHint: 0 }));
    expect(progressOf(node, 2)).toMatchObject({ match: 2, next: 3, state: "replicate" });
  });

  test("an acknowledgement beyond the leader's log is a broken invariant", () => {
    const node = settledLeader();
    expect(() => acknowledge(node, 2, 99)).toThrow("does not hold");
  });

  test("an answer of a stranger is ignored", () => {
    const node = settledLeader();
    node.propose(bytesOf("a"));
    flush(node);
    acknowledge(node, 9);
    node.step(message("heartbeatResponse", 9, { term: node.term }));
    expect(node.commit).toBe(1);
  });
});

describe("commit", () => {
  /** Figure 8 of the paper: an entry of term 2 on a majority, while another server holds one of term 3. */
  function figureEight(broken: BrokenRules): Network {
    const network = new Network([1, 2, 3, 4, 5], { ...PAPER, broken }, {
      1: storedTerms([1, 2], { term: 3 }),
      2: storedTerms([1, 2], { term: 2 }),
      3: storedTerms([1], { term: 3 }),
      4: storedTerms([1], { term: 3 }),
      5: storedTerms([1, 3], { term: 3 }),
    });
    network.isolate(5);
    network.isolate(4);
    // Server 1 gets the old entry onto a majority, but its own first one onto nobody.
    network.drop = ({ type, entries, index }) =>
      type === "append" && index + entries.length > 2 && entries.length > 0;
    network.node(1).campaign();
    network.settle();
    for (const to of [2, 3]) {
      const entries = entriesOf([2], 2);
      network.node(to).step(message("append", 1, { to, term: 4, index: 1, logTerm: 1, entries }));
    }
    network.settle();
    return network;
  }

  test("B14: an entry of an older term on a majority is not committed: it can still be overwritten", () => {
    const network = figureEight(new Set());
    expect(network.node(1)).toMatchObject({ role: "leader", term: 4, commit: 0 });
    network.heal();
    network.isolate(1);
    for (let attempt = 0; attempt < 3 && network.node(5).role !== "leader"; attempt++) {
      network.node(5).campaign();
      network.settle();
    }
    network.heal();
    network.propose(5, "later");
    network.tick(3);
    for (const id of [1, 2, 3, 4, 5]) expect(terms(network.node(id)).slice(0, 2)).toEqual([1, 3]);
  });

  test("B14: with the rule switched off the same run commits it, and loses it", () => {
    const network = figureEight(new Set(["commit-old-term"]));
    expect(network.node(1).commit).toBe(2);
    network.heal();
    network.isolate(1);
    for (let attempt = 0; attempt < 3 && network.node(5).role !== "leader"; attempt++) {
      network.node(5).campaign();
      network.settle();
    }
    network.propose(5, "later");
    network.tick(3, [2, 3, 4, 5]);
    const committed = (id: NodeId) => network.node(id).commit >= 2 && network.node(id).entryTerm(2);
    expect([committed(1), committed(5)]).toEqual([2, 3]);
  });

  test("a new leader's own entry commits what it inherited", () => {
    const network = new Network(THREE, {}, {
      1: storedTerms([1, 2]),
      2: storedTerms([1]),
      3: storedTerms([1]),
    });
    network.elect(1);
    expect(network.node(3)).toMatchObject({ commit: 3, lastIndex: 3 });
    expect(network.member(3).commands).toEqual(["1/1", "2/2"]);
  });

  test("a heartbeat commits only what is known to match", () => {
    const node = settledLeader();
    node.propose(bytesOf("a"));
    acknowledge(node, 2);
    flush(node);
    expect(node.commit).toBe(2);
    node.tick();
    const commits = flush(node).map(({ type, to, commit }) => [type, to, commit]);
    expect(commits).toEqual([["heartbeat", 2, 2], ["heartbeat", 3, 1]]);
  });

  test("B44: a follower learns the last commit without waiting for a heartbeat", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.cut(3, 1);
    network.propose(1, "a");
    network.propose(1, "b");
    network.sent.length = 0;
    network.heal();
    // An earlier acknowledgement of server 3 arrives late; nobody ticks.
    network.post(message("appendResponse", 3, { term: 1, index: 2 }));
    network.settle();
    expect(network.node(3).commit).toBe(network.node(1).commit);
    expect(network.member(3).commands).toEqual(["a", "b"]);
  });

  test("B44: a commit that an acknowledgement shows to be unknown is told at once", () => {
    const node = settledLeader();
    node.propose(bytesOf("a"));
    flush(node);
    acknowledge(node, 2);
    flush(node);
    node.reportUnreachable(3);
    node.step(message("heartbeatResponse", 3, { term: 1 }));
    expect(flush(node).map(({ type, to, commit }) => [type, to, commit])).toEqual([["append", 3, 2]]);
    const late = settledLeader({ maxInflight: 1 });
    late.propose(bytesOf("a"));
    flush(late);
    acknowledge(late, 2);
    // Server 3's window is full: it is told of the commit only after it acknowledges.
    expect(flush(late).map(({ type, to }) => [type, to])).toEqual([["append", 2]]);
    acknowledge(late, 3);
    expect(flush(late).map(({ type, to, commit }) => [type, to, commit])).toEqual([["append", 3, 2]]);
  });
});

describe("finding the match", () => {
  function probesOf(leader: readonly Term[], follower: readonly Term[]): number {
    const network = new Network(THREE, PAPER, {
      1: storedTerms(leader, { term: 10 }),
      2: storedTerms(follower, { term: 9 }),
      3: storedTerms(leader, { term: 10 }),
    });
    network.elect(1);
    expect(terms(network.node(2))).toEqual(terms(network.node(1)));
    return network.sent.filter(({ type, from, reject }) => type === "appendResponse" && from === 2 && reject)
      .length;
  }

  const repeat = (term: Term, count: number): Term[] => Array.from({ length: count }, () => term);

  test("a long tail of the follower's is skipped term by term", () => {
    expect(probesOf([...repeat(1, 3), ...repeat(3, 4), 8], [...repeat(1, 3), ...repeat(4, 30)])).toBeLessThan(
      4,
    );
  });

  test("a long tail of the leader's is skipped term by term", () => {
    expect(probesOf([1, ...repeat(3, 15), ...repeat(5, 15)], [1, 1, ...repeat(2, 29)])).toBeLessThan(4);
  });

  test("a rejection tells the last place that can match", () => {
    const node = newNode(1, THREE, { storage: storedTerms([1, 3, 3, 4, 4, 5, 5, 5, 6]) });
    node.step(message("append", 2, { term: 8, index: 8, logTerm: 3, entries: [] }));
    expect(flush(node)[0]).toMatchObject({ reject: true, index: 8, rejectHint: 3, logTerm: 3 });
  });

  test("the leader probes only where its own terms allow a match", () => {
    const node = newNode(1, THREE, { storage: storedTerms([1, 3, 3, 3, 5, 5, 5, 5, 5], { term: 6 }) });
    makeLeader(node, [2, 3]);
    node.step(message("appendResponse", 2, { term: 7, index: 9, reject: true, rejectHint: 6, logTerm: 2 }));
    expect(flush(node)[0]).toMatchObject({ type: "append", to: 2, index: 1, logTerm: 1 });
  });
});

describe("flow", () => {
  test("proposals are sent ahead of acknowledgements until the window is full", () => {
    const node = settledLeader({ maxInflight: 3 });
    for (let i = 0; i < 5; i++) node.propose(bytesOf(`${i}`));
    expect(flush(node).filter(({ to }) => to === 2).length).toBe(3);
    expect(progressOf(node, 2)).toMatchObject({ inflight: 3, paused: true });
    acknowledge(node, 2, 2);
    const freed = flush(node).filter(({ to, entries }) => to === 2 && entries.length > 0);
    expect(freed.flatMap(({ entries }) => entries.map(({ index }) => index))).toEqual([5, 6]);
  });

  test("B45: a window whose messages were all lost is reopened by a heartbeat's answer", () => {
    const network = new Network(THREE, { maxInflight: 3 });
    network.elect(1);
    network.isolate(3);
    for (let i = 0; i < 6; i++) network.propose(1, `${i}`);
    expect(progressOf(network.node(1), 3)).toMatchObject({ inflight: 3, paused: true });
    network.heal();
    network.tick(2);
    expect(network.member(3).commands).toEqual(["0", "1", "2", "3", "4", "5"]);
    expect(progressOf(network.node(1), 3)).toMatchObject({ inflight: 0, state: "replicate" });
  });

  test("with a full window one empty message per heartbeat's answer probes for what became of it", () => {
    const node = settledLeader({ maxInflight: 1 });
    node.propose(bytesOf("a"));
    node.propose(bytesOf("b"));
    flush(node);
    for (let i = 0; i < 3; i++) {
      node.step(message("heartbeatResponse", 2, { term: 1 }));
      const sent = flush(node);
      expect(sent.map(({ type, to, entries }) => [type, to, entries.length])).toEqual([["append", 2, 0]]);
    }
  });

  test("entries travel in messages of at most maxMessageBytes", () => {
    const node = newNode(1, THREE, { storage: storedTerms([1, 1, 1, 1]), maxMessageBytes: 60 });
    makeLeader(node, [2, 3]);
    node.step(message("appendResponse", 2, { term: 2, index: 4, reject: true, rejectHint: 0 }));
    expect(flush(node)[0]!.entries.length).toBe(2);
    acknowledge(node, 2, 2);
    const sent = flush(node).filter(({ to }) => to === 2);
    expect(sent.map(({ entries }) => entries.map(({ index }) => index))).toEqual([[3, 4], [5]]);
  });

  test("an unreachable member is probed, one message at a time", () => {
    const node = settledLeader();
    node.reportUnreachable(2);
    expect(progressOf(node, 2).state).toBe("probe");
    for (let i = 0; i < 3; i++) node.propose(bytesOf(`${i}`));
    expect(flush(node).filter(({ to }) => to === 2).length).toBe(1);
    acknowledge(node, 2, 2);
    expect(progressOf(node, 2).state).toBe("replicate");
  });

  test("a member that is probed although it has everything returns to replication with the next heartbeat", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.node(1).reportUnreachable(3);
    expect(progressOf(network.node(1), 3).state).toBe("probe");
    network.tick(1);
    expect(progressOf(network.node(1), 3).state).toBe("replicate");
  });

  test("B43: what is not committed is bounded, and accepted again when it is", () => {
    const node = settledLeader({ maxUncommittedBytes: 100 });
    const payload = bytesOf("x".repeat(40));
    expect(node.propose(payload).kind).toBe("appended");
    expect(node.propose(payload).kind).toBe("appended");
    expect(node.propose(payload)).toEqual({ kind: "dropped", reason: "tooMuchUncommitted" });
    flush(node);
    for (let tick = 0; tick < 8; tick++) node.tick();
    expect(node.propose(payload)).toEqual({ kind: "dropped", reason: "tooMuchUncommitted" });
    acknowledge(node, 2);
    flush(node);
    expect(node.propose(payload).kind).toBe("appended");
  });

  test("B43: a single proposal larger than the bound still passes", () => {
    const node = settledLeader({ maxUncommittedBytes: 10 });
    expect(node.propose(bytesOf("x".repeat(50))).kind).toBe("appended");
  });
});

describe("snapshots", () => {
  function withCompactedLeader(): Network {
    const network = new Network(THREE);
    network.elect(1);
    network.isolate(3);
    for (let i = 0; i < 5; i++) network.propose(1, `${i}`);
    network.member(1).compact();
    network.heal();
    return network;
  }

  test("a member that needs what is gone gets the snapshot and then the log", () => {
    const network = withCompactedLeader();
    network.propose(1, "5");
    network.tick(3);
    expect(network.member(3).commands).toEqual(["0", "1", "2", "3", "4", "5"]);
    expect(network.node(3).firstIndex).toBe(7);
    expect(progressOf(network.node(1), 3)).toMatchObject({ state: "replicate", match: 7 });
    network.member(3).restart();
    network.tick(3);
    expect(network.member(3).commands).toEqual(["0", "1", "2", "3", "4", "5"]);
  });

  test("entries kept behind the snapshot spare it", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.isolate(3);
    for (let i = 0; i < 5; i++) network.propose(1, `${i}`);
    network.member(1).compact(5);
    network.heal();
    network.tick(3);
    expect(network.sent.some(({ type }) => type === "snapshot")).toBe(false);
    expect(network.member(3).commands.length).toBe(5);
  });

  test("nothing is sent while a snapshot is on its way; a report of its loss sends it again", () => {
    const network = withCompactedLeader();
    network.drop = ({ type }) => type === "snapshot";
    network.tick(3);
    expect(progressOf(network.node(1), 3).state).toBe("snapshot");
    expect(network.sent.filter(({ type }) => type === "snapshot").length).toBe(1);
    network.node(1).reportSnapshot(3, false);
    expect(progressOf(network.node(1), 3)).toMatchObject({ state: "probe", match: 1, next: 2 });
    network.heal();
    network.tick(3);
    expect(network.member(3).commands.length).toBe(5);
  });

  test("a lost snapshot that nobody reports is sent again after a while", () => {
    const network = withCompactedLeader();
    network.drop = ({ type }) => type === "snapshot";
    network.tick(3);
    network.heal();
    network.tick(105);
    expect(network.member(3).commands.length).toBe(5);
  });

  test("a snapshot is not sent to a member that does not answer", () => {
    const network = withCompactedLeader();
    network.isolate(3);
    network.tick(30);
    network.node(1).reportUnreachable(3);
    network.propose(1, "x");
    expect(network.sent.some(({ type }) => type === "snapshot")).toBe(false);
  });

  test("an old snapshot is answered with what is committed; a matching one only moves the commit index", () => {
    const node = newNode(1, THREE, { storage: storedTerms([1, 1, 1, 1], { commit: 2 }) });
    node.step(message("snapshot", 2, { term: 1, snapshot: snapshotAt(2, 1) }));
    expect(flush(node)[0]).toMatchObject({ type: "appendResponse", index: 2 });
    const restored = newNode(1, THREE, { storage: storedLog({ snapshot: snapshotAt(5, 1) }) });
    restored.step(message("snapshot", 2, { term: 1, snapshot: snapshotAt(3, 1) }));
    expect(flush(restored)[0]).toMatchObject({ type: "appendResponse", index: 5 });
    node.step(message("snapshot", 2, { term: 1, snapshot: snapshotAt(3, 1) }));
    const ready = node.ready();
    expect(ready.snapshot).toBeNull();
    expect(ready.messagesAfterAppend[0]).toMatchObject({ type: "appendResponse", index: 3 });
    expect(node).toMatchObject({ commit: 3, lastIndex: 4 });
  });

  test("a snapshot is acknowledged only when it is on disk, and blocks campaigns until then", () => {
    const node = newNode(1, THREE);
    node.step(message("snapshot", 2, { term: 2, snapshot: snapshotAt(5, 2) }));
    const ready = node.ready();
    expect(ready).toMatchObject({ snapshot: { index: 5 }, messages: [], mustSync: true });
    expect(ready.messagesAfterAppend[0]).toMatchObject({ type: "appendResponse", index: 5 });
    node.campaign();
    expect(node.role).toBe("follower");
    node.advance(ready);
    expect(node.applied).toBe(5);
    node.campaign();
    expect(node.role).toBe("preCandidate");
  });

  test("a server that joins takes a snapshot of a configuration that does not hold it yet", () => {
    const node = newNode(4, []);
    node.step(message("snapshot", 2, { to: 4, term: 2, snapshot: snapshotAt(5, 2) }));
    expect(flush(node)[0]).toMatchObject({ type: "appendResponse", index: 5 });
    expect(node).toMatchObject({ lastIndex: 5, configuration: { voters: THREE, learners: [] } });
  });

  test("B12: a snapshot that overtakes writes under way leaves the log as it is, whatever ends first", () => {
    const node = newNode(1, THREE);
    node.step(message("append", 2, { term: 1, entries: entriesOf([1, 1, 1, 1, 1, 1, 1]) }));
    const writes = node.ready();
    node.step(message("snapshot", 3, { term: 2, snapshot: snapshotAt(5, 2) }));
    const restore = node.ready();
    node.step(message("append", 3, { term: 2, index: 5, logTerm: 2, entries: entriesOf([2], 6), commit: 6 }));
    const more = node.ready();
    expect([restore.committed, more.committed]).toEqual([[], []]);
    node.advance(writes);
    expect(node.status().stable).toBe(5);
    node.advance(restore);
    expect(node.applied).toBe(5);
    node.advance(more);
    expect(node.status()).toMatchObject({ lastIndex: 6, stable: 6, commit: 6 });
    expect(node.ready().committed.map(({ index }) => index)).toEqual([6]);
  });

  test("B12: truncation while a write is under way", () => {
    const node = newNode(1, THREE);
    node.step(message("append", 2, { term: 1, entries: entriesOf([1, 1, 1]) }));
    const first = node.ready();
    node.step(message("append", 3, { term: 2, index: 1, logTerm: 1, entries: entriesOf([2], 2) }));
    const second = node.ready();
    expect(second.entries.map(({ index, term }) => [index, term])).toEqual([[2, 2]]);
    node.advance(first);
    expect(node.status().stable).toBe(1);
    node.advance(second);
    expect(node.status()).toMatchObject({ stable: 2, lastIndex: 2 });
  });
});
