/** The leader's part, step by step. */
import { expect, test } from "bun:test";
import { flush, makeLeader, message, newNode } from "../core/testing.ts";
import type { RawNode } from "../core/raw_node.ts";
import { Contacts } from "./contacts.ts";
import { MemberChanges } from "./member_changes.ts";
import type { OperationOutcome } from "./member_messages.ts";
import type { MemberRecord } from "./member_record.ts";
import { MemberRecords } from "./member_records.ts";

const FOURTH: MemberRecord = { id: 4, name: "n4", addr: "10.0.0.4:1", votes: true, replaces: 0 };

/**
 * Leader of three whose entries are committed when `acknowledge` says so; records are applied at once.
 * `objections`: reasons why members must not be removed, by id.
 */
function newLeader(objections = new Map<number, string>()) {
  const core = newNode(1, [1, 2, 3]);
  makeLeader(core, [2, 3]);
  const acknowledge = () => {
    for (const from of [2, 3]) {
      core.step(message("appendResponse", from, { term: core.term, index: core.lastIndex }));
    }
    flush(core);
    records.applied(core.configuration);
  };
  const records = new MemberRecords();
  acknowledge();
  const [proposed, forgotten, said]: [MemberRecord[], number[], string[]] = [[], [], []];
  const clock = { now: 0 };
  const now = () => clock.now;
  const contacts = new Contacts({ now, electionMaxMs: 1000 });
  // Each of them has said something, as a frame of raft is a word to the node first.
  for (const id of [2, 3, 4, 5, 6]) contacts.heard(id);
  const changes = new MemberChanges({
    id: 1,
    records,
    electionMaxMs: 1000,
    contacts,
    now,
    infoOf: (id) => ({ id, name: `n${id}`, addr: `10.0.0.${id}:1` }),
    propose: (record) => void proposed.push(record),
    mayRemove: (id) => objections.get(id) ?? null,
    forget: (id) => void forgotten.push(id),
    log: (text) => void said.push(text),
  });
  const apply = () => proposed.splice(0).forEach((record) => records.put(record));
  const outcomes: OperationOutcome[] = [];
  const run = (operation: Parameters<MemberChanges["run"]>[0]) => {
    changes.run(operation, (outcome) => outcomes.push(outcome));
    changes.step(core);
  };
  return {
    core,
    records,
    changes,
    clock,
    objections,
    proposed,
    forgotten,
    said,
    outcomes,
    acknowledge,
    apply,
    run,
  };
}

const learners = (core: RawNode) => core.configuration.learners;
const voters = (core: RawNode) => core.configuration.voters;

/** Gives time for everything that records ask for. */
function idle({ core, changes, acknowledge }: ReturnType<typeof newLeader>): void {
  for (let tick = 0; tick < 30; tick++) {
    changes.tick(core);
    acknowledge();
  }
}

/** Waits for the core's next look at which members have answered. */
function forgetActivity({ core }: ReturnType<typeof newLeader>, silent = [2, 3]): void {
  const isActive = () =>
    core.status().progress.some(({ id, recentActive }) => silent.includes(id) && recentActive);
  while (isActive()) {
    for (const from of [2, 3].filter((id) => !silent.includes(id))) {
      core.step(message("appendResponse", from, { term: core.term, index: core.lastIndex }));
    }
    core.tick();
  }
  flush(core);
}

/** Makes a member silent for as long as it takes. */
function silence(leader: ReturnType<typeof newLeader>, id: number): void {
  leader.changes.step(leader.core);
  leader.clock.now += 3000;
  forgetActivity(leader, [id]);
}

/** Leader whose member 3 is to be replaced by 4, which has arrived and is about to get its vote. */
function replacing(objections?: Map<number, string>) {
  const leader = newLeader(objections);
  const { core, changes, outcomes, acknowledge, apply, run } = leader;
  run({ kind: "add", record: { ...FOURTH, replaces: 3 } });
  apply();
  changes.step(core);
  acknowledge();
  changes.step(core);
  core.step(message("appendResponse", 4, { term: core.term, index: core.lastIndex }));
  expect(outcomes).toEqual([{ kind: "done" }]);
  expect(core.configuration).toMatchObject({ voters: [1, 2, 3], learners: [4] });
  return leader;
}

