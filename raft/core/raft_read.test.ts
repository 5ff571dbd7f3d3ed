/** ReadIndex: only a majority that has answered after a read was asked for confirms it. */
import { describe, expect, test } from "bun:test";
import { contextNumber } from "./message.ts";
import {
  bytesOf,
  flush,
  makeLeader,
  message,
  Network,
  newNode,
  PAPER,
  storedTerms,
  type TestOptions,
} from "./testing.ts";
import type { RawNode } from "./raw_node.ts";
import type { Message, ReadState } from "./types.ts";

const THREE = [1, 2, 3];

function settledLeader(options: TestOptions = {}): RawNode {
  const node = newNode(1, THREE, options);
  makeLeader(node, [2, 3]);
  node.step(message("appendResponse", 2, { term: node.term, index: node.lastIndex }));
  flush(node);
  return node;
}

function tokenOf(node: RawNode): number {
  const result = node.readIndex();
  if (result.kind === "dropped") throw new Error(`read refused: ${result.reason}`);
  return result.token;
}

function collect(node: RawNode): { sent: Message[]; reads: ReadState[] } {
  const reads: ReadState[] = [];
  const sent = flush(node, ({ readStates }) => reads.push(...readStates));
  return { sent, reads };
}

function answer(node: RawNode, heartbeat: Message): void {
  const { to: from, context, term } = heartbeat;
  node.step(message("heartbeatResponse", from, { to: node.id, term, context }));
}

describe("confirmation", () => {
  test("takes the answer of a majority to heartbeats sent after the read was asked for", () => {
    const node = settledLeader();
    node.tick();
    const before = collect(node).sent;
    const token = tokenOf(node);
    for (const heartbeat of before) answer(node, heartbeat);
    const asked = collect(node);
    expect(asked.reads).toEqual([]);
    const heartbeats = asked.sent.filter(({ type }) => type === "heartbeat");
    expect(heartbeats.map(({ to }) => to)).toEqual([2, 3]);
    answer(node, heartbeats[0]!);
    expect(collect(node).reads).toEqual([{ token, index: 1 }]);
  });

  test("the heartbeats of a read are the ones of their time: the next come one interval after them", () => {
    const node = settledLeader({ heartbeatTicks: 4 });
    const beats = () => collect(node).sent.filter(({ type }) => type === "heartbeat").map(({ to }) => to);
    for (let tick = 0; tick < 3; tick++) node.tick();
    expect([node.restTicks, beats()]).toEqual([1, []]);
    tokenOf(node);
    expect([node.restTicks, beats()]).toEqual([4, [2, 3]]);
    for (let tick = 0; tick < 3; tick++) node.tick();
    expect(beats()).toEqual([]);
    node.tick();
    expect([node.restTicks, beats()]).toEqual([4, [2, 3]]);
  });

  test("with the rule switched off it takes nobody, which a simulator must notice", () => {
    const node = settledLeader({ broken: new Set(["no-read-quorum"]) });
    const token = tokenOf(node);
    expect(collect(node).reads).toEqual([{ token, index: 1 }]);
  });

  test("confirms all earlier reads with a later round's answer, and none that came after it", () => {
    const node = settledLeader();
    const first = tokenOf(node);
    const second = tokenOf(node);
    const { sent } = collect(node);
    const third = tokenOf(node);
    collect(node);
    const newest = sent.filter(({ to }) => to === 2).at(-1)!;
    answer(node, newest);
    expect(collect(node).reads.map(({ token }) => token)).toEqual([first, second]);
    expect(third).toBeGreaterThan(second);
  });

  test("a lost round is repeated by the next heartbeat", () => {
    const node = settledLeader();
    const token = tokenOf(node);
    collect(node);
    node.tick();
    const { sent } = collect(node);
    answer(node, sent[0]!);
    expect(collect(node).reads).toEqual([{ token, index: 1 }]);
    node.tick();
    expect(collect(node).sent.every(({ context }) => context.length === 0)).toBe(true);
  });

  test("the read index is what was committed when the round began", () => {
    const node = settledLeader();
    node.propose(bytesOf("a"));
    node.step(message("appendResponse", 2, { term: 1, index: 2 }));
    collect(node);
    const token = tokenOf(node);
    answer(node, collect(node).sent.find(({ type }) => type === "heartbeat")!);
    expect(collect(node).reads).toEqual([{ token, index: 2 }]);
  });

  test("B17: no clock confirms a read: right after a majority was heard, it still needs an answer of its own", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.tick(1);
    network.isolate(1);
    tokenOf(network.node(1));
    network.tick(5, [1]);
    expect(network.member(1).readStates).toEqual([]);
  });

  test("B18: a follower that forgets its loyalty by a restart elects another leader, and no stale read is confirmed", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.cut(1, 3);
    network.cut(3, 1);
    network.tick(1);
    network.member(2).restart();
    network.tick(25, [3]);
    expect(network.node(3).role).toBe("leader");
    tokenOf(network.node(1));
    network.settle();
    expect(network.member(1).readStates).toEqual([]);
  });

  test("learners and strangers confirm nothing", () => {
    const network = new Network(THREE);
    network.add(4);
    network.elect(1);
    network.node(1).proposeConfig({ kind: "addLearner", id: 4 });
    network.settle();
    network.isolate(2);
    network.isolate(3);
    tokenOf(network.node(1));
    network.settle();
    expect(network.sent.some(({ type, from }) => type === "heartbeatResponse" && from === 4)).toBe(true);
    expect(network.member(1).readStates).toEqual([]);
  });

  test("a single voter confirms its own reads at once", () => {
    const node = newNode(1, [1], PAPER);
    makeLeader(node, []);
    const token = tokenOf(node);
    expect(collect(node).reads).toEqual([{ token, index: 1 }]);
  });
});

