/**
 * The behaviour that the Raft paper describes, section by section; names are those under which raft libraries
 * share these tests.
 */
import { describe, expect, test } from "bun:test";
import type { RawNode } from "./raw_node.ts";
import { seededRandom } from "./seeded_random.ts";
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
  textOf,
} from "./testing.ts";
import type { Entry, Message, NodeId, Ready, Term } from "./types.ts";

const THREE = [1, 2, 3];

function atTerm(term: Term): TestOptions {
  return { ...PAPER, storage: storedLog({ hardState: { term, vote: 0, commit: 0 }, empty: false }) };
}

function candidate(term: Term, voters: readonly NodeId[] = THREE, options: TestOptions = {}): RawNode {
  const node = newNode(1, voters, { ...atTerm(term - 1), ...options });
  node.campaign();
  flush(node);
  expect(node.role).toBe(voters.length === 1 ? "leader" : "candidate");
  return node;
}

/** A leader whose empty first entry is committed everywhere. */
function leader(term: Term, voters: readonly NodeId[] = THREE): RawNode {
  const node = newNode(1, voters, atTerm(term - 1));
  makeLeader(node, voters.filter((id) => id !== 1));
  acknowledge(node, voters);
  return node;
}

function acknowledge(node: RawNode, voters: readonly NodeId[]): void {
  for (const from of voters) {
    node.step(message("appendResponse", from, { term: node.term, index: node.lastIndex }));
  }
  flush(node);
}

function ids(count: number): NodeId[] {
  return Array.from({ length: count }, (_, at) => at + 1);
}

function brief(messages: readonly Message[]): unknown[] {
  return messages.map(({ type, from, to, term, index, logTerm, reject }) => ({
    type,
    from,
    to,
    term,
    index,
    logTerm,
    reject,
  }));
}

function collect(node: RawNode): { messages: Message[]; readys: Ready[] } {
  const readys: Ready[] = [];
  const messages = flush(node, (ready) => readys.push(ready));
  return { messages, readys };
}

describe("5.1 terms", () => {
  function updatesTerm(node: RawNode): void {
    node.step(message("append", 2, { term: 2 }));
    expect(node.term).toBe(2);
    expect(node.role).toBe("follower");
  }

  test("FollowerUpdateTermFromMessage: a follower moves to a larger term", () => {
    updatesTerm(newNode(1, THREE, atTerm(1)));
  });

  test("CandidateUpdateTermFromMessage: a candidate with an older term becomes a follower", () => {
    updatesTerm(candidate(1));
  });

  test("LeaderUpdateTermFromMessage: a leader with an older term becomes a follower", () => {
    updatesTerm(leader(1));
  });

  test("RejectStaleTermMessage: a message of an older term changes nothing", () => {
    const node = newNode(1, THREE, atTerm(2));
    node.step(message("append", 2, { term: 1, entries: entriesOf([1]) }));
    expect(node.lastIndex).toBe(0);
    expect(node.leader).toBe(0);
    expect(node.term).toBe(2);
  });
});

