import { expect, test } from "bun:test";
import fc from "fast-check";
import type { ProposeOutcome, ReadOutcome } from "./api.ts";
import { ADMISSION_CHANNEL } from "./admission_messages.ts";
import { TestCluster, type TestMember, text } from "./testing.ts";

function propose(member: TestMember, command: string, options?: { onlyInTerm?: number; timeoutMs?: number }) {
  const outcomes: ProposeOutcome[] = [];
  member.node.propose(text(command), (outcome) => outcomes.push(outcome), options);
  return outcomes;
}

function followersOf(cluster: TestCluster, leader: TestMember): TestMember[] {
  return [...cluster.members.values()].filter((member) => member.id !== leader.id);
}

test("three members elect a leader, which all of them know", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  cluster.until(
    "all know",
    () => [...cluster.members.values()].every((m) => m.node.status().leader === leader.id),
  );
  expect(leader.events.some((event) => event.kind === "state" && event.ownTermApplied)).toBe(true);
  const status = leader.node.status();
  expect(status.role).toBe("leader");
  expect(status.canLose).toBe(1);
  expect(status.notVoting).toBeNull();
  expect(status.members.map((m) => [m.name, m.voter, m.connected])).toEqual([
    ["n1", true, true],
    ["n2", true, true],
    ["n3", true, true],
  ]);
});

test("a single member leads at once and applies", () => {
  const cluster = new TestCluster(1);
  cluster.startAll();
  const leader = cluster.leader();
  const outcomes = propose(leader, "a");
  cluster.until("applied", () => outcomes.length === 1);
  expect(outcomes[0]).toMatchObject({ kind: "applied", result: 1 });
});

test("a command is applied on all members in one order, and the proposer gets the result", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  const outcomes = ["a", "b", "c"].flatMap((command) => propose(leader, command));
  expect(outcomes).toEqual([]);
  const all = ["d", "e"].map((command) => propose(leader, command));
  cluster.until("applied", () => all.every((each) => each.length === 1));
  expect(all.map(([outcome]) => outcome!.kind)).toEqual(["applied", "applied"]);
  cluster.until(
    "replicated",
    () => [...cluster.members.values()].every((m) => m.machine.commands.length === 5),
  );
  for (const { machine } of cluster.members.values()) {
    expect(machine.commands).toEqual(["a", "b", "c", "d", "e"]);
  }
});

test("a follower forwards a command and gets the result of its own apply", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const [follower] = followersOf(cluster, cluster.leader());
  cluster.until("leader known", () => follower!.node.status().leader !== null);
  const outcomes = propose(follower!, "from a follower");
  cluster.until("applied", () => outcomes.length === 1);
  expect(outcomes[0]).toMatchObject({ kind: "applied", result: 1 });
  expect(follower!.machine.commands).toEqual(["from a follower"]);
});

test("a command proposed before there is a leader waits for one", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const outcomes = propose(cluster.member(1), "early");
  cluster.until("applied", () => outcomes.length === 1);
  expect(outcomes[0]!.kind).toBe("applied");
});

test("without a leader a command is rejected when its time is over, since it never left", () => {
  const cluster = new TestCluster(3);
  cluster.start(1);
  const outcomes = propose(cluster.member(1), "lonely", { timeoutMs: 700 });
  cluster.until("ended", () => outcomes.length === 1);
  expect(outcomes[0]).toEqual({ kind: "rejected", reason: expect.stringContaining("no leader is known") });
});

test("B38: a command of a leader that is cut off ends as unknown, and is applied once if it comes through", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const old = cluster.leader();
  cluster.isolate(old.id);
  const lost = propose(old, "lost?", { timeoutMs: 400 });
  cluster.until("ended", () => lost.length === 1);
  expect(lost[0]!.kind).toBe("unknown");
  const patient = propose(old, "patient", { timeoutMs: 20_000 });
  cluster.until("another leader", () => followersOf(cluster, old).some((m) => m.node.leadsWithOwnTerm()));
  cluster.isolate(old.id, true);
  cluster.until("applied", () => patient.length === 1);
  expect(patient[0]!.kind).toBe("applied");
  const other = followersOf(cluster, old)[0]!;
  cluster.until("replicated", () => other.machine.commands.includes("patient"));
  expect(other.machine.commands.filter((command) => command === "patient")).toEqual(["patient"]);
});

