/** Messages that leave the node, and the writes that come before them. */
import { expect, test } from "bun:test";
import { decodeMessage, makeMessage } from "../core/message.ts";
import { storedLog } from "../core/testing.ts";
import type { Message } from "../core/types.ts";
import { CoreDriver } from "./core_driver.ts";
import type { LogBatch, LogStorage } from "./ports.ts";
import { ReplicatedState } from "./replicated_state.ts";
import { ListMachine } from "./testing.ts";

/** Node 1 of three, with a disk and a network that do nothing by themselves. */
function newDriver() {
  const sent: Message[] = [];
  const writes: { batch: LogBatch; done: (error: Error | null) => void }[] = [];
  const storage: LogStorage = {
    load: () => storedLog(),
    append: (batch, done) => void writes.push({ batch, done }),
    compact: () => {},
    oldestPendingMs: () => 0,
    shortOfSpace: () => null,
    close: () => {},
  };
  const failures: Error[] = [];
  const soon: (() => void)[] = [];
  const driver: CoreDriver = new CoreDriver({
    core: {
      id: 1,
      storage: storedLog(),
      initialVoters: [1, 2, 3],
      electionTicks: 10,
      heartbeatTicks: 1,
      random: () => 0,
      preVote: false,
    },
    storage,
    transport: {
      start: () => {},
      send: (_, __, payload) => {
        sent.push(decodeMessage(payload));
        return true;
      },
      close: () => {},
    },
    state: new ReplicatedState(new ListMachine(), 1),
    snapshotEveryEntries: 100,
    keepEntries: 10,
    broken: new Set(),
    turn: (work) => {
      work();
      driver.pump();
    },
    soon: (work) => void soon.push(work),
    sendPieces: () => false,
    onApplied: () => {},
    onRestored: () => {},
    onReadStates: () => {},
    onFailure: (error) => failures.push(error),
  });
  const finish = () => {
    for (const { done } of writes.splice(0)) done(null);
  };
  const taken = () => sent.splice(0).map(({ type, to }) => `${type}>${to}`);
  const doSoon = () => {
    for (const work of soon.splice(0)) work();
  };
  return { driver, writes, finish, taken, failures, doSoon };
}

function elected() {
  const world = newDriver();
  const { driver, finish, taken } = world;
  driver.core.campaign();
  driver.pump();
  finish();
  driver.core.step(makeMessage({ type: "voteResponse", from: 2, to: 1, term: 1 }));
  driver.pump();
  finish();
  taken();
  expect(driver.core.role).toBe("leader");
  /** Member 2 has written everything. */
  const acknowledge = () => {
    const { term, lastIndex: index } = driver.core;
    driver.core.step(makeMessage({ type: "appendResponse", from: 2, to: 1, term, index }));
    driver.pump();
  };
  return { ...world, acknowledge };
}

test("term and vote are written, and votes are asked for only after that", () => {
  const { driver, writes, finish, taken } = newDriver();
  driver.core.campaign();
  driver.pump();
  expect(writes.map(({ batch }) => batch)).toMatchObject([
    { hardState: { term: 1, vote: 1, commit: 0 }, sync: true },
  ]);
  expect(taken()).toEqual([]);
  finish();
  expect(taken()).toEqual(["vote>2", "vote>3"]);
});

test("the commit index goes with the next write, or by itself when none comes", () => {
  const { driver, writes, finish, acknowledge } = elected();
  acknowledge();
  expect(driver.core.commit).toBe(1);
  expect(writes).toEqual([]);
  driver.core.propose(new Uint8Array([1]));
  driver.pump();
  expect(writes[0]?.batch.hardState).toEqual({ term: 1, vote: 1, commit: 1 });
  driver.writeCommit();
  finish();
  acknowledge();
  expect(driver.core.commit).toBe(2);
  driver.writeCommit();
  driver.writeCommit();
  expect(writes.map(({ batch }) => batch)).toEqual([
    { hardState: { term: 1, vote: 1, commit: 2 }, entries: [], snapshot: null, sync: false },
  ]);
});

test("news of a commit waits a moment, and goes with the next entries when there are any", () => {
  const { driver, finish, taken, doSoon, acknowledge } = elected();
  doSoon();
  taken();
  acknowledge();
  expect(driver.core.commit).toBe(1);
  expect(taken()).toEqual([]);
  doSoon();
  // Member 3 has not answered yet: it is still being probed, and is told when it answers.
  expect(taken()).toEqual(["append>2"]);
  driver.core.propose(new Uint8Array([1]));
  driver.pump();
  finish();
  taken();
  acknowledge();
  expect(driver.core.commit).toBe(2);
  driver.core.propose(new Uint8Array([2]));
  driver.pump();
  doSoon();
  expect(taken()).toEqual(["append>2"]);
});

test("what needs no write of its own waits for the writes before it", () => {
  const { driver, writes, taken } = newDriver();
  const vote = makeMessage({ type: "vote", from: 2, to: 1, term: 1 });
  driver.core.step(vote);
  driver.pump();
  driver.core.step(vote);
  driver.pump();
  expect(writes.length).toBe(1);
  expect(taken()).toEqual([]);
  writes[0]!.done(null);
  expect(taken()).toEqual(["voteResponse>2", "voteResponse>2"]);
});

test("a leader that is muted sends nothing that keeps its followers loyal, but still answers", () => {
  const { driver, taken } = elected();
  driver.core.tick();
  driver.pump();
  expect(taken()).toEqual(["heartbeat>2", "heartbeat>3"]);
  driver.mutedAsLeader = true;
  driver.core.tick();
  driver.core.propose(new Uint8Array([1]));
  driver.pump();
  expect(taken()).toEqual([]);
  driver.core.transferLeader(2);
  driver.core.step(makeMessage({ type: "appendResponse", from: 2, to: 1, term: 1, index: 2 }));
  driver.pump();
  expect(taken()).toEqual(["transferLeader>3", "timeoutNow>2"]);
});

test("no snapshot is taken of a state that a received one is about to replace", () => {
  const { driver, writes, finish } = elected();
  driver.core.step(makeMessage({ type: "appendResponse", from: 2, to: 1, term: 1, index: 1 }));
  driver.core.propose(new Uint8Array([1]));
  driver.pump();
  finish();
  driver.core.step(makeMessage({ type: "appendResponse", from: 2, to: 1, term: 1, index: 2 }));
  driver.pump();
  finish();
  const machine = new ReplicatedState(new ListMachine(), 1);
  const snapshot = {
    index: 50,
    term: 2,
    configuration: { voters: [1, 2, 3], learners: [] },
    data: machine.snapshot(),
  };
  driver.core.step(makeMessage({ type: "snapshot", from: 2, to: 1, term: 2, snapshot }));
  driver.pump();
  expect(driver.snapshotNow(() => {})).toBe(false);
  driver.shrinkLog();
  expect(writes.map(({ batch }) => batch.snapshot?.index)).toEqual([50]);
  finish();
  expect(driver.core.applied).toBe(50);
});

test("a failed write ends it: nothing is sent any more", () => {
  const { driver, writes, taken, failures } = newDriver();
  driver.core.campaign();
  driver.pump();
  writes[0]!.done(new Error("EIO"));
  expect(failures.map(({ message }) => message)).toEqual(["EIO"]);
  expect(taken()).toEqual([]);
});
