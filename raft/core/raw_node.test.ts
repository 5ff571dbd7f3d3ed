/** The contract of Ready and advance. */
import { describe, expect, test } from "bun:test";
import {
  bytesOf,
  entriesOf,
  flush,
  makeLeader,
  message,
  newNode,
  PAPER,
  storedLog,
  storedTerms,
  textOf,
} from "./testing.ts";
import type { RawNode } from "./raw_node.ts";
import type { Message, Ready } from "./types.ts";

const THREE = [1, 2, 3];

function types(messages: readonly Message[]): string[] {
  return messages.map(({ type, to }) => `${type}>${to}`);
}

function data(ready: Ready): string[] {
  return ready.committed.filter((entry) => entry.data.length > 0).map((entry) => textOf(entry.data));
}

function acknowledge(node: RawNode, from: number, index = node.lastIndex): void {
  node.step(message("appendResponse", from, { term: node.term, index }));
}

describe("durable before the message leaves", () => {
  test("B7: a vote is asked for only when the candidate's own is on disk", () => {
    const node = newNode(1, THREE, PAPER);
    node.campaign();
    const ready = node.ready();
    expect(ready.hardState).toEqual({ term: 1, vote: 1, commit: 0 });
    expect(ready.mustSync).toBe(true);
    expect(ready.messages).toEqual([]);
    expect(types(ready.messagesAfterAppend)).toEqual(["vote>2", "vote>3"]);
  });

  test("B7: a candidate's own vote counts only when it is on disk", () => {
    const node = newNode(1, THREE, PAPER);
    node.campaign();
    const ready = node.ready();
    node.step(message("voteResponse", 2, { term: 1 }));
    expect(node.role).toBe("candidate");
    node.advance(ready);
    expect(node.role).toBe("leader");
  });

  test("B7: a vote is given, and a pre-vote answered, only when term and vote are on disk", () => {
    const node = newNode(1, THREE);
    node.step(message("vote", 2, { term: 4 }));
    const vote = node.ready();
    expect(vote.messages).toEqual([]);
    expect(types(vote.messagesAfterAppend)).toEqual(["voteResponse>2"]);
    expect(vote.hardState).toEqual({ term: 4, vote: 2, commit: 0 });
    node.step(message("preVote", 3, { term: 5 }));
    expect(types(node.ready().messagesAfterAppend)).toEqual(["preVoteResponse>3"]);
  });

  test("B7: after a restart a server votes for nobody else in the same term", () => {
    const stored = storedLog({ hardState: { term: 4, vote: 2, commit: 0 }, empty: false });
    const node = newNode(1, THREE, { storage: stored });
    node.step(message("vote", 3, { term: 4 }));
    expect(flush(node)[0]).toMatchObject({ type: "voteResponse", to: 3, reject: true });
    node.step(message("vote", 2, { term: 4 }));
    expect(flush(node)[0]).toMatchObject({ type: "voteResponse", to: 2, reject: false });
  });

  test("B8: entries are acknowledged only when they are on disk", () => {
    const node = newNode(1, THREE);
    node.step(message("append", 2, { term: 1, entries: entriesOf([1]) }));
    const ready = node.ready();
    expect(ready.messages).toEqual([]);
    expect(ready.entries.length).toBe(1);
    expect(types(ready.messagesAfterAppend)).toEqual(["appendResponse>2"]);
  });

  test("B8: entries alone must be synced, without a new term or vote", () => {
    const node = newNode(1, THREE);
    node.step(message("append", 2, { term: 1, entries: entriesOf([1]) }));
    flush(node);
    node.step(message("append", 2, { term: 1, logTerm: 1, index: 1, entries: entriesOf([1], 2) }));
    expect(node.ready()).toMatchObject({ hardState: null, mustSync: true });
  });

  test("B8: a repeated message is acknowledged in a Ready of its own, behind the write that is under way", () => {
    const node = newNode(1, THREE);
    const append = message("append", 2, { term: 1, entries: entriesOf([1]) });
    node.step(append);
    const first = node.ready();
    node.step(append);
    const second = node.ready();
    expect(second.entries).toEqual([]);
    expect(second.messages).toEqual([]);
    expect(types(second.messagesAfterAppend)).toEqual(["appendResponse>2"]);
    node.advance(first);
    node.advance(second);
  });

  test("B8: a single server commits only what is on its disk", () => {
    const node = newNode(1, [1], PAPER);
    makeLeader(node, []);
    node.propose(bytesOf("a"));
    const ready = node.ready();
    expect(ready.entries.length).toBe(1);
    expect(ready.committed).toEqual([]);
    expect(node.commit).toBe(1);
    node.advance(ready);
    expect(node.commit).toBe(2);
    expect(data(node.ready())).toEqual(["a"]);
  });

  test("B8: a leader counts itself only when its own write is done; the others may be enough without it", () => {
    const node = newNode(1, THREE);
    makeLeader(node, [2, 3]);
    acknowledge(node, 2);
    flush(node);
    node.propose(bytesOf("a"));
    const ready = node.ready();
    acknowledge(node, 2);
    expect(node.commit).toBe(1);
    acknowledge(node, 3);
    expect(node.commit).toBe(2);
    node.advance(ready);
    expect(node.commit).toBe(2);
  });

  test("a new leader counts of its own log only what is on its disk", () => {
    const node = newNode(1, THREE, PAPER);
    node.step(message("append", 2, { term: 1, entries: entriesOf([1, 1]) }));
    node.campaign();
    const writing = node.ready();
    for (const from of [2, 3]) node.step(message("voteResponse", from, { term: 2 }));
    expect(node.role).toBe("leader");
    expect(node.status().progress[0]).toMatchObject({ id: 1, match: 0 });
    node.advance(writing);
    flush(node);
    expect(node.status().progress[0]).toMatchObject({ id: 1, match: 3 });
  });

  test("a Ready that only moves the commit index need not be synced", () => {
    const node = newNode(1, THREE, { storage: storedTerms([1, 1]) });
    node.step(message("heartbeat", 2, { term: 1, commit: 2 }));
    const ready = node.ready();
    expect(ready.hardState).toEqual({ term: 1, vote: 0, commit: 2 });
    expect(ready.mustSync).toBe(false);
  });
});

