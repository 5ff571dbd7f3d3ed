/** Members come and go while the cluster works. */
import { describe, expect, test } from "bun:test";
import type { AddOutcome, MemberOutcome, NewMember, ProposeOutcome } from "./api.ts";
import { MemoryStorage } from "../storage/memory_storage.ts";
import { ADMISSION_CHANNEL, decodeAdmission, encodeAdmission } from "./admission_messages.ts";
import { withoutAddress } from "./ids.ts";
import type { MemberInfo } from "./raft_options.ts";
import { TestCluster, type TestMember, text } from "./testing.ts";

const FOURTH: NewMember = { addr: "127.0.0.1:4", name: "n4" };

function started(size = 3, options = {}): TestCluster {
  const cluster = new TestCluster(size, options);
  cluster.startAll();
  cluster.leader();
  cluster.until("all in contact", () => cluster.leader().node.status().canLose === Math.ceil(size / 2) - 1);
  return cluster;
}

function follower(cluster: TestCluster, not: readonly number[] = []): TestMember {
  const leader = cluster.leader();
  return [...cluster.members.values()].find(({ id }) => id !== leader.id && !not.includes(id))!;
}

function outcomeOf<T>(cluster: TestCluster, begin: (done: (outcome: T) => void) => void): T {
  const outcomes: T[] = [];
  begin((outcome) => outcomes.push(outcome));
  cluster.until("an outcome", () => outcomes.length > 0, 20_000);
  expect(outcomes.length).toBe(1);
  return outcomes[0]!;
}

function add(cluster: TestCluster, member = FOURTH, on = cluster.leader()): AddOutcome {
  return outcomeOf(cluster, (done) => on.node.addMember(member, done));
}

function remove(cluster: TestCluster, id: number, on = cluster.leader()): MemberOutcome {
  return outcomeOf(cluster, (done) => on.node.removeMember(id, done));
}

function propose(cluster: TestCluster, command: string, on = cluster.leader()): void {
  const outcome = outcomeOf<ProposeOutcome>(cluster, (done) => on.node.propose(text(command), done));
  expect(outcome.kind).toBe("applied");
}

function voters(member: TestMember): number[] {
  return member.node.status().members.filter(({ voter }) => voter).map(({ id }) => id);
}

function untilVotes(cluster: TestCluster, id: number): void {
  cluster.until("it votes", () => voters(cluster.leader()).includes(id));
}