test("B19: a command for one term only is rejected elsewhere, and when its entry is overwritten", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const old = cluster.leader();
  const { term } = old.node.status();
  const [follower] = followersOf(cluster, old);
  const elsewhere = propose(follower!, "x", { onlyInTerm: term });
  expect(elsewhere).toEqual([{ kind: "rejected", reason: `this node does not lead in term ${term}` }]);
  expect(propose(old, "x", { onlyInTerm: term + 1 })[0]?.kind).toBe("rejected");
  cluster.isolate(old.id);
  const overwritten = propose(old, "x", { onlyInTerm: term, timeoutMs: 60_000 });
  cluster.until("another leader", () => followersOf(cluster, old).some((m) => m.node.leadsWithOwnTerm()));
  const next = cluster.leader();
  const filler = propose(next, "y");
  cluster.until("applied", () => filler.length === 1);
  cluster.isolate(old.id, true);
  cluster.until("ended", () => overwritten.length === 1);
  expect(overwritten[0]).toEqual({ kind: "rejected", reason: "leadership was lost before it was committed" });
  expect(next.machine.commands).toEqual(["y"]);
});

test("a read is confirmed on the leader only, and not by one that lost its majority", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  const read = (member: TestMember) => {
    const outcomes: ReadOutcome[] = [];
    member.node.read((outcome) => outcomes.push(outcome));
    return outcomes;
  };
  const confirmed = read(leader);
  cluster.until("confirmed", () => confirmed.length === 1);
  expect(confirmed[0]).toMatchObject({ kind: "confirmed", term: leader.node.status().term });
  expect(read(followersOf(cluster, leader)[0]!)[0]?.kind).toBe("rejected");
  cluster.isolate(leader.id);
  const stale = read(leader);
  cluster.until("ended", () => stale.length === 1);
  expect(stale[0]).toEqual({ kind: "rejected", reason: "leadership was lost" });
});

test("leadership is handed over on request", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  const [target] = followersOf(cluster, leader);
  const outcomes: (string | null)[] = [];
  leader.node.transferLeadership(target!.id, (error) => outcomes.push(error));
  cluster.until("ended", () => outcomes.length === 1);
  expect(outcomes).toEqual([null]);
  cluster.until("it leads", () => target!.node.leadsWithOwnTerm());
});

test("a transfer to a dead member fails within an election timeout", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  const [target] = followersOf(cluster, leader);
  cluster.stop(target!.id);
  const outcomes: (string | null)[] = [];
  leader.node.transferLeadership(target!.id, (error) => outcomes.push(error));
  const begin = cluster.clock.now();
  cluster.until("ended", () => outcomes.length === 1);
  expect(outcomes[0]).toBeString();
  expect(cluster.clock.now() - begin).toBeLessThanOrEqual(1100);
});

test("a member that was stopped finds its state again and catches up", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  const first = propose(leader, "a");
  cluster.until("applied", () => first.length === 1);
  const [follower] = followersOf(cluster, leader);
  cluster.stop(follower!.id);
  const second = propose(leader, "b");
  cluster.until("applied", () => second.length === 1);
  const again = cluster.start(follower!.id);
  expect(again.node.status().term).toBeGreaterThan(0);
  cluster.until("caught up", () => again.machine.commands.length === 2);
  expect(again.machine.commands).toEqual(["a", "b"]);
});

test("B40: all members stopped and started again keep what was applied", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const outcomes = propose(cluster.leader(), "a");
  cluster.until("applied", () => outcomes.length === 1);
  for (const id of cluster.ids) cluster.stop(id);
  cluster.startAll();
  const leader = cluster.leader();
  expect(leader.machine.commands).toEqual(["a"]);
});