describe("writes under way", () => {
  test("a slow disk does not silence heartbeats and replication", () => {
    const node = newNode(1, THREE);
    makeLeader(node, [2, 3]);
    acknowledge(node, 2);
    acknowledge(node, 3);
    flush(node);
    node.propose(bytesOf("a"));
    const slow = node.ready();
    expect(types(slow.messages)).toEqual(["append>2", "append>3"]);
    node.tick();
    const meanwhile = node.ready();
    expect(types(meanwhile.messages)).toEqual(["heartbeat>2", "heartbeat>3"]);
    node.advance(slow);
    node.advance(meanwhile);
  });

  test("Readys are finished in order, and once", () => {
    const node = newNode(1, THREE);
    node.step(message("append", 2, { term: 1, entries: entriesOf([1]) }));
    const first = node.ready();
    node.step(message("append", 2, { term: 1, index: 1, logTerm: 1, entries: entriesOf([1], 2) }));
    const second = node.ready();
    expect(() => node.advance(second)).toThrow("order");
    const again = newNode(1, THREE);
    again.campaign();
    const only = again.ready();
    again.advance(only);
    expect(() => again.advance(only)).toThrow("once");
    expect(first.entries.length).toBe(1);
  });

  test("with asyncStorage, only what is durable here is applied", () => {
    const node = newNode(1, THREE, { asyncStorage: true });
    node.step(message("append", 2, { term: 1, entries: entriesOf([1, 1]), commit: 2 }));
    const first = node.ready();
    expect(first.committed).toEqual([]);
    expect(node.hasReady()).toBe(false);
    node.advanceAppend(first);
    const second = node.ready();
    expect(data(second)).toEqual(["1/1", "1/2"]);
    node.advanceApply(second);
    expect(node.applied).toBe(2);
    node.advanceAppend(second);
  });

  test("without it, entries may be applied with the Ready that asks for their write", () => {
    const node = newNode(1, THREE);
    node.step(message("append", 2, { term: 1, entries: entriesOf([1]), commit: 1 }));
    const ready = node.ready();
    expect(ready.entries.length).toBe(1);
    expect(data(ready)).toEqual(["1/1"]);
  });

  test("B11: a follower's late acknowledgement carries the term it was given in", () => {
    const node = newNode(1, THREE);
    node.step(message("append", 2, { term: 1, entries: entriesOf([1, 1]) }));
    const first = node.ready();
    node.step(message("append", 3, { term: 2, entries: entriesOf([2]) }));
    const second = node.ready();
    expect(first.messagesAfterAppend[0]).toMatchObject({ to: 2, term: 1, index: 2 });
    expect(second.messagesAfterAppend[0]).toMatchObject({ to: 3, term: 2, index: 1 });
    node.advance(first);
    expect(node.status().stable).toBe(0);
    node.advance(second);
    expect(node.status().stable).toBe(1);
  });
});