describe("adding a member", () => {
  test("it listens first, catches up, and then votes; everybody knows where it is", () => {
    const cluster = started();
    propose(cluster, "before");
    const outcome = add(cluster);
    expect(outcome).toMatchObject({ kind: "done" });
    const leader = cluster.leader();
    expect(voters(leader).length).toBe(3);
    const fourth = cluster.join(outcome);
    expect(fourth.node.status().notVoting).toContain("directory is empty");
    untilVotes(cluster, fourth.id);
    cluster.until(
      "it knows",
      () => fourth.node.status().notVoting === null && fourth.machine.commands.length === 1,
    );
    for (const member of cluster.members.values()) {
      cluster.until("told", () => member.node.status().members.length === 4);
      expect(member.node.status().members.find(({ id }) => id === fourth.id)).toMatchObject(
        { name: "n4", addr: "127.0.0.1:4", voter: true },
      );
      const peers = cluster.network.peers.get(member.id)!;
      expect(peers.map(({ addr }) => addr).sort()).toEqual(
        [1, 2, 3, 4].map((n) => `127.0.0.1:${n}`).filter((_, i) => [1, 2, 3, fourth.id][i] !== member.id),
      );
    }
    // The member counts: with it, two others may go.
    expect(leader.node.status().canLose).toBe(1);
    cluster.stop(follower(cluster, [fourth.id]).id);
    propose(cluster, "with it");
  });

  test("may be asked of any member", () => {
    const cluster = started();
    const outcome = add(cluster, FOURTH, follower(cluster));
    untilVotes(cluster, cluster.join(outcome).id);
  });

  test("one without a vote stays so", () => {
    const cluster = started();
    const fourth = cluster.join(add(cluster, { ...FOURTH, votes: false }));
    propose(cluster, "a");
    cluster.until("it follows", () => fourth.machine.commands.length === 1);
    cluster.clock.advance(5000);
    expect(voters(cluster.leader()).length).toBe(3);
    expect(fourth.node.status().notVoting).toContain("no vote");
    // The member does not count.
    expect(cluster.leader().node.status().canLose).toBe(1);
  });

  test("one that is never started gets no vote, and hinders nobody", () => {
    const cluster = started();
    expect(add(cluster).kind).toBe("done");
    cluster.clock.advance(5000);
    expect(voters(cluster.leader()).length).toBe(3);
    propose(cluster, "a");
  });

  test("one whose disk hangs gets no vote, which is said once with its name; the one that it replaces stays", () => {
    const cluster = started();
    const replaced = follower(cluster);
    const fifth = { addr: "127.0.0.1:5", name: "n5" };
    const outcome = outcomeOf<AddOutcome>(
      cluster,
      (done) => cluster.leader().node.replaceMember(replaced.id, fifth, done),
    );
    const joined = cluster.join(outcome);
    cluster.until("it has the log", () => joined.node.status().applied > 0);
    joined.storage.held = true;
    cluster.clock.advance(20_000);
    const leader = cluster.leader();
    expect(voters(leader)).toEqual([1, 2, 3]);
    const said = leader.logged.filter(({ text }) => text.includes("is to vote, and waits"));
    expect(said.length).toBe(1);
    expect(said[0]!.text).toContain("The disk of n5 completes no write");
    const { lastIndex } = leader.node.status();
    cluster.clock.advance(60_000);
    expect(leader.node.status().lastIndex).toBe(lastIndex);
    propose(cluster, "goes on");
    joined.storage.release();
    cluster.until("it votes", () => voters(cluster.leader()).includes(joined.id));
    cluster.until("the other one is out", () => !voters(cluster.leader()).includes(replaced.id));
  });

  test("one that comes late is brought up by a snapshot, and takes snapshots itself", () => {
    const cluster = started(3, { snapshotEveryEntries: 20, keepEntries: 5 });
    for (let i = 0; i < 50; i++) propose(cluster, `c${i}`);
    const fourth = cluster.join(add(cluster));
    untilVotes(cluster, fourth.id);
    for (let i = 50; i < 80; i++) propose(cluster, `c${i}`);
    cluster.until("all there", () => fourth.machine.commands.length === 80);
    expect(fourth.storage.load().snapshot?.configuration.voters.length).toBe(4);
  });

  test("one that reads a log from its beginning takes no snapshot before it knows who votes", () => {
    const cluster = started();
    // More than fits into one message: the configuration comes later.
    for (let i = 0; i < 80; i++) propose(cluster, `${i}`.padEnd(8000));
    const taken: number[] = [];
    const storage = new MemoryStorage(() => cluster.clock.now());
    const append = storage.append.bind(storage);
    storage.append = (batch, done) => {
      if (batch.snapshot) taken.push(batch.snapshot.configuration.voters.length);
      append(batch, done);
    };
    const fourth = cluster.join(add(cluster), { snapshotEveryEntries: 10, storage });
    cluster.until("all there", () => fourth.machine.commands.length === 80);
    expect(taken.length).toBeGreaterThan(0);
    expect(taken.every((voters) => voters >= 3)).toBe(true);
  });

  test("one that was added does not campaign before it knows who votes, nor found a cluster of its own", () => {
    const cluster = new TestCluster(3);
    const own = { id: 4711, name: "n4", addr: "127.0.0.1:4" };
    const others = [1, 2, 3].map((id) => ({ id, name: `n${id}`, addr: `127.0.0.1:${id}` }));
    const storage = new MemoryStorage(() => cluster.clock.now());
    const hardState = { term: 5, vote: 1, commit: 0 };
    storage.append({ hardState, entries: [], snapshot: null, sync: true }, () => {});
    const welcomed = cluster.start(own.id, false, [...others, own], { storage });
    cluster.clock.advance(5000);
    expect(welcomed.node.status()).toMatchObject({ role: "follower", term: 5 });
    const alone = cluster.start(4712, false, [{ id: 4712, name: "n5", addr: "127.0.0.1:5" }]);
    cluster.clock.advance(5000);
    expect(alone.node.status()).toMatchObject({ leader: null, term: 0, lastIndex: 0 });
    expect(alone.node.status().notVoting).toContain("directory is empty");
  });

  test("ids are random, and members know each other after a restart of all", () => {
    const cluster = started();
    const fourth = cluster.join(add(cluster));
    untilVotes(cluster, fourth.id);
    expect(fourth.id).toBeGreaterThan(1000);
    propose(cluster, "a");
    const ids = [...cluster.members.keys()];
    cluster.until(
      "all have it",
      () => [...cluster.members.values()].every(({ machine }) => machine.commands.length === 1),
    );
    for (const id of ids) cluster.stop(id);
    for (const id of ids) cluster.start(id);
    const leader = cluster.leader();
    expect(voters(leader).sort()).toEqual([...ids].sort());
    const known = cluster.network.peers.get(1)!;
    expect(known.map(({ addr }) => addr)).toContain("127.0.0.1:4");
    cluster.until("all in contact", () => leader.node.status().canLose === 1);
    propose(cluster, "b");
  });

  test("is refused for an address or name that a member has, and for what is no address", () => {
    const cluster = started();
    expect(add(cluster, { addr: "127.0.0.1:2", name: "other" })).toEqual({
      kind: "rejected",
      reason: "the address 127.0.0.1:2 is that of n2: remove that member first, or replace it",
    });
    expect(add(cluster, { addr: "127.0.0.1:9", name: "n3" })).toMatchObject({
      kind: "rejected",
      reason: expect.stringContaining("the name n3 is that of the member at 127.0.0.1:3"),
    });
    expect(add(cluster, { addr: withoutAddress("far"), name: "far" })).toEqual({
      kind: "rejected",
      reason: "no-address/far: a member that cannot be dialed has no vote",
    });
    for (
      const addr of [
        "",
        "host",
        "host:",
        ":1",
        "a b:1",
        "host:123456",
        "10.55.0.9:70000",
        "h:0",
        "*:5",
        "[::1:5",
      ]
    ) {
      expect(add(cluster, { addr, name: null })).toMatchObject({
        reason: expect.stringContaining("is no address"),
      });
    }
    expect(add(cluster, { addr: "127.0.0.1:9", name: "" })).toMatchObject({ kind: "rejected" });
  });

  test("without a majority nothing is promised", () => {
    const cluster = started();
    const leader = cluster.leader();
    for (const { id } of cluster.members.values()) if (id !== leader.id) cluster.stop(id);
    const outcome = outcomeOf<AddOutcome>(cluster, (done) => leader.node.addMember(FOURTH, done));
    expect(outcome.kind).not.toBe("done");
  });

  test("goes on under the next leader when this one dies in the middle", () => {
    for (let delayMs = 0; delayMs < 12; delayMs++) {
      const cluster = started(3);
      const old = cluster.leader();
      const asked = follower(cluster);
      const outcomes: AddOutcome[] = [];
      asked.node.addMember(FOURTH, (outcome) => outcomes.push(outcome));
      cluster.clock.advance(delayMs);
      cluster.stop(old.id);
      cluster.until("answered", () => outcomes.length > 0, 20_000);
      expect(outcomes[0]!.kind).toBe("done");
      const fourth = cluster.join(outcomes[0]);
      untilVotes(cluster, fourth.id);
      cluster.start(old.id);
      cluster.until("all agree", () => voters(cluster.member(old.id)).length === 4);
    }
  });
});

