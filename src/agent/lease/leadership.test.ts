/** What a leader promises by what it has proposed and not yet seen applied, and what time means to it. */
import { expect, test } from "bun:test";
import type { Clock, ProposeOutcome, Raft, RaftStatus, ReadOutcome } from "../../../raft/mod.ts";
import { cluster, DYNAMIC, FREE, life, lock, seen, status, SWITCHOVER } from "../../brain/testing.ts";
import type { Command } from "../../dcs/commands.ts";
import { addEvents } from "../../dcs/events.ts";
import { MemoryLog } from "../../lib/log.ts";
import { Leadership } from "./leadership.ts";
import { Proposer } from "./proposer.ts";

const IDS: Readonly<Record<string, number>> = { a: 1, b: 2, c: 3 };
const TERM = 4;

/**
 * The leader `a` with a free lock that is `b`'s by right; what it proposes stays in its log until `apply`.
 */
function newLeader() {
  let members = [1, 2, 3];
  let ownTermApplied = true;
  let term = TERM;
  let dcs = cluster({ lock: lock(FREE) });
  const addrOf = (id: number) => `${Object.keys(IDS).find((name) => IDS[name] === id) ?? "d"}:2222`;
  const log: {
    readonly command: Command;
    readonly done: (outcome: ProposeOutcome) => void;
    readonly onlyInTerm: number | undefined;
  }[] = [];
  const reads: ((outcome: ReadOutcome) => void)[] = [];
  const raft = {
    leadsWithOwnTerm: () => ownTermApplied,
    status: () => ({
      term,
      lastIndex: 20,
      members: members.map((id) => ({ id, addr: addrOf(id) })),
    } as unknown as RaftStatus),
    propose: (bytes: Uint8Array, done: (outcome: ProposeOutcome) => void, options: { onlyInTerm?: number }) =>
      void log.push({
        command: JSON.parse(new TextDecoder().decode(bytes)),
        done,
        onlyInTerm: options.onlyInTerm,
      }),
    read: (done: (outcome: ReadOutcome) => void) => void reads.push(done),
  } as unknown as Raft;
  const time = { nowMs: 100_000, wallMs: Date.parse("2026-01-01T00:00:00Z") };
  const clock = { now: () => time.nowMs } as Clock;
  const leadership = new Leadership({
    name: "a",
    clock,
    raft,
    proposer: new Proposer("a", raft, () => 0, clock, new MemoryLog()),
    state: () => dcs,
    electionMaxMs: 1000,
    nodeOf: (name) => IDS[name] ?? null,
    decided: () => {},
    wake: () => {},
    broken: new Set(),
  });
  leadership.roleChanged(TERM);
  return {
    /** It has lost the leadership, and has it again. */
    leadAgain() {
      leadership.roleChanged(null);
      leadership.roleChanged(++term);
    },
    /** The holder's epoch is logged as unfenced: maintenance mode. */
    unfence: () => void (dcs = { ...dcs, lock: lock({ ...dcs.lock, unfenced: true }) }),
    setWait: (waitTtlMs: number) => void (dcs = { ...dcs, waitTtlMs }),
    /** Whether an entry of its own term is applied. */
    ownTerm: (applied: boolean) => void (ownTermApplied = applied),
    /** What raft asks before it appends a removal. */
    remove(name: string): string | null {
      const objection = leadership.objectionTo({ id: IDS[name]!, name, addr: `${name}:2222` });
      if (objection === null) members = members.filter((id) => id !== IDS[name]);
      return objection;
    },
    /** Raft has completed a replacement, by one at `d:2222`. */
    replaced: (name: string) => void (members = [...members.filter((id) => id !== IDS[name]), 4]),
    spell: (name: string, raftAddr: string) =>
      void (dcs = { ...dcs, members: { ...dcs.members, [name]: { ...dcs.members["c"]!, name, raftAddr } } }),
    /** As in records from before lives were logged. */
    forgetLives() {
      const members = Object.entries(dcs.members).map(([name, { life: _life, ...facts }]) => [name, facts]);
      dcs = { ...dcs, members: Object.fromEntries(members) };
    },
    /** Another machine has joined under that name. */
    takeName(name: string, node: number) {
      const facts = dcs.members[name]!;
      dcs = { ...dcs, members: { ...dcs.members, [name]: { ...facts, life: { ...facts.life!, node } } } };
    },
    hold(holder: string) {
      dcs = { ...dcs, lock: lock({ epoch: 4, holder, lastHolder: holder, life: null }) };
      leadership.applied();
    },
    dropped: () => log.flatMap(({ command }) => command.op === "dropMember" ? [command] : []),
    /** A failover that was logged at this place. */
    request: (revision: number) =>
      void (dcs = {
        ...dcs,
        failover: { ...SWITCHOVER, kind: "failover", leader: null, accepted: false, revision },
      }),
    time,
    log,
    reads,
    state: () => dcs,
    look: (agesMs: { readonly [name: string]: number } = {}) =>
      leadership.decide({
        dynamic: DYNAMIC,
        statuses: ["a", "b", "c"].map((name) => ({
          ...seen(status(name, { nofailover: name === "a" })),
          ageMs: agesMs[name] ?? 100,
        })),
        witnesses: [],
        sighting: { epoch: 0, lsn: null },
        primaryLsn: null,
        wallMs: time.wallMs,
      }),
    leadership,
    /** The events that are proposed come into the records; how many there were. */
    takeEvents(): number {
      const taken = log.filter(({ command }) => command.op === "addEvents");
      for (const one of taken) {
        log.splice(log.indexOf(one), 1);
        const outcome = addEvents(dcs, one.command as Extract<Command, { op: "addEvents" }>, 30);
        dcs = { ...dcs, ...("change" in outcome ? outcome.change : {}) };
        one.done({ kind: "applied", index: 1, result: { ok: true, revision: 1 } });
      }
      return taken.length;
    },
    granted: () => log.flatMap(({ command }) => command.op === "grant" ? [command.holder] : []),
    /** The oldest proposal becomes known to have succeeded, failed, or neither. */
    end(outcome: "applied" | "rejected" | "unknown") {
      const { command, done } = log.shift()!;
      if (outcome === "applied" && command.op === "grant") {
        const { epoch, holder, life: granted = null } = command;
        dcs = {
          ...dcs,
          lock: lock({ ...dcs.lock, epoch, holder, lastHolder: holder, life: granted, ended: null }),
        };
        leadership.applied();
      }
      if (outcome === "applied") done({ kind: "applied", index: 1, result: { ok: true, revision: 1 } });
      else done({ kind: outcome, reason: "it was so" });
    },
  };
}