describe("a leader that may not know everything", () => {
  test("B15: before an entry of its own term is committed, reads wait", () => {
    const node = newNode(1, THREE, { storage: storedTerms([1, 1], { commit: 1 }) });
    makeLeader(node, [2, 3]);
    const token = tokenOf(node);
    node.tick();
    const early = collect(node);
    expect(early.sent.filter(({ type }) => type === "heartbeat").length).toBe(2);
    for (const heartbeat of early.sent.filter(({ type }) => type === "heartbeat")) answer(node, heartbeat);
    expect(collect(node).reads).toEqual([]);
    node.step(message("appendResponse", 2, { term: 2, index: 3 }));
    const { sent, reads } = collect(node);
    expect(reads).toEqual([]);
    answer(node, sent.find(({ type }) => type === "heartbeat")!);
    expect(collect(node).reads).toEqual([{ token, index: 3 }]);
  });

  test("B16: late answers to an earlier try confirm no later one", () => {
    const node = settledLeader();
    tokenOf(node);
    const firstTry = collect(node).sent;
    answer(node, firstTry[0]!);
    collect(node);
    tokenOf(node);
    collect(node);
    for (const heartbeat of firstTry) answer(node, heartbeat);
    expect(collect(node).reads).toEqual([]);
  });

  test("B16: rounds are never used twice in a term", () => {
    const node = settledLeader();
    const rounds: (number | null)[] = [];
    for (let i = 0; i < 4; i++) {
      tokenOf(node);
      const { sent } = collect(node);
      rounds.push(contextNumber(sent[0]!.context));
      answer(node, sent[0]!);
      collect(node);
    }
    expect(rounds).toEqual([1, 2, 3, 4]);
  });

  test("an answer to a round that was never begun is ignored", () => {
    const node = settledLeader();
    tokenOf(node);
    const [heartbeat] = collect(node).sent;
    const context = heartbeat!.context.slice();
    context[7] = 200;
    answer(node, { ...heartbeat!, context });
    expect(collect(node).reads).toEqual([]);
    tokenOf(node);
    expect(collect(node).reads).toEqual([]);
  });

  test("a deposed leader confirms nothing, also not when it leads again", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.isolate(1);
    tokenOf(network.node(1));
    network.settle();
    network.tick(60);
    expect([2, 3]).toContain(network.leader());
    expect(network.member(1).readStates).toEqual([]);
    network.heal();
    network.tick(10);
    network.node(network.leader()).transferLeader(1);
    network.settle();
    expect(network.leader()).toBe(1);
    network.tick(5);
    expect(network.member(1).readStates).toEqual([]);
  });
});

describe("while leadership is handed over", () => {
  test("reads go on while the target still catches up", () => {
    const node = settledLeader();
    expect(node.transferLeader(3)).toEqual({ kind: "started" });
    const token = tokenOf(node);
    const { sent } = collect(node);
    expect(sent.some(({ type }) => type === "timeoutNow")).toBe(false);
    answer(node, sent.find(({ type, to }) => type === "heartbeat" && to === 2)!);
    expect(collect(node).reads).toEqual([{ token, index: 1 }]);
  });

  test("what was answered before TimeoutNow confirms no read; when the transfer fails, a new round does", () => {
    const node = settledLeader();
    node.step(message("appendResponse", 3, { term: 1, index: 1 }));
    const token = tokenOf(node);
    const before = collect(node).sent;
    expect(node.transferLeader(2)).toEqual({ kind: "started" });
    expect(collect(node).sent.map(({ type }) => type)).toEqual(["timeoutNow"]);
    for (const heartbeat of before) answer(node, heartbeat);
    expect(collect(node).reads).toEqual([]);
    const later = tokenOf(node);
    for (let tick = 0; tick < 9; tick++) node.tick();
    for (const heartbeat of collect(node).sent) answer(node, heartbeat);
    expect(collect(node).reads).toEqual([]);
    node.tick();
    const { sent, reads } = collect(node);
    expect(reads).toEqual([]);
    answer(node, sent.find(({ context }) => context.length > 0)!);
    expect(collect(node).reads.map((read) => read.token)).toEqual([token, later]);
  });
});

describe("reads of followers", () => {
  test("go through the leader and come back with its read index", () => {
    const network = new Network(THREE);
    network.elect(1);
    network.propose(1, "a");
    const token = tokenOf(network.node(3));
    network.settle();
    expect(network.member(3).readStates).toEqual([{ token, index: 2 }]);
  });

  test("only the leader's answer counts", () => {
    const node = newNode(3, THREE);
    node.step(message("heartbeat", 1, { to: 3, term: 1 }));
    flush(node);
    node.readIndex();
    const context = flush(node)[0]!.context;
    node.step(message("readIndexResponse", 2, { to: 3, term: 1, index: 7, context }));
    expect(node.hasReady()).toBe(false);
    node.step(message("readIndexResponse", 1, { to: 3, term: 1, index: 7, context }));
    expect(node.ready().readStates).toMatchObject([{ index: 7 }]);
  });

  test("an answer to an earlier process with the same id is ignored", () => {
    let draws = 0;
    const network = new Network(THREE, { random: () => (draws++ % 97) / 97 });
    network.elect(1);
    tokenOf(network.node(3));
    network.collect();
    const asked = network.take();
    network.member(3).restart();
    tokenOf(network.node(1));
    network.tick(1);
    tokenOf(network.node(3));
    network.drop = ({ type, from }) => type === "readIndex" && from === 3;
    network.settle();
    network.heal();
    network.post(...asked);
    network.settle();
    expect(network.member(3).readStates).toEqual([]);
  });
});