describe("removing a member", () => {
  test("it stops and says so, and the others go on without it", () => {
    const cluster = started();
    const gone = follower(cluster);
    expect(remove(cluster, gone.id)).toEqual({ kind: "done" });
    cluster.until("it knows", () => gone.events.some(({ kind }) => kind === "removed"));
    expect(gone.logged.find(({ event }) => event === "raft_removed")?.text).toContain(
      "was removed from the cluster",
    );
    expect(gone.node.status().notVoting).toBe("this member was removed from the cluster");
    expect(outcomeOf<ProposeOutcome>(cluster, (done) => gone.node.propose(text("x"), done)).kind).toBe(
      "rejected",
    );
    const leader = cluster.leader();
    expect(voters(leader).length).toBe(2);
    expect(cluster.network.peers.get(leader.id)!.some(({ id }) => id === gone.id)).toBe(false);
    propose(cluster, "a");
  });

  test("one that was away learns of it when it comes back, also after restarts and from a snapshot", () => {
    const cluster = started(3, { snapshotEveryEntries: 20, keepEntries: 5 });
    const gone = follower(cluster);
    cluster.stop(gone.id);
    expect(remove(cluster, gone.id)).toEqual({ kind: "done" });
    for (let i = 0; i < 50; i++) propose(cluster, `c${i}`);
    const rest = cluster.ids.filter((id) => id !== gone.id);
    for (const id of rest) cluster.stop(id);
    for (const id of rest) cluster.start(id);
    cluster.leader();
    for (const wiped of [false, true]) {
      const again = cluster.start(gone.id, wiped);
      cluster.until("told", () => again.events.some(({ kind }) => kind === "removed"));
    }
    expect(voters(cluster.leader()).sort()).toEqual(rest.sort());
  });

  test("whoever bears the id of a removed one is told so, and nothing it says counts", () => {
    const cluster = started();
    const gone = follower(cluster);
    const heard: [number, string][] = [];
    const leader = cluster.leader();
    leader.node.onChannel(7, (from, bytes) => heard.push([from, new TextDecoder().decode(bytes)]));
    gone.node.send(leader.id, 7, text("as a member"));
    cluster.until("heard", () => heard.length === 1);
    expect(remove(cluster, gone.id, leader)).toEqual({ kind: "done" });
    cluster.until("it is out", () => gone.events.some(({ kind }) => kind === "removed"));

    const told: (string | undefined)[] = [];
    const bearer = cluster.network.transport(gone.id);
    bearer.start({
      onFrame: (_, channel, payload) => {
        if (channel === ADMISSION_CHANNEL) told.push(decodeAdmission(4711, payload)?.kind);
      },
      onPeer: () => {},
    });
    cluster.clock.advance(10);
    bearer.send(leader.id, 7, text("as nobody"));
    // If it were heard, the leader would stop.
    bearer.send(leader.id, ADMISSION_CHANNEL, encodeAdmission(4711, { kind: "removed" }));
    cluster.until("told", () => told.includes("removed"));
    cluster.clock.advance(100);
    expect(heard).toEqual([[gone.id, "as a member"]]);
    expect(leader.events.some(({ kind }) => kind === "removed")).toBe(false);
    propose(cluster, "on", leader);
  });

  test("who hears a leader believes no other member that it was removed", () => {
    const cluster = started();
    const leader = cluster.leader();
    const mad = follower(cluster);
    const other = cluster.member(cluster.ids.find((id) => id !== leader.id && id !== mad.id)!);
    cluster.stop(mad.id);
    const liar = cluster.network.transport(mad.id);
    liar.start({ onFrame: () => {}, onPeer: () => {} });
    cluster.clock.advance(10);
    for (const { id } of [leader, other]) {
      expect(liar.send(id, ADMISSION_CHANNEL, encodeAdmission(4711, { kind: "removed" }))).toBe(true);
    }
    cluster.clock.advance(100);
    for (const { events } of [leader, other]) {
      expect(events.some(({ kind }) => kind === "removed")).toBe(false);
    }
    propose(cluster, "on", leader);
  });

  test("who hears no leader believes one member that it was removed, and takes part again when it is started", () => {
    const cluster = started();
    propose(cluster, "before");
    const [mad, told, third] = cluster.ids as [number, number, number];
    for (const id of [mad, third]) cluster.stop(id);
    const victim = cluster.member(told);
    cluster.until("it hears no leader", () => victim.node.status().leader === null);
    const liar = cluster.network.transport(mad);
    liar.start({ onFrame: () => {}, onPeer: () => {} });
    cluster.clock.advance(10);
    expect(liar.send(told, ADMISSION_CHANNEL, encodeAdmission(4711, { kind: "removed" }))).toBe(true);
    cluster.until("it has stopped", () => victim.events.some(({ kind }) => kind === "removed"));
    liar.close();
    cluster.stop(told);
    // With the third one it is a majority: it votes, or leads, with the log that it had.
    for (const id of [told, third]) cluster.start(id);
    propose(cluster, "after");
    expect(voters(cluster.leader())).toContain(told);
  });

  test("a leader hands over first", () => {
    const cluster = started();
    const old = cluster.leader();
    expect(remove(cluster, old.id, old)).toEqual({ kind: "done" });
    cluster.until("it knows", () => old.events.some(({ kind }) => kind === "removed"));
    const next = cluster.leader();
    expect(next.id).not.toBe(old.id);
    expect(voters(next).length).toBe(2);
    propose(cluster, "a", next);
  });

  test("is refused with the reason when those who are left and in contact would be no majority", () => {
    const cluster = started();
    const dead = follower(cluster);
    cluster.stop(dead.id);
    cluster.clock.advance(2000);
    const alive = follower(cluster, [dead.id]);
    const refused = remove(cluster, alive.id);
    expect(refused).toMatchObject({
      kind: "rejected",
      reason: expect.stringContaining("would be no majority"),
    });
    expect(remove(cluster, dead.id)).toEqual({ kind: "done" });
    // Then the living member goes, and the leader goes on alone.
    expect(remove(cluster, alive.id)).toEqual({ kind: "done" });
    propose(cluster, "alone");
    expect(remove(cluster, cluster.leader().id)).toMatchObject({
      reason: expect.stringContaining("last voter"),
    });
  });

  test("is refused while the disk of one that stays hangs, which is named, also long after the last command", () => {
    const cluster = started();
    const hung = follower(cluster);
    const healthy = follower(cluster, [hung.id]);
    propose(cluster, "a");
    cluster.clock.advance(5000);
    hung.storage.held = true;
    cluster.clock.advance(5000);
    expect(cluster.leader().node.status().canLose).toBe(1);
    expect(remove(cluster, healthy.id)).toMatchObject({
      kind: "rejected",
      reason: expect.stringContaining(`The disk of n${hung.id} completes no write`),
    });
    propose(cluster, "goes on");
    expect(cluster.leader().node.status()).toMatchObject({ canLose: 0 });
    hung.storage.release();
    cluster.clock.advance(500);
    expect(cluster.leader().node.status().canLose).toBe(1);
    expect(remove(cluster, healthy.id)).toEqual({ kind: "done" });
    propose(cluster, "with the other one");
  });

  test("of one that was at rest with the others is done at once: they show that they can write", () => {
    const cluster = started();
    cluster.clock.advance(60_000);
    const since = cluster.clock.now();
    expect(remove(cluster, follower(cluster).id)).toEqual({ kind: "done" });
    expect(cluster.clock.now() - since).toBeLessThan(500);
  });

  test("is refused with the reason when somebody objects, also to the leader, which goes on leading", () => {
    let kept = 0;
    const mayRemove = ({ id, name, addr }: MemberInfo) => id === kept ? `${name} at ${addr} is needed` : null;
    const cluster = started(3, { mayRemove });
    const leader = cluster.leader();
    for (const { id } of [follower(cluster), leader]) {
      kept = id;
      const reason = `n${id} at 127.0.0.1:${id} is needed`;
      expect(remove(cluster, id)).toEqual({ kind: "rejected", reason });
      expect(remove(cluster, id, follower(cluster))).toEqual({ kind: "rejected", reason });
      cluster.clock.advance(5000);
      expect(voters(leader).sort()).toEqual([1, 2, 3]);
    }
    expect(cluster.leader().id).toBe(leader.id);
    kept = 0;
    expect(remove(cluster, follower(cluster).id)).toEqual({ kind: "done" });
  });

  test("of somebody unknown is refused, and done twice it is done once", () => {
    const cluster = started();
    expect(remove(cluster, 4711)).toMatchObject({ kind: "rejected", reason: "there is no such member" });
    const gone = follower(cluster);
    expect(remove(cluster, gone.id)).toEqual({ kind: "done" });
    expect(remove(cluster, gone.id)).toEqual({ kind: "done" });
  });

  test("what a deposed leader could not do is not done when it leads again", () => {
    const cluster = started();
    const old = cluster.leader();
    const [spared, other] = [follower(cluster), follower(cluster, [follower(cluster).id])];
    cluster.isolate(old.id);
    const outcomes: string[] = [];
    old.node.addMember(FOURTH, ({ kind }) => outcomes.push(kind));
    old.node.removeMember(spared.id, ({ kind }) => outcomes.push(kind));
    cluster.until("both ended", () => outcomes.length === 2, 30_000);
    expect(outcomes).not.toContain("done");
    cluster.isolate(old.id, true);
    cluster.until("followed", () => old.node.status().leader === cluster.leader().id);
    propose(cluster, "a");
    cluster.until("caught up", () => old.machine.commands.length === 1);
    cluster.leader().node.transferLeadership(old.id, () => {});
    cluster.until("it leads again", () => old.node.leadsWithOwnTerm());
    cluster.clock.advance(3000);
    expect(voters(cluster.leader()).sort()).toEqual([old.id, spared.id, other.id].sort());
  });

  test("a learner can be removed as well", () => {
    const cluster = started();
    const outcome = add(cluster, { ...FOURTH, votes: false });
    const fourth = cluster.join(outcome);
    cluster.until("it follows", () => fourth.node.status().applied > 0);
    expect(remove(cluster, fourth.id)).toEqual({ kind: "done" });
    cluster.until("it knows", () => fourth.events.some(({ kind }) => kind === "removed"));
  });

  test("several changes at once are made one after another", () => {
    const cluster = started(5);
    const outcomes: string[] = [];
    const [a, b] = [...cluster.members.values()].filter(({ id }) => id !== cluster.leader().id);
    cluster.leader().node.removeMember(a!.id, ({ kind }) => outcomes.push(kind));
    b!.node.addMember({ addr: "127.0.0.1:6", name: "n6" }, ({ kind }) => outcomes.push(kind));
    cluster.leader().node.addMember({ addr: "127.0.0.1:7", name: "n7" }, ({ kind }) => outcomes.push(kind));
    cluster.until("all answered", () => outcomes.length === 3, 20_000);
    expect(outcomes).toEqual(["done", "done", "done"]);
    expect(cluster.leader().node.status().members.length).toBe(6);
  });
});

