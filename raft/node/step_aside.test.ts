import { expect, test } from "bun:test";
import { TestCluster, type TestMember, text } from "./testing.ts";
import type { ProposeOutcome } from "./api.ts";

const FULL = "the disk of the raft log in /x is full. Make room on that filesystem";

function started(): { cluster: TestCluster; leader: TestMember; others: TestMember[] } {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  cluster.until("all in contact", () => leader.node.status().canLose === 1);
  const others = [...cluster.members.values()].filter(({ id }) => id !== leader.id);
  return { cluster, leader, others };
}

function propose(member: TestMember, command: string): ProposeOutcome[] {
  const outcomes: ProposeOutcome[] = [];
  member.node.propose(text(command), (outcome) => outcomes.push(outcome));
  return outcomes;
}

test("a leader whose disk is full takes no commands, hands over, says why, and recovers by itself", () => {
  const { cluster, leader, others } = started();
  leader.storage.shortage = FULL;
  cluster.until("it is seen", () => leader.node.status().shortOfSpace !== null, 200);
  expect(leader.logged.filter(({ event }) => event === "raft_disk_full")).toEqual([
    { level: "error", event: "raft_disk_full", text: expect.stringContaining(FULL) },
  ]);
  cluster.until("another leader", () => others.some(({ node }) => node.leadsWithOwnTerm()), 500);
  const next = cluster.leader();
  // The member follows, and its own commands are passed on.
  const outcomes = propose(leader, "goes on");
  cluster.until("applied", () => outcomes[0]?.kind === "applied");
  expect(leader.machine.commands).toEqual(["goes on"]);
  // No member gives it leadership before there is room.
  next.node.transferLeadership(leader.id, () => {});
  cluster.clock.advance(2000);
  expect(cluster.leader().id).not.toBe(leader.id);

  leader.storage.shortage = null;
  cluster.until("over", () => leader.node.status().shortOfSpace === null, 200);
  expect(leader.logged.at(-1)?.text).toContain("room again");
  cluster.leader().node.transferLeadership(leader.id, () => {});
  cluster.until("it leads again", () => leader.node.leadsWithOwnTerm());
  const accepted = propose(leader, "accepted");
  cluster.until("applied", () => accepted[0]?.kind === "applied");
});

test("a member whose disk hangs neither votes nor campaigns: what it promised then could not be kept", () => {
  const { cluster, leader, others: [hung, healthy] } = started();
  hung!.storage.held = true;
  const outcomes = propose(leader, "a");
  cluster.until("applied", () => outcomes[0]?.kind === "applied");
  cluster.clock.advance(1500);
  cluster.stop(leader.id);
  const { term } = healthy!.node.status();
  const seen = new Set<string>();
  for (let ms = 0; ms < 10_000; ms += 20) {
    cluster.clock.advance(20);
    const { role, term: own } = hung!.node.status();
    seen.add(`${role} in ${own}`);
    expect(healthy!.node.status().role).not.toBe("leader");
  }
  expect([...seen]).toEqual([`follower in ${term}`]);
  hung!.storage.release();
  cluster.until("a leader again", () => [hung!, healthy!].some(({ node }) => node.leadsWithOwnTerm()));
});

test("the member that is asked first may be full as well: then the other one is asked", () => {
  const { cluster, leader, others } = started();
  const status = leader.node.status();
  const matchOf = (id: number) => status.members.find((one) => one.id === id)!.match!;
  const [first, second] = others.sort((a, b) => matchOf(b.id) - matchOf(a.id)) as [TestMember, TestMember];
  first.storage.shortage = FULL;
  cluster.clock.advance(200);
  leader.storage.shortage = FULL;
  cluster.until("the one with room leads", () => second.node.leadsWithOwnTerm(), 15_000);
});

test("with all disks full a leader stays, refuses what anybody proposes, and goes on when there is room", () => {
  const { cluster, leader, others } = started();
  for (const { storage } of cluster.members.values()) storage.shortage = FULL;
  cluster.until("it is seen", () => leader.node.status().shortOfSpace !== null, 200);
  cluster.clock.advance(20_000);
  const now = cluster.leader();
  expect(propose(now, "own")).toEqual([{ kind: "rejected", reason: FULL }]);
  const passedOn = propose(others.find(({ id }) => id !== now.id)!, "passed on");
  cluster.clock.advance(2000);
  expect(passedOn).toEqual([]);
  expect(now.machine.commands).toEqual([]);
  for (const { storage } of cluster.members.values()) storage.shortage = null;
  cluster.until("sent again, and applied", () => passedOn[0]?.kind === "applied");
});

test("when its disk becomes full a member takes a snapshot, and keeps nothing that it covers", () => {
  const { cluster, leader, others } = started();
  const outcomes = [propose(leader, "a"), propose(leader, "b")];
  cluster.until("applied", () => outcomes.every(([outcome]) => outcome?.kind === "applied"));
  const follower = others[0]!;
  cluster.until("applied there", () => follower.machine.commands.length === 2);
  const { applied } = follower.node.status();
  follower.storage.shortage = FULL;
  cluster.until("it shrinks its log", () => follower.storage.compactedTo === applied, 200);
  expect(follower.node.status().snapshotIndex).toBe(applied);
});