describe("applying", () => {
  test("committed entries come in pages of maxCommittedSizePerReady", () => {
    const stored = storedTerms([1, 1, 1], { commit: 3 });
    const node = newNode(1, THREE, { storage: stored, maxCommittedSizePerReady: 30 });
    const pages: string[][] = [];
    flush(node, (ready) => pages.push(data(ready)));
    expect(pages).toEqual([["1/1"], ["1/2"], ["1/3"]]);
  });

  test("B34: after a restart the log is applied again from the snapshot on", () => {
    const configuration = { voters: THREE, learners: [] };
    const snapshot = { index: 2, term: 1, configuration, data: bytesOf("state") };
    const stored = storedLog({
      snapshot,
      entries: entriesOf([1, 1], 3),
      hardState: { term: 1, vote: 0, commit: 3 },
    });
    const node = newNode(1, THREE, { storage: stored });
    expect(node.applied).toBe(2);
    expect(data(node.ready())).toEqual(["1/3"]);
  });

  test("a read and a changed role are told once", () => {
    const node = newNode(1, [1], PAPER);
    makeLeader(node, []);
    node.readIndex();
    const ready = node.ready();
    expect(ready.readStates).toEqual([{ token: 1, index: 1 }]);
    node.advance(ready);
    expect(node.hasReady()).toBe(false);
    const other = newNode(1, THREE);
    other.step(message("heartbeat", 2, { term: 1 }));
    expect(other.ready().softState).toEqual({ role: "follower", leader: 2 });
    other.step(message("heartbeat", 2, { term: 1 }));
    expect(other.ready().softState).toBeNull();
  });
});

describe("restart", () => {
  test("entries without their term, as a torn write leaves them, raise the term and void the vote", () => {
    const stored = storedTerms([1, 3], { term: 2, vote: 3 });
    const node = newNode(1, THREE, { storage: stored });
    expect(node.term).toBe(3);
    expect(node.status().vote).toBe(0);
  });

  test("a restarted leader is a follower", () => {
    const stored = storedTerms([1], { vote: 1 });
    const node = newNode(1, THREE, { storage: stored });
    expect(node.role).toBe("follower");
    expect(node.hasReady()).toBe(false);
  });
});

describe("input", () => {
  test("messages for others, from ourselves and without a term are ignored", () => {
    const node = newNode(1, THREE);
    node.step(message("heartbeat", 2, { to: 3, term: 9 }));
    node.step(message("heartbeat", 1, { term: 9 }));
    node.step(message("heartbeat", 2, { term: 0 }));
    expect(node.term).toBe(0);
    expect(node.hasReady()).toBe(false);
  });

  test("numbers that cannot work together are refused", () => {
    expect(() => newNode(1, THREE, { electionTicks: 1 })).toThrow("heartbeat");
    expect(() => newNode(1, THREE, { electionTicksMax: 5 })).toThrow("longest");
    expect(() => newNode(0, THREE)).toThrow("invalid id");
    expect(() => newNode(1, [1, 1])).toThrow("not ascending");
  });

  test("a proposal without a leader, and a configuration change without leading, are refused with the reason", () => {
    const node = newNode(1, THREE);
    expect(node.propose(bytesOf("a"))).toEqual({ kind: "dropped", reason: "noLeader" });
    expect(node.readIndex()).toEqual({ kind: "dropped", reason: "noLeader" });
    expect(node.transferLeader(2)).toEqual({ kind: "dropped", reason: "noLeader" });
    expect(node.proposeConfig({ kind: "remove", id: 2 })).toEqual({ kind: "dropped", reason: "notLeader" });
  });

  test("several commands proposed at once travel in one message, and are accepted or refused together", () => {
    const node = newNode(1, THREE, { maxUncommittedBytes: 5 });
    expect(node.proposeAll([bytesOf("a")])).toEqual({ kind: "dropped", reason: "notLeader" });
    makeLeader(node, [2, 3]);
    acknowledge(node, 2);
    flush(node);
    expect(node.proposeAll([bytesOf("a"), bytesOf("b")])).toEqual({ kind: "appended", index: 3, term: 1 });
    const [first] = flush(node).filter(({ type, to }) => type === "append" && to === 2);
    expect(first!.entries.map(({ data }) => textOf(data))).toEqual(["a", "b"]);
    expect(node.proposeAll([bytesOf("cc"), bytesOf("dd")])).toEqual({
      kind: "dropped",
      reason: "tooMuchUncommitted",
    });
    expect(node.lastIndex).toBe(3);
  });

  test("a follower forwards a proposal to the leader", () => {
    const node = newNode(1, THREE);
    node.step(message("heartbeat", 2, { term: 1 }));
    expect(node.propose(bytesOf("a"))).toEqual({ kind: "forwarded", to: 2 });
    const sent = flush(node).find(({ type }) => type === "propose")!;
    expect(sent).toMatchObject({ from: 1, to: 2, term: 0 });
    expect(textOf(sent.entries[0]!.data)).toBe("a");
  });
});