/** As `newLeader`, after `b` was granted the lock. */
function newLeaderOfHolder() {
  const leader = newLeader();
  leader.look();
  leader.end("applied");
  return leader;
}

const GRANTING =
  "b is being granted the leader lock: switch over to another member first (agent ctl switchover)";
const HOLDING = "b holds the leader lock: switch over to another member first (agent ctl switchover)";

test("first the grant, then the removal: the removal is refused from the proposal on", () => {
  const leader = newLeader();
  leader.look();
  expect(leader.granted()).toEqual(["b"]);
  expect(leader.remove("b")).toBe(GRANTING);
  leader.end("applied");
  expect(leader.remove("b")).toBe(HOLDING);
  expect(leader.remove("c")).toBeNull();
});

test("a grant of which nothing is known may still be applied: its member stays", () => {
  const leader = newLeader();
  leader.look();
  leader.end("unknown");
  expect(leader.remove("b")).toBe(GRANTING);
  expect(leader.remove("c")).toBeNull();
});

test("a grant that failed for certain keeps nobody, nor does one of a leadership that is over", () => {
  const leader = newLeader();
  leader.look();
  leader.end("rejected");
  expect(leader.remove("b")).toBeNull();

  const again = newLeader();
  again.look();
  again.leadership.roleChanged(null);
  again.leadership.roleChanged(TERM + 1);
  expect(again.remove("b")).toBeNull();
});

test("first the removal, then the grant: whom a removal in the log has taken out is granted nothing", () => {
  const leader = newLeader();
  expect(leader.remove("b")).toBeNull();
  leader.look();
  expect(leader.granted()).toEqual(["c"]);
});

test("a holder is known by the raft id that was granted its epoch, wherever it is, and whoever else is there", () => {
  const leader = newLeaderOfHolder();
  expect(leader.leadership.objectionTo({ id: IDS.b!, name: null, addr: "" })).toBe(HOLDING);
  // Its own former id, at its very address: a dead voter.
  expect(leader.leadership.objectionTo({ id: 99, name: null, addr: "b:2222" })).toBeNull();
  leader.takeName("b", 98);
  expect(leader.leadership.objectionTo({ id: IDS.b!, name: null, addr: "" })).toBe(HOLDING);
  expect(leader.leadership.objectionTo({ id: 98, name: null, addr: "b:2222" })).toBeNull();
});