test("snapshots are taken, shorten the log, and bring a member up that was away", () => {
  const cluster = new TestCluster(3, { snapshotEveryEntries: 20, keepEntries: 5 });
  cluster.startAll();
  const leader = cluster.leader();
  const [away] = followersOf(cluster, leader);
  cluster.stop(away!.id);
  let last: ProposeOutcome[] = [];
  for (let i = 0; i < 60; i++) last = propose(leader, `c${i}`);
  cluster.until("applied", () => last.length === 1);
  expect(leader.node.status().snapshotIndex).toBeGreaterThan(20);
  expect(leader.storage.compactedTo).toBe(leader.node.status().snapshotIndex - 5);
  const again = cluster.start(away!.id);
  cluster.until("caught up", () => again.machine.commands.length === 60);
  expect(again.node.status().snapshotIndex).toBeGreaterThan(20);
  expect(again.machine.commands).toEqual(leader.machine.commands);
  // The sessions came with the snapshot: the states are equal byte for byte.
  const outcomes = propose(again, "from the one that was away");
  cluster.until("applied", () => outcomes.length === 1);
  expect(outcomes[0]!.kind).toBe("applied");
});

test("B37: what is applied is told in order and once, also to a member that was brought up by a snapshot", () => {
  const cluster = new TestCluster(3, { snapshotEveryEntries: 20, keepEntries: 5 });
  cluster.startAll();
  const leader = cluster.leader();
  const [away] = followersOf(cluster, leader);
  cluster.isolate(away!.id);
  for (let i = 0; i < 60; i++) propose(leader, `c${i}`);
  cluster.until("applied", () => leader.machine.commands.length === 60);
  cluster.isolate(away!.id, true);
  cluster.until("caught up", () => away!.machine.commands.length === 60);
  for (let i = 60; i < 70; i++) propose(leader, `c${i}`);
  cluster.until("applied", () => away!.machine.commands.length === 70);
  for (const { node, events, machine } of [leader, away!]) {
    const told = events.flatMap((event) => event.kind === "applied" ? [event.index] : []);
    // One event stands for all that a turn has applied, and none is missing at the end.
    expect(told.at(-1)).toBe(node.status().applied);
    expect(told).toEqual([...new Set(told)].sort((a, b) => a - b));
    expect(machine.commands).toEqual(Array.from({ length: 70 }, (_, i) => `c${i}`));
  }
});

test("B23: a leader whose disk hangs gives up, and another one takes over", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  leader.storage.held = true;
  const outcomes = propose(leader, "stuck", { timeoutMs: 60_000 });
  cluster.until(
    "another leader",
    () => followersOf(cluster, leader).some((m) => m.node.leadsWithOwnTerm()),
    // This is sooner than an election: the hang is noticed after 600 ms, and then leadership is offered.
    1000,
  );
  expect(leader.logged.some(({ event }) => event === "raft_disk_hangs")).toBe(true);
  const next = followersOf(cluster, leader).find((m) => m.node.leadsWithOwnTerm())!;
  const other = propose(next, "goes on");
  cluster.until("applied", () => other.length === 1);
  leader.storage.release();
  cluster.until("back", () => leader.node.status().leader === next.id);
  cluster.until("ended", () => outcomes.length === 1);
  expect(next.machine.commands.filter((command) => command === "stuck").length).toBeLessThanOrEqual(1);
});

test("a failed write ends the node with a fatal event", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  leader.storage.failure = new Error("EIO");
  const outcomes = propose(leader, "x");
  cluster.until("fatal", () => leader.events.some((event) => event.kind === "fatal"));
  expect(outcomes[0]?.kind).toBe("unknown");
  expect(propose(leader, "y")[0]?.kind).toBe("rejected");
});

test("stopping ends what waits: unknown if it may be done", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  cluster.isolate(leader.id);
  const outcomes = propose(leader, "x");
  leader.node.stop();
  expect(outcomes).toEqual([{ kind: "unknown", reason: "the node was stopped" }]);
});

