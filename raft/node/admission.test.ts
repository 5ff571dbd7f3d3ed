import { expect, test } from "bun:test";
import type { AddOutcome } from "./api.ts";
import { Admission } from "./admission.ts";
import {
  ADMISSION_CHANNEL,
  type AdmissionMessage,
  decodeAdmission,
  encodeAdmission,
} from "./admission_messages.ts";
import type { LogBatch } from "./ports.ts";
import { TestCluster, type TestMember, text } from "./testing.ts";

/** Starts an empty member, up to where its admission waits for its disk. */
function startHeld(cluster: TestCluster, id: number): TestMember {
  const member = cluster.start(id);
  member.storage.held = true;
  cluster.until("its admission waits for the disk", () => member.storage.oldestPendingMs() > 0);
  return member;
}

test("an empty member alone does not vote", () => {
  const cluster = new TestCluster(3);
  const { node } = cluster.start(1);
  cluster.clock.advance(5000);
  expect(node.status()).toMatchObject({ term: 0, leader: null });
  expect(node.status().notVoting).toContain("empty");
});

test("two empty members of three found the cluster, and the third is welcomed when it comes", () => {
  const cluster = new TestCluster(3);
  cluster.start(1);
  cluster.start(2);
  const leader = cluster.leader();
  let applied = false;
  leader.node.propose(text("before"), () => {
    applied = true;
  });
  cluster.until("applied", () => applied);
  const late = cluster.start(3);
  cluster.until("welcomed", () => late.machine.commands.length === 1);
  expect(late.node.status().notVoting).toBeNull();
  expect(late.logged.map(({ event }) => event)).toContain("raft_welcome");
  // The member counts now: with it, the cluster lives on without another one.
  cluster.stop(leader.id);
  const next = cluster.leader();
  expect(next.id).not.toBe(leader.id);
});

test("all kinds of starting orders end in one cluster of three", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const cluster = new TestCluster(3, {}, seed);
    const gaps = [(seed * 7) % 40, (seed * 13) % 900, (seed * 29) % 1700];
    for (const [i, id] of cluster.ids.entries()) {
      cluster.clock.advance(gaps[i]!);
      cluster.start(id);
    }
    cluster.until("all take part", () =>
      [...cluster.members.values()].every(({ node }) => {
        const { leader, notVoting, applied } = node.status();
        return leader !== null && notVoting === null && applied > 0;
      }));
  }
});

test("B31: a member whose directory was wiped does not vote, says why, and does not disturb", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  cluster.clock.advance(500);
  const victim = cluster.ids.find((id) => id !== leader.id)!;
  cluster.stop(victim);
  const wiped = cluster.start(victim, true);
  cluster.until("refused", () => wiped.logged.some(({ event }) => event === "raft_not_voting"));
  expect(wiped.logged.filter(({ event }) => event === "raft_not_voting").length).toBe(1);
  cluster.clock.advance(5000);
  expect(wiped.node.status().notVoting).toContain("took part before");
  expect(wiped.node.status().lastIndex).toBe(0);
  expect(wiped.storage.load().empty).toBe(true);
  expect(leader.node.leadsWithOwnTerm()).toBe(true);
  // The other two go on. Without one of them, the wiped member helps nobody to be elected.
  cluster.stop(leader.id);
  cluster.clock.advance(10_000);
  expect([...cluster.members.values()].some(({ node }) => node.leadsWithOwnTerm())).toBe(false);
});

test("a member that crashed before it wrote anything is let in again with the same directory", () => {
  const cluster = new TestCluster(3);
  cluster.start(1);
  cluster.start(2);
  cluster.leader();
  const first = startHeld(cluster, 3);
  cluster.stop(3);
  first.storage.held = false;
  const again = cluster.start(3);
  expect(again.storage.load().empty).toBe(true);
  cluster.until("takes part", () => again.node.status().applied > 0);
});

test("a member that asks while no leader is known waits and is let in later", () => {
  const cluster = new TestCluster(3);
  cluster.start(1);
  cluster.start(2);
  const leader = cluster.leader();
  cluster.clock.advance(300);
  const other = leader.id === 1 ? 2 : 1;
  cluster.stop(leader.id);
  const late = cluster.start(3);
  cluster.clock.advance(3000);
  expect(late.node.status().notVoting).toContain("waiting for the leader");
  cluster.start(leader.id);
  cluster.until("takes part", () => late.node.status().applied > 0);
  expect(cluster.member(other).node.status().notVoting).toBeNull();
});