describe("5.2 leader election", () => {
  test("StartAsFollower: a server starts as a follower", () => {
    expect(newNode(1, THREE, PAPER).role).toBe("follower");
  });

  test("LeaderBcastBeat: a leader sends heartbeats to all followers in each heartbeat interval", () => {
    const node = newNode(1, THREE, { ...PAPER, heartbeatTicks: 3 });
    makeLeader(node, [2, 3]);
    for (let tick = 1; tick < 3; tick++) {
      node.tick();
      expect(flush(node)).toEqual([]);
    }
    node.tick();
    expect(brief(flush(node))).toEqual([2, 3].map((to) => ({
      type: "heartbeat",
      from: 1,
      to,
      term: 1,
      index: 0,
      logTerm: 0,
      reject: false,
    })));
  });

  function startsElection(node: RawNode): void {
    const before = node.term;
    for (let tick = 0; tick < 20; tick++) node.tick();
    expect(node.term).toBe(before + 1);
    expect(node.role).toBe("candidate");
    expect(node.status().vote).toBe(1);
    const sent = flush(node);
    expect(sent.map(({ type, to, term }) => ({ type, to, term }))).toEqual(
      [2, 3].map((to) => ({ type: "vote", to, term: before + 1 })),
    );
  }

  test("FollowerStartElection: silence makes a follower vote for itself and ask the others", () => {
    startsElection(newNode(1, THREE, { ...atTerm(1), electionTicksMax: 19 }));
  });

  test("CandidateStartNewElection: a candidate that is not elected in time begins a new term", () => {
    startsElection(candidate(2));
  });

  test("LeaderElectionInOneRoundRPC: a majority of votes elects, a majority of rejections or silence does not", () => {
    const cases: { size: number; votes: Record<NodeId, boolean>; role: string }[] = [
      { size: 1, votes: {}, role: "leader" },
      { size: 3, votes: { 2: true, 3: true }, role: "leader" },
      { size: 3, votes: { 2: true }, role: "leader" },
      { size: 5, votes: { 2: true, 3: true, 4: true, 5: true }, role: "leader" },
      { size: 5, votes: { 2: true, 3: true, 4: true }, role: "leader" },
      { size: 5, votes: { 2: true, 3: true }, role: "leader" },
      { size: 3, votes: { 2: false, 3: false }, role: "follower" },
      { size: 5, votes: { 2: false, 3: false, 4: false, 5: false }, role: "follower" },
      { size: 5, votes: { 2: true, 3: false, 4: false, 5: false }, role: "follower" },
      { size: 3, votes: {}, role: "candidate" },
      { size: 5, votes: { 2: true }, role: "candidate" },
      { size: 5, votes: { 2: false, 3: false }, role: "candidate" },
      { size: 5, votes: {}, role: "candidate" },
    ];
    for (const { size, votes, role } of cases) {
      const node = candidate(1, ids(size));
      for (const [from, granted] of Object.entries(votes)) {
        node.step(message("voteResponse", Number(from), { term: node.term, reject: !granted }));
      }
      flush(node);
      expect(`${size} ${JSON.stringify(votes)} ${node.role}`).toBe(
        `${size} ${JSON.stringify(votes)} ${role}`,
      );
      expect(node.term).toBe(1);
    }
  });

  test("FollowerVote: one vote per term, first come first served", () => {
    const cases = [
      { vote: 0, from: 2, reject: false },
      { vote: 0, from: 3, reject: false },
      { vote: 2, from: 2, reject: false },
      { vote: 3, from: 3, reject: false },
      { vote: 2, from: 3, reject: true },
      { vote: 3, from: 2, reject: true },
    ];
    for (const { vote, from, reject } of cases) {
      const stored = storedLog({ hardState: { term: 1, vote, commit: 0 }, empty: false });
      const node = newNode(1, THREE, { ...PAPER, storage: stored });
      node.step(message("vote", from, { term: 1 }));
      expect(brief(flush(node))).toEqual([
        { type: "voteResponse", from: 1, to: from, term: 1, index: 0, logTerm: 0, reject },
      ]);
    }
  });

  test("CandidateFallback: a candidate that hears of a leader follows it", () => {
    for (const term of [2, 3]) {
      const node = candidate(2);
      node.step(message("append", 3, { term }));
      expect(node.role).toBe("follower");
      expect(node.leader).toBe(3);
      expect(node.term).toBe(term);
    }
  });

  function timeoutsSeen(start: (seed: number) => RawNode): Set<number> {
    const seen = new Set<number>();
    for (let seed = 1; seed <= 60; seed++) {
      const node = start(seed);
      const before = node.term;
      let ticks = 0;
      while (node.term === before) {
        node.tick();
        ticks++;
      }
      seen.add(ticks);
    }
    return seen;
  }

  function expectSpread(seen: ReadonlySet<number>): void {
    for (const ticks of seen) expect(ticks >= 5 && ticks <= 9).toBe(true);
    expect(seen.size).toBe(5);
  }

  const drawn = (seed: number) => ({ electionTicks: 5, random: seededRandom(seed) });

  test("FollowerElectionTimeoutRandomized: a follower's timeout takes every value of its range", () => {
    expectSpread(timeoutsSeen((seed) => newNode(1, THREE, { ...PAPER, ...drawn(seed) })));
  });

  test("CandidateElectionTimeoutRandomized: a candidate's timeout takes every value of its range", () => {
    expectSpread(timeoutsSeen((seed) => candidate(2, THREE, drawn(seed))));
  });

  function conflicts(role: "follower" | "candidate"): number {
    let together = 0;
    for (let round = 0; round < 200; round++) {
      const nodes = ids(5).map((id) => {
        const node = newNode(id, ids(5), { ...PAPER, random: seededRandom(round * 5 + id) });
        if (role === "candidate") node.campaign();
        flush(node);
        return node;
      });
      const before = nodes[0]!.term;
      let timedOut = 0;
      while (timedOut === 0) {
        for (const node of nodes) node.tick();
        timedOut = nodes.filter((node) => node.term > before).length;
      }
      if (timedOut > 1) together++;
    }
    return together / 200;
  }

  test("FollowersElectionTimeoutNonconflict: mostly one follower times out first", () => {
    expect(conflicts("follower")).toBeLessThan(0.3);
  });

  test("CandidatesElectionTimeoutNonconflict: mostly one candidate times out first", () => {
    expect(conflicts("candidate")).toBeLessThan(0.3);
  });
});