test("B41: a pause of the whole cluster is not taken for an election timeout", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  const { term } = leader.node.status();
  // The whole cluster sleeps: no member may take the leap for an election timeout.
  cluster.clock.leap(60_000);
  cluster.clock.advance(1000);
  expect(cluster.leader().id).toBe(leader.id);
  expect(leader.node.status().term).toBe(term);
});

test("B41: a leader that goes on after a pause in which it was succeeded confirms, commits and forwards nothing", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  const { term } = leader.node.status();
  const before: ReadOutcome[] = [];
  leader.node.read((outcome) => before.push(outcome));
  // The answers to this read's round lie unread during the pause.
  leader.process.pause();
  cluster.until("succeeded", () => followersOf(cluster, leader).some(({ node }) => node.leadsWithOwnTerm()));
  const successor = followersOf(cluster, leader).find(({ node }) => node.leadsWithOwnTerm())!;
  const written = propose(successor, "since");
  cluster.until("written", () => written.length === 1);

  const stale: ReadOutcome[] = [];
  const commands: ProposeOutcome[] = [];
  leader.process.resume(() => {
    expect(leader.node.leadsWithOwnTerm()).toBe(true);
    leader.node.read((outcome) => stale.push(outcome));
    leader.node.propose(text("stale"), (outcome) => commands.push(outcome), { onlyInTerm: term });
  });
  cluster.until("ended", () => stale.length === 1 && commands.length === 1);
  expect(stale).toMatchObject([{ kind: "rejected" }]);
  expect(commands).toMatchObject([{ kind: "rejected" }]);
  // A read that was asked for before may be confirmed by answers of that time: its state was the newest then.
  expect(before).toMatchObject([{ kind: "confirmed", term }]);
  cluster.clock.advance(2000);
  expect(cluster.leader().id).toBe(successor.id);
  for (const { machine } of cluster.members.values()) expect(machine.commands).toEqual(["since"]);
});

test("channels carry bytes between members, and to ourselves not before the call returns", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const [a, b] = [cluster.member(1), cluster.member(2)];
  const got: [string, number, number][] = [];
  a.node.onChannel(7, (from, bytes) => got.push(["a", from, bytes[0]!]));
  b.node.onChannel(7, (from, bytes) => got.push(["b", from, bytes[0]!]));
  a.node.send(2, 7, new Uint8Array([42]));
  a.node.send(1, 7, new Uint8Array([43]));
  expect(got).toEqual([]);
  cluster.until("delivered", () => got.length === 2);
  expect(got.sort()).toEqual([["a", 1, 43], ["b", 1, 42]]);
  expect(() => a.node.onChannel(ADMISSION_CHANNEL, () => {})).toThrow("reserved");
});

test("garbage from a member is logged and harms nothing", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  const [follower] = followersOf(cluster, leader);
  follower!.node.send(leader.id, 0, new Uint8Array([1, 2, 3]));
  cluster.until("logged", () => leader.logged.some(({ event }) => event === "raft_garbage"));
  expect(leader.node.leadsWithOwnTerm()).toBe(true);
});

test("any bytes of a member, on any channel, are passed over", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  const other = cluster.member(cluster.ids.find((id) => id !== leader.id)!);
  other.node.stop();
  const babbler = cluster.network.transport(other.id);
  babbler.start({ onFrame: () => {}, onPeer: () => {} });
  cluster.clock.advance(10);
  const channel = fc.oneof(fc.constantFrom(0, 253, 254, 255), fc.nat(255));
  const begun = fc.uint8Array({ maxLength: 80 });
  // Kinds of messages are small numbers, and so are their ids.
  const bytes = fc.tuple(fc.nat(16), begun).map(([kind, rest]) => new Uint8Array([kind, ...rest]));
  fc.assert(
    fc.property(channel, fc.oneof(bytes, begun), (to, payload) => {
      babbler.send(leader.id, to, payload);
      cluster.clock.advance(2);
    }),
    { numRuns: 2000 },
  );
  expect(leader.node.leadsWithOwnTerm()).toBe(true);
  expect(leader.events.some(({ kind }) => kind === "fatal" || kind === "removed")).toBe(false);
});