test("a holder that an older version has recorded is known by its address, and by the id that it speaks from", () => {
  const leader = newLeader();
  leader.forgetLives();
  leader.hold("b");
  expect(leader.leadership.objectionTo({ id: IDS.b!, name: null, addr: "" })).toBe(HOLDING);
  expect(leader.leadership.objectionTo({ id: 99, name: null, addr: "b:2222" })).toBe(HOLDING);
  expect(leader.leadership.objectionTo({ id: 99, name: null, addr: "z:1" })).toBeNull();
});

test("what the records know of a member that raft has replaced is dropped, in the term of its removal", () => {
  const leader = newLeaderOfHolder();
  leader.look();
  expect(leader.dropped()).toEqual([]);
  leader.replaced("c");
  // Not heard by this leader yet, and known by its address.
  leader.spell("d", "d:2222");
  leader.look();
  leader.look();
  expect(leader.dropped()).toMatchObject([{ name: "c", raftAddr: "c:2222" }]);
  expect(leader.log[0]!.onlyInTerm).toBe(TERM);
});

test("a member that is known by its id, or holds the lock, stays in the records", () => {
  const leader = newLeaderOfHolder();
  leader.spell("c", "localhost:2222");
  leader.replaced("b");
  leader.look();
  expect(leader.dropped()).toEqual([]);
});

test("B20: steps of the wall clock neither end a lease nor prolong it", () => {
  const YEAR_MS = 365 * 24 * 3600 * 1000;
  const leader = newLeaderOfHolder();
  const deadlineMs = leader.time.nowMs + leader.state().waitTtlMs;
  expect(leader.leadership.deadlineMs()).toBe(deadlineMs);
  for (const stepMs of [YEAR_MS, -20 * YEAR_MS, 100 * YEAR_MS, -60_000]) {
    leader.time.wallMs += stepMs;
    leader.time.nowMs += 1000;
    leader.look();
    expect(leader.log).toEqual([]);
  }
  leader.time.wallMs -= YEAR_MS;
  leader.time.nowMs = deadlineMs;
  leader.look();
  expect(leader.log.map(({ command }) => command.op)).toEqual(["expire"]);
});

test("B41: a leader that goes on after a pause acts in its own term only, and acknowledges only what that confirms", () => {
  const leader = newLeaderOfHolder();
  const acks: unknown[] = [];
  const renewal = { holder: "b", life: life("b"), epoch: 4, incarnation: 1, seq: 1 };
  // It was away for a minute, another leader was elected, and nothing of that has been read yet.
  leader.time.nowMs += 60_000;
  leader.leadership.renewal(renewal, (ack) => acks.push(ack));
  leader.reads.shift()!({ kind: "confirmed", term: TERM + 1, index: 9 });
  expect(acks).toEqual([]);
  leader.leadership.renewal({ ...renewal, seq: 2 }, (ack) => acks.push(ack));
  leader.reads.shift()!({ kind: "rejected", reason: "leadership was lost" });
  expect(acks).toEqual([]);
  leader.look();
  expect(leader.log.map(({ command: { op }, onlyInTerm }) => [op, onlyInTerm])).toEqual([["expire", TERM]]);
  // What it has proposed may still take effect as far as it knows.
  leader.leadership.renewal({ ...renewal, seq: 3 }, (ack) => acks.push(ack));
  expect([leader.reads.length, acks.length]).toEqual([0, 0]);
});

test("an expiry of which nothing is known keeps its epoch from being renewed; one that failed for certain does not", () => {
  for (const [end, renewable] of [["unknown", false], ["rejected", true]] as const) {
    const leader = newLeaderOfHolder();
    const acks: unknown[] = [];
    leader.time.nowMs += 60_000;
    leader.look();
    expect(leader.log.map(({ command }) => command.op)).toEqual(["expire"]);
    leader.end(end);
    leader.leadership.renewal(
      { holder: "b", life: life("b"), epoch: 4, incarnation: 1, seq: 1 },
      (ack) => acks.push(ack),
    );
    leader.reads.shift()?.({ kind: "confirmed", term: TERM, index: 9 });
    expect([end, acks.length]).toEqual([end, renewable ? 1 : 0]);
  }
});