describe("5.3 log replication", () => {
  test("LeaderStartReplication: a proposal is appended and sent, with the place it follows", () => {
    const node = leader(1);
    const end = node.lastIndex;
    node.propose(bytesOf("some data"));
    expect(node.lastIndex).toBe(end + 1);
    expect(node.commit).toBe(end);
    const { messages, readys } = collect(node);
    expect(readys[0]!.entries.map((entry) => textOf(entry.data))).toEqual(["some data"]);
    expect(messages.map(({ type, to, index, logTerm, commit, entries }) => ({
      type,
      to,
      index,
      logTerm,
      commit,
      sent: entries.map((entry) => [entry.index, entry.term, textOf(entry.data)]),
    }))).toEqual([2, 3].map((to) => ({
      type: "append",
      to,
      index: end,
      logTerm: 1,
      commit: end,
      sent: [[end + 1, 1, "some data"]],
    })));
  });

  test("LeaderCommitEntry: an entry on a majority is committed, applied, and announced", () => {
    const node = leader(1);
    const end = node.lastIndex;
    node.propose(bytesOf("some data"));
    flush(node);
    for (const from of [2, 3]) node.step(message("appendResponse", from, { term: 1, index: end + 1 }));
    expect(node.commit).toBe(end + 1);
    const { messages, readys } = collect(node);
    expect(readys.flatMap(({ committed }) => committed.map((entry) => textOf(entry.data)))).toEqual([
      "some data",
    ]);
    expect(messages.map(({ type, to, commit }) => [type, to, commit])).toEqual([
      ["append", 2, end + 1],
      ["append", 3, end + 1],
    ]);
  });

  test("LeaderAcknowledgeCommit: commitment needs a majority, the leader included", () => {
    const cases: { size: number; acknowledged: NodeId[]; commits: boolean }[] = [
      { size: 1, acknowledged: [], commits: true },
      { size: 3, acknowledged: [], commits: false },
      { size: 3, acknowledged: [2], commits: true },
      { size: 3, acknowledged: [2, 3], commits: true },
      { size: 5, acknowledged: [], commits: false },
      { size: 5, acknowledged: [2], commits: false },
      { size: 5, acknowledged: [2, 3], commits: true },
      { size: 5, acknowledged: [2, 3, 4], commits: true },
      { size: 5, acknowledged: [2, 3, 4, 5], commits: true },
    ];
    for (const { size, acknowledged, commits } of cases) {
      const node = leader(1, ids(size));
      const end = node.lastIndex;
      node.propose(bytesOf("some data"));
      flush(node);
      for (const from of acknowledged) {
        node.step(message("appendResponse", from, { term: 1, index: end + 1 }));
      }
      expect(node.commit).toBe(commits ? end + 1 : end);
    }
  });

  test("LeaderCommitPrecedingEntries: committing an entry commits everything before it", () => {
    for (const terms of [[], [2], [1, 2], [1]]) {
      const stored = storedTerms(terms, { term: 2 });
      const node = newNode(1, THREE, { ...PAPER, storage: stored });
      makeLeader(node, [2, 3]);
      node.propose(bytesOf("some data"));
      const applied: Entry[] = [];
      flush(node, ({ committed }) => applied.push(...committed));
      node.step(message("appendResponse", 2, { term: 3, index: node.lastIndex }));
      flush(node, ({ committed }) => applied.push(...committed));
      expect(applied.map(({ term }) => term)).toEqual([...terms, 3, 3]);
      expect(applied.map(({ index }) => index)).toEqual(ids(terms.length + 2));
    }
  });

  test("FollowerCommitEntry: a follower applies what the leader says is committed, in order", () => {
    for (const commit of [1, 2]) {
      const node = newNode(1, THREE, atTerm(1));
      node.step(message("append", 2, { term: 1, entries: entriesOf([1, 1]), commit }));
      expect(node.commit).toBe(commit);
      const applied = collect(node).readys.flatMap(({ committed }) => committed.map(({ index }) => index));
      expect(applied).toEqual(ids(commit));
    }
  });

  test("FollowerCheckMsgApp: entries that do not follow the log are rejected with a hint", () => {
    const cases = [
      { logTerm: 0, index: 0, expected: { index: 1, reject: false, hint: 0, hintTerm: 0 } },
      { logTerm: 1, index: 1, expected: { index: 1, reject: false, hint: 0, hintTerm: 0 } },
      { logTerm: 2, index: 2, expected: { index: 2, reject: false, hint: 0, hintTerm: 0 } },
      { logTerm: 1, index: 2, expected: { index: 2, reject: true, hint: 1, hintTerm: 1 } },
      { logTerm: 3, index: 3, expected: { index: 3, reject: true, hint: 2, hintTerm: 2 } },
    ];
    for (const { logTerm, index, expected } of cases) {
      const node = newNode(1, THREE, { ...PAPER, storage: storedTerms([1, 2], { commit: 1 }) });
      node.step(message("append", 2, { term: 3, logTerm, index }));
      const answers = flush(node).map((sent) => ({
        index: sent.index,
        reject: sent.reject,
        hint: sent.rejectHint,
        hintTerm: sent.logTerm,
      }));
      expect(answers).toEqual([expected]);
    }
  });

  test("FollowerAppendEntries: conflicting entries and all behind them are replaced, others kept", () => {
    const cases = [
      { index: 2, logTerm: 2, terms: [3], result: [1, 2, 3], written: [3] },
      { index: 1, logTerm: 1, terms: [3, 4], result: [1, 3, 4], written: [3, 4] },
      { index: 0, logTerm: 0, terms: [1], result: [1, 2], written: [] },
      { index: 0, logTerm: 0, terms: [3], result: [3], written: [3] },
    ];
    for (const { index, logTerm, terms, result, written } of cases) {
      const node = newNode(1, THREE, { ...PAPER, storage: storedTerms([1, 2]) });
      node.step(message("append", 2, { term: 4, index, logTerm, entries: entriesOf(terms, index + 1) }));
      const persisted = collect(node).readys.flatMap(({ entries }) => entries.map(({ term }) => term));
      expect(persisted).toEqual(written);
      expect(ids(node.lastIndex).map((at) => node.entryTerm(at))).toEqual(result);
    }
  });

  test("LeaderSyncFollowerLog: a leader makes every follower's log like its own (figure 7)", () => {
    const leaders = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    const followers = [
      [1, 1, 1, 4, 4, 5, 5, 6, 6],
      [1, 1, 1, 4],
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
      [1, 1, 1, 4, 4, 4, 4],
      [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ];
    for (const follower of followers) {
      const network = new Network(THREE, PAPER, {
        1: storedTerms(leaders, { term: 8, commit: leaders.length }),
        2: storedTerms(follower, { term: 7 }),
        3: storedTerms(leaders, { term: 8 }),
      });
      network.elect(1);
      network.propose(1, "new");
      const logOf = (id: NodeId) =>
        ids(network.node(id).lastIndex).map((at) => network.node(id).entryTerm(at));
      expect(logOf(1)).toEqual([...leaders, 9, 9]);
      expect(logOf(2)).toEqual(logOf(1));
    }
  });
});

describe("5.4 safety", () => {
  test("VoteRequest: a request for a vote tells the last entry of the candidate's log", () => {
    for (const terms of [[1], [1, 2]]) {
      const term = terms.at(-1)! + 1;
      const node = newNode(1, THREE, { ...PAPER, storage: storedTerms(terms, { term: term - 1 }) });
      node.campaign();
      expect(brief(flush(node))).toEqual([2, 3].map((to) => ({
        type: "vote",
        from: 1,
        to,
        term,
        index: terms.length,
        logTerm: terms.at(-1)!,
        reject: false,
      })));
    }
  });

  test("Voter: no vote for a candidate whose log is behind", () => {
    const cases = [
      { own: [1], logTerm: 1, index: 1, reject: false },
      { own: [1], logTerm: 1, index: 2, reject: false },
      { own: [1, 1], logTerm: 1, index: 1, reject: true },
      { own: [1], logTerm: 2, index: 1, reject: false },
      { own: [1], logTerm: 2, index: 2, reject: false },
      { own: [1, 1], logTerm: 2, index: 1, reject: false },
      { own: [2], logTerm: 1, index: 1, reject: true },
      { own: [2], logTerm: 1, index: 2, reject: true },
      { own: [1, 2], logTerm: 1, index: 1, reject: true },
    ];
    for (const { own, logTerm, index, reject } of cases) {
      const node = newNode(1, THREE, { ...PAPER, storage: storedTerms(own) });
      node.step(message("vote", 2, { term: 3, logTerm, index }));
      expect(flush(node).map((sent) => [sent.type, sent.reject])).toEqual([["voteResponse", reject]]);
    }
  });

  test("LeaderOnlyCommitsLogFromCurrentTerm: entries of older terms are not committed by counting", () => {
    for (
      const { index, commit } of [{ index: 1, commit: 0 }, { index: 2, commit: 0 }, { index: 3, commit: 3 }]
    ) {
      const node = newNode(1, THREE, { ...PAPER, storage: storedTerms([1, 2]) });
      makeLeader(node, [2, 3]);
      node.step(message("appendResponse", 2, { term: node.term, index }));
      expect(node.commit).toBe(commit);
    }
  });
});