describe("replacing a member", () => {
  test("the new one votes, and then the dead one is removed", () => {
    const cluster = started();
    const dead = follower(cluster);
    const on = cluster.leader();
    const replace = () =>
      outcomeOf<AddOutcome>(
        cluster,
        (done) => on.node.replaceMember(dead.id, { addr: `127.0.0.1:${dead.id}`, name: `n${dead.id}` }, done),
      );
    // While the member lives, no other node is at its address; and at no moment of a heartbeat is it taken
    // for silent.
    for (let tried = 0; tried < 20; tried++) {
      expect(replace()).toMatchObject({ kind: "rejected", reason: expect.stringContaining("is in contact") });
      cluster.clock.advance(70);
    }
    cluster.stop(dead.id);
    cluster.clock.advance(3000);
    const outcome = replace();
    const fresh = cluster.join(outcome);
    cluster.until(
      "replaced",
      () => voters(cluster.leader()).includes(fresh.id) && voters(cluster.leader()).length === 3,
    );
    expect(voters(cluster.leader())).not.toContain(dead.id);
    const again = cluster.start(dead.id);
    cluster.until("the dead one is told", () => again.events.some(({ kind }) => kind === "removed"));
    propose(cluster, "a");
    cluster.until("it follows", () => fresh.machine.commands.length === 1);
  });

  test("nobody is removed before the new one has arrived", () => {
    const cluster = started();
    const dead = follower(cluster);
    cluster.stop(dead.id);
    const on = cluster.leader();
    const outcome = outcomeOf<AddOutcome>(cluster, (done) => on.node.replaceMember(dead.id, FOURTH, done));
    cluster.clock.advance(5000);
    expect(voters(cluster.leader())).toContain(dead.id);
    const fresh = cluster.join(outcome);
    cluster.until("replaced", () => !voters(cluster.leader()).includes(dead.id));
    expect(voters(cluster.leader())).toContain(fresh.id);
  });

  test("a member that somebody objects to removing stays beside the new one until nobody does", () => {
    let kept = 0;
    const cluster = started(3, { mayRemove: ({ id }: MemberInfo) => id === kept ? "it is needed" : null });
    const on = cluster.leader();
    const old = follower(cluster);
    const outcome = outcomeOf<AddOutcome>(cluster, (done) => on.node.replaceMember(old.id, FOURTH, done));
    kept = old.id;
    const fresh = cluster.join(outcome);
    untilVotes(cluster, fresh.id);
    cluster.clock.advance(5000);
    expect(voters(cluster.leader()).sort()).toEqual([1, 2, 3, fresh.id].sort());
    kept = 0;
    cluster.until("replaced", () => !voters(cluster.leader()).includes(old.id));
  });

  test("one without a vote replaces another one without a vote", () => {
    const cluster = started();
    const first = cluster.join(add(cluster, { ...FOURTH, votes: false }));
    const on = cluster.leader();
    const outcome = outcomeOf<AddOutcome>(
      cluster,
      (done) => on.node.replaceMember(first.id, { ...FOURTH, addr: "127.0.0.1:5", votes: false }, done),
    );
    const second = cluster.join(outcome);
    cluster.until("told", () => first.events.some(({ kind }) => kind === "removed"));
    expect(on.node.status().members.map(({ id, voter }) => [id, voter]).at(-1)).toEqual([second.id, false]);
  });

  test("a leader that is replaced hands over, and its successor removes it", () => {
    const cluster = started();
    const old = cluster.leader();
    const outcome = outcomeOf<AddOutcome>(cluster, (done) => old.node.replaceMember(old.id, FOURTH, done));
    const fresh = cluster.join(outcome);
    cluster.until("it knows", () => old.events.some(({ kind }) => kind === "removed"), 20_000);
    expect(voters(cluster.leader())).toContain(fresh.id);
    expect(voters(cluster.leader()).length).toBe(3);
  });

  test("of somebody unknown is refused", () => {
    const cluster = started();
    const on = cluster.leader();
    const outcome = outcomeOf<AddOutcome>(cluster, (done) => on.node.replaceMember(4711, FOURTH, done));
    expect(outcome).toMatchObject({ kind: "rejected", reason: "4711, which it is to replace, is no member" });
  });
});