test("everybody's name and address is recorded before the configuration changes", () => {
  const { core, changes, proposed, apply, run } = newLeader();
  run({ kind: "add", record: FOURTH });
  expect(proposed.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
  expect(learners(core)).toEqual([]);
  apply();
  changes.step(core);
  expect(learners(core)).toEqual([4]);
  const second = newLeader();
  second.run({ kind: "remove", id: 3 });
  expect(voters(second.core)).toEqual([1, 2, 3]);
  second.apply();
  second.changes.step(second.core);
  expect(voters(second.core)).toEqual([1, 2]);
});

test("a change is done when it is committed, and the next one waits for that", () => {
  const { core, changes, outcomes, acknowledge, apply, run } = newLeader();
  run({ kind: "add", record: FOURTH });
  run({ kind: "add", record: { ...FOURTH, id: 5, addr: "10.0.0.5:1", name: "n5" } });
  apply();
  changes.step(core);
  changes.step(core);
  expect(outcomes).toEqual([]);
  expect(learners(core)).toEqual([4]);
  acknowledge();
  changes.step(core);
  expect(outcomes).toEqual([{ kind: "done" }]);
  apply();
  changes.step(core);
  expect(learners(core)).toEqual([4, 5]);
});

test("when its time is over: unknown if it is in the log, else rejected, and its record is taken back", () => {
  const stuck = newLeader();
  stuck.run({ kind: "add", record: FOURTH });
  stuck.apply();
  stuck.changes.step(stuck.core);
  stuck.clock.now = 9000;
  stuck.changes.tick(stuck.core);
  expect(stuck.outcomes).toMatchObject([{ kind: "unknown" }]);
  expect(stuck.forgotten).toEqual([]);

  const never = newLeader();
  never.core.proposeConfig({ kind: "addLearner", id: 9 });
  never.run({ kind: "add", record: FOURTH });
  never.apply();
  never.changes.step(never.core);
  never.clock.now = 9000;
  never.changes.tick(never.core);
  expect(never.outcomes).toMatchObject([{
    kind: "rejected",
    reason: expect.stringContaining("previous change"),
  }]);
  expect(never.forgotten).toEqual([4]);
});

test("whoever asks twice for the same is answered twice, and it is done once", () => {
  const { core, changes, outcomes, acknowledge, apply, run } = newLeader();
  run({ kind: "remove", id: 3 });
  run({ kind: "remove", id: 3 });
  apply();
  changes.step(core);
  acknowledge();
  changes.step(core);
  expect(outcomes).toEqual([{ kind: "done" }, { kind: "done" }]);
  expect(voters(core)).toEqual([1, 2]);
});

test("the end of the leadership sends everybody on", () => {
  const { changes, outcomes, run } = newLeader();
  run({ kind: "add", record: FOURTH });
  changes.drop();
  expect(outcomes).toEqual([{ kind: "retry", reason: "leadership was lost" }]);
});

test("a record alone, of a member that never came to be one, removes nobody", () => {
  const { core, records, changes } = newLeader();
  for (const id of [1, 2, 3]) records.put({ ...FOURTH, id, addr: `10.0.0.${id}:1` });
  records.put({ ...FOURTH, id: 9, replaces: 3 });
  for (let tick = 0; tick < 30; tick++) changes.tick(core);
  expect(voters(core)).toEqual([1, 2, 3]);
});

test("a removal that is objected to is refused with the reason, and nothing changes", () => {
  const leader = newLeader();
  const { core, records, objections, outcomes, proposed, run } = leader;
  objections.set(3, "it holds the lock");
  run({ kind: "remove", id: 3 });
  expect(outcomes).toEqual([{ kind: "rejected", reason: "it holds the lock" }]);
  expect(proposed).toEqual([]);
  idle(leader);
  expect(voters(core)).toEqual([1, 2, 3]);
  expect(records.isRemoved(3)).toBe(false);
  // The objection is to that member only.
  run({ kind: "remove", id: 2 });
  leader.apply();
  leader.changes.step(core);
  expect(voters(core)).toEqual([1, 3]);
});

test("a removal that waits for another change is refused when the objection arises meanwhile", () => {
  const leader = newLeader();
  const { core, changes, objections, outcomes, acknowledge, apply, run } = leader;
  run({ kind: "add", record: FOURTH });
  run({ kind: "remove", id: 3 });
  apply();
  changes.step(core);
  objections.set(3, "it holds the lock");
  acknowledge();
  changes.step(core);
  expect(outcomes).toEqual([{ kind: "done" }, { kind: "rejected", reason: "it holds the lock" }]);
  idle(leader);
  expect(voters(core)).toContain(3);
});

test("a replaced member leaves when the new one votes", () => {
  const leader = replacing();
  idle(leader);
  expect(leader.core.configuration).toMatchObject({ voters: [1, 2, 4], learners: [] });
  expect(leader.records.isRemoved(3)).toBe(true);
});

test("a replaced member stays for as long as its removal is objected to, whenever that arises", () => {
  for (const arises of ["before it is asked for", "before the new one votes", "before the old one leaves"]) {
    const leader = replacing(new Map(arises === "before it is asked for" ? [[3, "it holds the lock"]] : []));
    const { core, changes, records, acknowledge } = leader;
    if (arises === "before the old one leaves") {
      while (!voters(core).includes(4)) changes.tick(core);
      acknowledge();
    }
    leader.objections.set(3, "it holds the lock");
    idle(leader);
    expect({ arises, ...core.configuration }).toEqual({ arises, voters: [1, 2, 3, 4], learners: [] });
    expect(records.isRemoved(3)).toBe(false);
    leader.objections.clear();
    idle(leader);
    expect(voters(core)).toEqual([1, 2, 4]);
  }
});

test("what a record waits for is said once, and again when it is something else", () => {
  const leader = newLeader();
  const { core, changes, objections, said, acknowledge, apply, run } = leader;
  const news = () => said.splice(0);
  run({ kind: "add", record: { ...FOURTH, replaces: 3 } });
  apply();
  changes.step(core);
  acknowledge();
  changes.step(core);
  expect(news()).toEqual(["member 4 joins: proposed"]);
  // Nothing has been heard of it yet.
  idle(leader);
  expect(news()).toEqual([
    "n4 is to vote, and waits: it must be in contact and have the log, and has not caught up yet",
  ]);
  objections.set(3, "it holds the lock: switch over first");
  core.step(message("appendResponse", 4, { term: core.term, index: core.lastIndex }));
  idle(leader);
  const stays = (reason: string) => `n4 is to replace n3, which stays for now: ${reason}`;
  expect(news()).toEqual(["member 4 votes: proposed", stays("it holds the lock: switch over first")]);
  objections.set(3, "it holds the lock: one is on its way");
  idle(leader);
  expect(news()).toEqual([stays("it holds the lock: one is on its way")]);
  // The next leader says it again.
  changes.drop();
  idle(leader);
  expect(news()).toEqual([stays("it holds the lock: one is on its way")]);
  objections.clear();
  idle(leader);
  idle(leader);
  expect(news()).toEqual(["member 3 leaves: proposed"]);
});

test("a leader that is to be replaced says so when nobody can take over from it", () => {
  const { core, records, changes, said } = newLeader();
  for (const id of [1, 2, 3]) {
    records.put({ ...FOURTH, id, name: `n${id}`, addr: `10.0.0.${id}:1`, replaces: id === 2 ? 1 : 0 });
  }
  const inContact = () => core.status().progress.some(({ id, recentActive }) => id !== 1 && recentActive);
  while (inContact()) core.tick();
  expect(core.role).toBe("leader");
  for (let tick = 0; tick < 30; tick++) changes.tick(core);
  expect(said).toEqual([
    "n2 is to replace n1, which stays for now: it leads, and no other voter is in contact to take over",
  ]);
});

test("a member that comes back under a new id at its own address leaves under the old one once nothing speaks against that", () => {
  const leader = newLeader();
  const { core, acknowledge, apply, changes, run, objections } = leader;
  objections.set(3, "it holds the lock");
  silence(leader, 3);
  run({ kind: "add", record: { ...FOURTH, addr: "10.0.0.3:1", replaces: 3 } });
  apply();
  changes.step(core);
  acknowledge();
  core.step(message("appendResponse", 4, { term: core.term, index: core.lastIndex }));
  for (let round = 0; round < 3; round++) {
    core.step(message("appendResponse", 4, { term: core.term, index: core.lastIndex }));
    idle(leader);
  }
  expect(voters(core)).toEqual([1, 2, 3, 4]);
  objections.delete(3);
  for (let round = 0; round < 3; round++) {
    core.step(message("appendResponse", 4, { term: core.term, index: core.lastIndex }));
    idle(leader);
  }
  expect(voters(core)).toEqual([1, 2, 4]);
});

test("an explicit removal is objected to, also when the one that has the place at that address votes", () => {
  const leader = newLeader(new Map([[3, "it holds the lock"]]));
  const { core, acknowledge, apply, changes, clock, objections, outcomes, run } = leader;
  silence(leader, 3);
  run({ kind: "add", record: { ...FOURTH, addr: "10.0.0.3:1", replaces: 3 } });
  apply();
  changes.step(core);
  acknowledge();
  changes.step(core);
  expect({ outcomes, ...core.configuration }).toMatchObject({ outcomes: [{ kind: "done" }], learners: [4] });
  run({ kind: "remove", id: 3 });
  expect(outcomes.slice(1)).toEqual([{ kind: "rejected", reason: "it holds the lock" }]);
  idle(leader);
  expect(voters(core)).toEqual([1, 2, 3]);
  core.step(message("appendResponse", 4, { term: core.term, index: core.lastIndex }));
  while (!voters(core).includes(4)) changes.tick(core);
  clock.now += 1;
  run({ kind: "remove", id: 3 });
  expect(outcomes.slice(2)).toEqual([{ kind: "rejected", reason: "it holds the lock" }]);
  objections.delete(3);
  run({ kind: "remove", id: 3 });
  for (let round = 0; round < 3; round++) {
    acknowledge();
    core.step(message("appendResponse", 4, { term: core.term, index: core.lastIndex }));
    changes.step(core);
  }
  expect(outcomes.slice(3)).toEqual([{ kind: "done" }]);
});

test("a member in contact is not replaced at its own address; a silent one is", () => {
  for (const id of [1, 3]) {
    const leader = newLeader();
    const { core, changes, clock, proposed, outcomes, run } = leader;
    changes.step(core);
    clock.now = 1000;
    const record = { ...FOURTH, name: `n${id}`, addr: `10.0.0.${id}:1`, replaces: id };
    run({ kind: "add", record });
    const reason =
      `the member at 10.0.0.${id}:1 is in contact, and is not replaced by itself: stop it, empty its raft ` +
      "directory and start it (it takes its own place), or remove it";
    expect(outcomes).toEqual([{ kind: "rejected", reason }]);
    // Between two looks of the core at the active members, none is active.
    changes.tick(core);
    forgetActivity(leader);
    run({ kind: "add", record });
    expect(outcomes.slice(1)).toEqual([{ kind: "rejected", reason }]);
    // The member may still be elsewhere.
    expect(proposed).toEqual([]);
    run({ kind: "add", record: { ...FOURTH, replaces: id } });
    expect(proposed.map((one) => one.id)).toContain(4);
  }
  const leader = newLeader();
  silence(leader, 3);
  leader.run({ kind: "add", record: { ...FOURTH, name: "n3", addr: "10.0.0.3:1", replaces: 3 } });
  leader.apply();
  leader.changes.step(leader.core);
  expect(learners(leader.core)).toEqual([4]);
});

test("a leader that has just been elected waits before it takes a member for silent", () => {
  const leader = newLeader();
  const { core, clock, changes, outcomes, proposed, acknowledge, run } = leader;
  changes.step(core);
  forgetActivity(leader);
  run({ kind: "add", record: { ...FOURTH, name: "n3", addr: "10.0.0.3:1", replaces: 3 } });
  expect({ outcomes, proposed }).toEqual({ outcomes: [], proposed: [] });
  acknowledge();
  clock.now = 1000;
  changes.tick(core);
  expect(outcomes).toMatchObject([{ kind: "rejected", reason: expect.stringContaining("is in contact") }]);
});
