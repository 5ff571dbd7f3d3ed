import { expect, test } from "bun:test";
import { storedLog } from "../core/testing.ts";
import type { Entry } from "../core/types.ts";
import type { ProposeOutcome } from "./api.ts";
import { ADMISSION_CHANNEL } from "./admission_messages.ts";
import { encodeEnvelope } from "./envelope.ts";
import { recoverCluster, replayLog } from "./recover_cluster.ts";
import { ReplicatedState } from "./replicated_state.ts";
import { ListMachine, TestCluster, type TestMember, text } from "./testing.ts";
import { UpgradeNeededError } from "./upgrade_needed.ts";

const NEW = { commandVersion: 2 };

function propose(cluster: TestCluster, member: TestMember, version: number): ProposeOutcome {
  const outcomes: ProposeOutcome[] = [];
  member.node.propose(text(`version ${version}`), (outcome) => outcomes.push(outcome), { version });
  cluster.until("an outcome", () => outcomes.length > 0);
  return outcomes[0]!;
}

const agreed = ({ node }: TestMember) => node.status().agreedVersion;

function upgrade(cluster: TestCluster, id: number, options = NEW): TestMember {
  cluster.stop(id);
  const member = cluster.start(id, false, undefined, options);
  const leader = cluster.leader();
  cluster.until("it follows", () => member.node.status().applied >= leader.node.status().commit);
  cluster.clock.advance(3000);
  return member;
}

/** Three members that have agreed on commands of version 2. */
function upgraded(options = {}): TestCluster {
  const cluster = new TestCluster(3, { ...NEW, ...options });
  cluster.startAll();
  cluster.until("agreed", () => cluster.ids.every((id) => agreed(cluster.member(id)) === 2));
  return cluster;
}

const fatal = ({ events }: TestMember) => events.find((event) => event.kind === "fatal");

test("a new command is proposed only when every member has said that it knows it", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  cluster.leader();
  for (const id of [1, 2]) {
    const member = upgrade(cluster, id);
    const refused = propose(cluster, member, 2);
    expect(refused).toMatchObject({ kind: "rejected", reason: expect.stringContaining("n3 (knows 1)") });
    expect(cluster.ids.map((each) => agreed(cluster.member(each)))).toEqual([1, 1, 1]);
  }
  upgrade(cluster, 3);
  cluster.until("agreed", () => cluster.ids.every((id) => agreed(cluster.member(id)) === 2));
  expect(propose(cluster, cluster.member(1), 2).kind).toBe("applied");
  expect(propose(cluster, cluster.member(1), 3)).toMatchObject({ kind: "rejected" });
});

test("a greeting that was lost is made up for when another member leads", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  cluster.leader();
  for (const id of [1, 2]) upgrade(cluster, id);
  cluster.stop(3);
  const leader = cluster.leader();
  const transport = cluster.network.transport(3);
  let isLost = true;
  const back = cluster.start(3, false, undefined, {
    ...NEW,
    transport: {
      ...transport,
      send: (to, channel, payload) =>
        isLost && channel === ADMISSION_CHANNEL ? true : transport.send(to, channel, payload),
    },
  });
  cluster.until("it follows", () => back.node.status().leader === leader.id);
  cluster.clock.advance(3000);
  expect(agreed(leader)).toBe(1);
  isLost = false;
  const next = [1, 2].find((id) => id !== leader.id)!;
  leader.node.transferLeadership(next, () => {});
  cluster.until("agreed", () => cluster.ids.every((id) => agreed(cluster.member(id)) === 2));
});

test("a member that only follows has to know it as well", () => {
  const cluster = upgraded();
  const outcomes: Parameters<typeof cluster.join>[0][] = [];
  cluster.leader().node.addMember(
    { addr: "127.0.0.1:4", name: "n4", votes: false },
    (one) => outcomes.push(one),
  );
  cluster.until("added", () => outcomes.length > 0);
  const learner = cluster.join(outcomes[0], { commandVersion: 2 });
  cluster.until("it follows", () => learner.machine.commands.length >= 0 && agreed(learner) === 2);
  for (const id of cluster.ids) upgrade(cluster, id, { commandVersion: 3 });
  const refused = propose(cluster, cluster.leader(), 3);
  expect(refused).toMatchObject({ kind: "rejected", reason: expect.stringContaining("n4 (knows 2)") });
});

test("whoever has never been heard of is not taken for new", () => {
  const cluster = new TestCluster(3, NEW);
  cluster.start(1);
  cluster.start(2);
  const leader = cluster.leader();
  cluster.clock.advance(5000);
  expect(agreed(leader)).toBe(1);
  const refused = propose(cluster, leader, 2);
  expect(refused).toMatchObject({ kind: "rejected", reason: expect.stringContaining("n3 (not heard from)") });
});