test("an empty founder waits for the answer of every member that it is connected to: that one may have the log", () => {
  const sent: AdmissionMessage[] = [];
  const options = { others: [2, 3], instance: 7, version: 1, mayFound: true };
  const newcomer = () => new Admission({ ...options, send: (_, one) => void sent.push(one) });
  const answer = (verdict: "noLog" | "log"): AdmissionMessage => ({
    kind: "answer",
    instance: 7,
    verdict,
    term: 0,
  });
  for (const last of ["noLog", "log"] as const) {
    const admission = newcomer();
    admission.peer(2, true);
    admission.peer(3, true);
    expect(admission.answer(2, answer("noLog"))).toBeNull();
    expect(admission.founder()).toBeNull();
    expect(admission.answer(3, answer(last))?.kind ?? null).toBe(last === "noLog" ? "founder" : null);
  }
});

test("a member that is in a term is no proof that there is no log, though it has no entry itself", () => {
  const cluster = new TestCluster(3);
  cluster.start(1).storage.append(inTerm(7), () => {});
  cluster.stop(1);
  expect(cluster.start(1).node.status()).toMatchObject({ term: 7, lastIndex: 0 });
  const second = cluster.start(2);
  cluster.clock.advance(5000);
  expect(second.node.status().notVoting).toContain(
    "a log may exist: waiting for a leader, or until all first members",
  );
  expect(second.storage.load().empty).toBe(true);
  const written: unknown[] = [];
  const append = second.storage.append.bind(second.storage);
  second.storage.append = (batch, done) => {
    written.push(batch.hardState);
    append(batch, done);
  };
  // No member has a log: an election was tried, and came to nothing.
  const third = cluster.start(3);
  cluster.until("founded", () => [second, third].every(({ node }) => node.status().notVoting === null));
  // It may have voted in that term before it lost its directory: it does not vote a second time.
  expect(written[0]).toEqual({ term: 7, vote: second.id, commit: 0 });
  expect(cluster.leader().node.status().term).toBeGreaterThan(7);
});

function inTerm(term: number): LogBatch {
  return { hardState: { term, vote: 1, commit: 0 }, entries: [], snapshot: null, sync: true };
}

/** Answer of the running member 1 to an empty member 2: verdict and term. */
function verdictOf(cluster: TestCluster): string | undefined {
  const answers: (AdmissionMessage | null)[] = [];
  const asking = cluster.network.transport(2);
  asking.start({
    onFrame: (_, channel, payload) => {
      if (channel === ADMISSION_CHANNEL) answers.push(decodeAdmission(4711, payload));
    },
    onPeer: () => {},
  });
  cluster.clock.advance(20);
  const hello = { kind: "hello", instance: 5, empty: true, version: 1, pieces: false } as const;
  asking.send(1, ADMISSION_CHANNEL, encodeAdmission(4711, hello));
  cluster.clock.advance(20);
  asking.close();
  const answer = answers.findLast((message) => message?.kind === "answer");
  return answer?.kind === "answer" ? `${answer.verdict} ${answer.term}` : undefined;
}

test("what a member without an entry says of a log: its term, and that there is one while its welcome is being written", () => {
  const fresh = new TestCluster(3);
  fresh.start(1);
  expect(verdictOf(fresh)).toBe("noLog 0");
  const voted = new TestCluster(3);
  voted.start(1).storage.append(inTerm(7), () => {});
  voted.stop(1);
  voted.start(1);
  expect(verdictOf(voted)).toBe("noLog 7");
  const welcomed = new TestCluster(3);
  welcomed.start(2);
  welcomed.start(3);
  const { term } = welcomed.leader().node.status();
  const late = startHeld(welcomed, 1);
  welcomed.stop(2);
  expect(late.node.status().notVoting).toContain("writes that to its log");
  expect(verdictOf(welcomed)).toBe(`log ${term}`);
});

test("a founder in a term tells it while it is being written", () => {
  const cluster = new TestCluster(3);
  cluster.start(2).storage.append(inTerm(7), () => {});
  cluster.stop(2);
  cluster.start(2);
  cluster.start(3);
  startHeld(cluster, 1);
  cluster.stop(2);
  expect(verdictOf(cluster)).toBe("noLog 7");
});