test("an expiry that was refused is proposed again after a pause, and the loop does not spin until then", () => {
  const leader = newLeaderOfHolder();
  leader.time.nowMs += 60_000;
  const overMs = leader.time.nowMs;
  // The end of the lease has not been looked at yet.
  expect(leader.leadership.dueMs()).toBeLessThanOrEqual(overMs);
  leader.look();
  expect(leader.leadership.dueMs()).toBe(overMs + 50);
  leader.end("rejected");
  leader.time.nowMs += 49;
  leader.look();
  expect(leader.log).toEqual([]);
  leader.time.nowMs += 1;
  leader.look();
  expect(leader.log.map(({ command }) => command.op)).toEqual(["expire"]);
  // The pause is no matter of another leadership.
  leader.end("rejected");
  leader.leadAgain();
  expect(leader.leadership.dueMs()).toBeGreaterThan(leader.time.nowMs);
  leader.time.nowMs += 60_000;
  leader.look();
  expect(leader.log.map(({ command }) => command.op)).toEqual(["expire"]);
});

test("an unfenced epoch whose holder is silent needs one look at the end of its lease", () => {
  const leader = newLeaderOfHolder();
  leader.unfence();
  leader.time.nowMs += 60_000;
  expect(leader.leadership.dueMs()).toBeLessThanOrEqual(leader.time.nowMs);
  leader.look();
  expect(leader.log).toEqual([]);
  expect(leader.leadership.dueMs()).toBe(Infinity);
});

test("before an entry of its own term is applied a leader decides nothing: its records may be those of before", () => {
  const leader = newLeader();
  leader.ownTerm(false);
  leader.look();
  expect(leader.log).toEqual([]);
  leader.ownTerm(true);
  leader.look();
  expect(leader.granted()).toEqual(["b"]);

  const ofHolder = newLeaderOfHolder();
  ofHolder.time.nowMs += 60_000;
  ofHolder.ownTerm(false);
  ofHolder.look();
  expect(ofHolder.log).toEqual([]);
});

test("what becomes of a proposal of an earlier term says nothing about the one that is under way in this", () => {
  const leader = newLeaderOfHolder();
  leader.time.nowMs += 60_000;
  leader.look();
  leader.leadAgain();
  // Another leader has changed it meanwhile, so that this expiry is worded otherwise.
  leader.setWait(6000);
  leader.time.nowMs += 60_000;
  leader.look();
  expect(leader.log.map(({ command: { op }, onlyInTerm }) => [op, onlyInTerm])).toEqual([
    ["expire", TERM],
    ["expire", TERM + 1],
  ]);
  leader.end("rejected");
  leader.leadership.renewal({ holder: "b", life: life("b"), epoch: 4, incarnation: 1, seq: 1 }, () => {});
  expect(leader.reads).toEqual([]);

  const granting = newLeader();
  granting.look();
  granting.leadAgain();
  // The same grant is under way in the log as far as this leader knows.
  granting.look();
  granting.end("rejected");
  expect(granting.remove("b")).toBe(GRANTING);
  granting.look();
  expect(granting.granted()).toEqual(["b"]);
});

test("a request that was without a raft leader for longer than its asker waits is given up, and no other one", () => {
  const answerTo = (revision: number, leaderlessMs: number) => {
    const leader = newLeader();
    leader.leadership.raftLeader(true, false);
    leader.leadership.raftLeader(false, false);
    leader.leadership.roleChanged(null);
    leader.time.nowMs += leaderlessMs;
    leader.leadership.raftLeader(true, true);
    leader.leadership.roleChanged(TERM + 1);
    leader.request(revision);
    leader.look();
    return leader.log[0]!.command.op;
  };
  expect(answerTo(20, 2999)).toBe("acceptFailover");
  expect(answerTo(20, 3000)).toBe("endFailover");
  // Logged by this leader itself.
  expect(answerTo(21, 60_000)).toBe("acceptFailover");
});

test("a member that comes and goes for an hour writes a few events, a holder each time", () => {
  const written = (name: string) => {
    const leader = newLeaderOfHolder();
    leader.hold("b");
    let count = 0;
    for (let second = 0; second < 3600; second += 20) {
      leader.time.nowMs += 20_000;
      leader.time.wallMs += 20_000;
      leader.look({ [name]: second % 40 === 0 ? 10_000 : 100 });
      count += leader.takeEvents();
    }
    return count;
  };
  expect(written("c")).toBeLessThan(25);
  expect(written("b")).toBeGreaterThanOrEqual(179);
});