test("what was agreed stays so under other leaders, and is not recorded again and again", () => {
  const cluster = upgraded();
  const leader = cluster.leader();
  cluster.isolate(leader.id);
  cluster.until("another leader", () => {
    return [...cluster.members.values()].some((m) => m !== leader && m.node.leadsWithOwnTerm());
  });
  const next = [...cluster.members.values()].find((m) => m !== leader && m.node.leadsWithOwnTerm())!;
  expect(propose(cluster, next, 2).kind).toBe("applied");
  const { lastIndex } = next.node.status();
  cluster.clock.advance(5000);
  expect(next.node.status().lastIndex).toBe(lastIndex);
});

for (
  const [how, options] of [["an entry", {}], ["a snapshot", {
    snapshotEveryEntries: 1,
    keepEntries: 0,
  }]] as const
) {
  test(`a member of an earlier version that meets it in ${how} stops and says what to do`, () => {
    const cluster = upgraded(options);
    expect(propose(cluster, cluster.leader(), 2).kind).toBe("applied");
    const down = [...cluster.members.values()].find(({ node }) => !node.leadsWithOwnTerm())!;
    cluster.clock.advance(500);
    cluster.stop(down.id);
    const old = cluster.start(down.id, false, undefined, { commandVersion: 1, ...options });
    cluster.until("it stops", () => fatal(old) !== undefined);
    expect(fatal(old)).toMatchObject({ error: expect.any(UpgradeNeededError) });
    const line = old.logged.find(({ event }) => event === "raft_upgrade_needed");
    expect(line?.text).toMatch(/version 2.*up to version 1: upgrade this member/);
    expect(old.machine.commands).toEqual([]);
    // The others go on, and so does this member when it is upgraded.
    expect(propose(cluster, cluster.leader(), 2).kind).toBe("applied");
    const again = cluster.start(down.id, false, undefined, { commandVersion: 2, ...options });
    cluster.until("it follows", () => again.machine.commands.length === 2);
  });
}

test("an empty member of an earlier version stops at the leader's snapshot", () => {
  const cluster = upgraded({ snapshotEveryEntries: 1, keepEntries: 0 });
  const outcomes: Parameters<typeof cluster.join>[0][] = [];
  cluster.leader().node.addMember({ addr: "127.0.0.1:4", name: "n4" }, (one) => outcomes.push(one));
  cluster.until("added", () => outcomes.length > 0);
  const old = cluster.join(outcomes[0], { commandVersion: 1 });
  cluster.until("it stops", () => fatal(old) !== undefined);
  expect(old.node.status().agreedVersion).toBeGreaterThan(1);
  expect(old.machine.commands).toEqual([]);
});

test("an entry of a kind that no version in force has does nothing, and stops nobody", () => {
  const state = new ReplicatedState(new ListMachine(), 1);
  const entry: Entry = { term: 1, index: 1, kind: "normal", data: new Uint8Array([99, 1]) };
  expect(state.apply(entry)).toEqual({ kind: "nothing" });
  expect(state.apply({ ...entry, data: new Uint8Array([1, 0]) })).toEqual({ kind: "nothing" });
});

test("only the next version can be recorded; any other record does nothing", () => {
  const state = new ReplicatedState(new ListMachine(), 2);
  const record = (version: number): Entry => ({
    term: 1,
    index: 1,
    kind: "normal",
    data: encodeEnvelope({ kind: "version", version }),
  });
  for (const version of [0, 1, 3, 60_000]) {
    state.apply(record(version));
    expect(state.sessions.agreedVersion).toBe(1);
  }
  state.apply(record(2));
  expect(state.sessions.agreedVersion).toBe(2);
  expect(() => state.apply(record(3))).toThrow(UpgradeNeededError);
});

test("members that all know several versions more get there one by one", () => {
  const cluster = new TestCluster(3, { commandVersion: 5 });
  cluster.startAll();
  cluster.until("agreed", () => cluster.ids.every((id) => agreed(cluster.member(id)) === 5));
});

test("a recovered cluster goes on with the version that was agreed", () => {
  const data = encodeEnvelope({ kind: "version", version: 2 });
  const stored = storedLog({ entries: [{ term: 1, index: 1, kind: "normal", data }] });
  expect(() => replayLog(stored, new ListMachine(), 1)).toThrow(UpgradeNeededError);
  replayLog(stored, new ListMachine(), 2);
  const self = { oldClusterId: 1, addr: "a:1", name: "n1", seed: "x" };
  const { snapshot } = recoverCluster(stored, new ListMachine(), self);
  expect(() => new ReplicatedState(new ListMachine(), 1).restore(snapshot.data, 1)).toThrow(
    UpgradeNeededError,
  );
});