test("a founder that was welcomed and has nothing yet founds no second log with an emptied one, after a restart either", () => {
  const cluster = new TestCluster(3);
  cluster.start(1);
  cluster.start(3);
  const leader = cluster.leader();
  let applied = false;
  leader.node.propose(text("precious"), () => applied = true);
  cluster.until("applied", () => applied);
  const late = startHeld(cluster, 2);
  cluster.stop(1);
  cluster.isolate(3);
  late.storage.release();
  cluster.clock.advance(20);
  expect(late.storage.load()).toMatchObject({ hardState: { vote: leader.id }, entries: [] });
  cluster.stop(2);
  cluster.start(2);
  const emptied = cluster.start(1, true);
  cluster.clock.advance(10_000);
  expect(emptied.node.status().notVoting).toContain("a log may exist");
  expect(emptied.storage.load().empty).toBe(true);
  expect(cluster.member(2).node.status().lastIndex).toBe(0);
});

test("a founder that was emptied does not found with a member that was added and has nothing yet", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  let outcome: AddOutcome | undefined;
  leader.node.addMember({ addr: "127.0.0.1:4", name: "n4" }, (told) => outcome = told);
  cluster.until("added", () => outcome !== undefined);
  for (const id of cluster.ids) cluster.stop(id);
  const added = cluster.join(outcome);
  const emptied = cluster.start(1, true);
  cluster.clock.advance(5000);
  expect(emptied.node.status().notVoting).toContain("waiting for the leader");
  expect(added.node.status()).toMatchObject({ lastIndex: 0, term: 0 });
  // Nor when that member was welcomed in an earlier life, and has got no further.
  added.storage.append(inTerm(1), () => {});
  cluster.stop(1);
  cluster.stop(added.id);
  expect(cluster.start(added.id).node.status()).toMatchObject({ lastIndex: 0, term: 1 });
  expect(cluster.start(1).instance).toBe(emptied.instance);
  cluster.clock.advance(5000);
  expect(cluster.member(1).node.status().notVoting).toContain("waiting for the leader");
  expect(emptied.storage.load().empty).toBe(true);
});

test("a member that was welcomed knows of a log before it has any of it", () => {
  const cluster = new TestCluster(3);
  const emptied = cluster.start(1);
  cluster.start(3);
  cluster.leader();
  cluster.stop(1);
  cluster.start(1);
  cluster.leader();
  const late = startHeld(cluster, 2);
  // From now on it hears only the emptied member.
  cluster.stop(1);
  cluster.isolate(3);
  late.storage.release();
  cluster.clock.advance(50);
  expect(late.node.status()).toMatchObject({ notVoting: null, lastIndex: 0 });
  const again = cluster.start(1, true);
  expect(again.instance).not.toBe(emptied.instance);
  cluster.clock.advance(5000);
  expect(again.node.status().notVoting).toContain("waiting for the leader");
});

test("whoever was told of a log founds nothing and says so, also when the one that has it is gone", () => {
  const log = new Admission({ others: [2, 3], instance: 7, version: 1, mayFound: true, send: () => {} });
  log.peer(3, true);
  log.peer(2, true);
  log.answer(3, { kind: "answer", instance: 7, verdict: "log", term: 4 });
  log.peer(3, false);
  expect(log.answer(2, { kind: "answer", instance: 7, verdict: "noLog", term: 0 })).toBeNull();
  expect(log.knowsLog).toBe(true);
});

test("strangers are no part of a majority of the founders", () => {
  const admission = new Admission({
    others: [2, 3],
    instance: 7,
    version: 1,
    mayFound: true,
    send: () => {},
  });
  const noLog = { kind: "answer", instance: 7, verdict: "noLog", term: 0 } as const;
  admission.peer(99, true);
  expect(admission.answer(99, noLog)).toBeNull();
  admission.peer(2, true);
  expect(admission.answer(2, noLog)).toEqual({ kind: "founder", term: 0 });
});

test("emptied members of a cluster that goes on under another id do not found it a second time", () => {
  const sent: AdmissionMessage[] = [];
  const admission = new Admission({
    others: [2, 3],
    instance: 7,
    version: 1,
    mayFound: true,
    send: (_, message) => sent.push(message),
  });
  const noLog = { kind: "answer", instance: 7, verdict: "noLog", term: 0 } as const;
  admission.otherCluster(3);
  admission.peer(2, true);
  expect(admission.answer(2, noLog)).toBeNull();
  expect(admission.knowsLog).toBe(true);
  expect(admission.reason).toContain("another cluster answers");
  // Another process was at that address, and the member itself is there now.
  admission.peer(3, true);
  expect(admission.answer(3, noLog)).toEqual({ kind: "founder", term: 0 });
});

test("the last founder leads before anybody's election timeout", () => {
  const cluster = new TestCluster(3);
  cluster.start(1);
  cluster.clock.advance(50);
  cluster.start(2);
  cluster.clock.advance(300);
  expect([1, 2].map((id) => cluster.member(id).node.status().leader)).toEqual([2, 2]);
});
