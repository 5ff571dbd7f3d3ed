import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Life } from "../model/life.ts";
import type { DcsState, MemberFacts } from "../model/records.ts";
import { life } from "../brain/testing.ts";
import { type CommandBody, encodeCommand } from "../dcs/commands.ts";
import { FailsafePromise, FailsafeSets, type SetFailsafe } from "./failsafe.ts";
import { Grantor } from "./grantor.ts";
import { Holder } from "./holder.ts";
import { DcsStateMachine, emptyState } from "../dcs/state_machine.ts";

const ALL = { a: "http://a:8008", b: "http://b:8008", c: "http://c:8008" };
const AB = { a: ALL.a, b: ALL.b };

const nodesOf = (members: SetFailsafe["members"]) =>
  Object.fromEntries(Object.keys(members ?? {}).map((name) => [name, life(name).node]));
/** As the holder asks them. */
const asking = (members: { readonly [name: string]: string }) =>
  Object.fromEntries(
    Object.entries(members).map(([name, apiUrl]) => [name, { apiUrl, node: life(name).node }]),
  );

function machine() {
  const dcs = new DcsStateMachine();
  let index = 0;
  const apply = (by: string, body: CommandBody) =>
    dcs.apply(encodeCommand({ ...body, by, at: "2026-01-01T00:00:00Z" }), ++index);
  const grant = (epoch: number, holder: string) =>
    apply("q", {
      op: "grant",
      epoch,
      holder,
      life: dcs.state.members[holder]?.life ?? life(holder),
      reason: "test",
      complete: true,
    }).ok;
  const set = (by: string, epoch: number, members: SetFailsafe["members"]) =>
    apply(by, {
      op: "setFailsafe",
      epoch,
      life: life(by),
      members,
      nodes: nodesOf(members),
      expectRevision: dcs.state.failsafe?.revision ?? null,
    });
  const release = (by: string, epoch: number) =>
    apply(by, { op: "release", epoch, life: life(by), reason: "test", lsn: null, timeline: null });
  const join = (name: string, apiUrl: string, change: Partial<Life> = {}) => {
    const facts: MemberFacts = {
      name,
      connUrl: "",
      apiUrl,
      proxyUrl: null,
      raftAddr: name,
      life: life(name, change),
      tags: {},
      version: "",
    };
    return apply(name, { op: "setMember", facts, incarnation: 1, replace: true });
  };
  for (const [name, url] of Object.entries(ALL)) join(name, url);
  const expire = (epoch: number) => apply("q", { op: "expire", epoch, reason: "test" });
  return { dcs, apply, grant, set, release, expire, join };
}

test("only the holder logs a set, under its own epoch and over the set that it knows", () => {
  const { dcs, apply, grant, set, expire } = machine();
  grant(1, "a");
  expect(set("b", 1, ALL)).toEqual({ ok: false, reason: "epoch 1 is not held", code: "not-held" });
  expect(set("a", 2, ALL).ok).toBe(false);
  expect(set("a", 1, ALL).ok).toBe(true);
  expect(dcs.state.failsafe).toEqual({
    epoch: 1,
    holder: "a",
    life: life("a"),
    members: ALL,
    nodes: nodesOf(ALL),
    revision: 7,
  });
  expect(
    apply("a", { op: "setFailsafe", epoch: 1, life: life("a"), members: null, nodes: {}, expectRevision: 6 })
      .ok,
  ).toBe(false);
  expire(1);
  expect(set("a", 1, AB).ok).toBe(false);
  expect(dcs.state.failsafe?.members).toEqual(ALL);
});

test("a set names its holder and somebody else", () => {
  const { grant, set } = machine();
  grant(1, "a");
  expect(set("a", 1, { a: ALL.a }).ok).toBe(false);
  expect(set("a", 1, { b: ALL.b, c: ALL.c }).ok).toBe(false);
});

test("only members of the set may be granted the next epoch, and any later one until the set is replaced", () => {
  const { dcs, grant, set, release, expire } = machine();
  grant(1, "a");
  set("a", 1, AB);
  expire(1);
  expect(grant(2, "c")).toBe(false);
  expect(grant(2, "b")).toBe(true);
  // b never became a primary: a may still be one, and c has not been asked.
  release("b", 2);
  expect(dcs.state.failsafe?.epoch).toBe(1);
  expect(grant(3, "c")).toBe(false);
  expect(grant(3, "b")).toBe(true);
  expect(set("b", 3, ALL).ok).toBe(true);
  expire(3);
  expect(grant(4, "c")).toBe(true);
});

test("a member whose name now belongs to another host was not asked, nor one that has left", () => {
  const { apply, grant, set, expire, join } = machine();
  grant(1, "a");
  set("a", 1, ALL);
  join("b", "http://elsewhere:8008");
  apply("a", { op: "dropMember", name: "c", raftAddr: "c" });
  expire(1);
  expect(grant(2, "b")).toBe(false);
  expect(grant(2, "c")).toBe(false);
  // Another machine at the very address of one that was asked, and a copy of the holder's, which asks
  // everybody but itself.
  join("b", ALL.b, { node: 9 });
  expect(grant(2, "b")).toBe(false);
  join("a", ALL.a, { machine: "m9" });
  expect(grant(2, "a")).toBe(false);
  join("b", ALL.b, { boot: "later" });
  expect(grant(2, "b")).toBe(true);
});

test("a member that the holder has to ask ends the set once the epoch is over, and nobody else does", () => {
  const { dcs, apply, grant, set, expire } = machine();
  grant(1, "a");
  set("a", 1, AB);
  const { revision } = dcs.state.failsafe!;
  const end = (by: string, change: Partial<Life> = {}, of = revision) =>
    apply(by, { op: "endFailsafe", revision: of, life: life(by, change) }).ok;
  expect(end("b")).toBe(false);
  expire(1);
  expect(end("a")).toBe(false);
  expect(end("c")).toBe(false);
  expect(end("b", { node: 9 })).toBe(false);
  expect(end("b", {}, revision - 1)).toBe(false);
  expect(grant(2, "c")).toBe(false);
  expect(end("b")).toBe(true);
  expect(dcs.state.failsafe).toBe(null);
  expect(grant(2, "c")).toBe(true);
});

test("the release of its epoch ends a set, since its holder's PostgreSQL was proven stopped", () => {
  const { dcs, grant, set, release } = machine();
  grant(1, "a");
  set("a", 1, AB);
  release("a", 1);
  expect(dcs.state.failsafe).toBe(null);
  expect(grant(2, "c")).toBe(true);
});

test("while a set is logged wait_ttl is not lowered, by whatever leader, also when the lock is free", () => {
  const { dcs, apply, grant, set, expire } = machine();
  const setTtl = (epoch: number, free: boolean, grantMs: number, waitMs: number) =>
    apply("q", { op: "setTtl", epoch, free, expectGrantMs: 5000, expectWaitMs: 5000, grantMs, waitMs }).ok;
  const grantor = new Grantor();
  grantor.lead(1, 0);
  grant(1, "a");
  set("a", 1, AB);
  expect(grantor.nextTtl(dcs.state, 2000, 0)).toBe(null);
  expect(grantor.nextTtl(dcs.state, 9000, 0)).toEqual({ grantMs: 5000, waitMs: 9000 });
  expire(1);
  expect(grantor.nextTtl(dcs.state, 2000, 0)).toBe(null);
  expect(setTtl(1, true, 2000, 2000)).toBe(false);
  expect(setTtl(1, true, 9000, 9000)).toBe(true);
});

// The holder's side. ---------------------------------------------------------------------------------------

const L = (ttlMs: number) => ttlMs - 500;
const TTL = 5000;

function proven(): Holder {
  const holder = new Holder(7, L);
  holder.begin(3, null);
  const { seq } = holder.renew("a", life("a"), 1000);
  holder.acknowledge({ epoch: 3, incarnation: 7, seq, grantTtlMs: TTL }, 1010);
  return holder;
}

test("an extension counts from the send of the questions, and extends only a lease that runs", () => {
  const holder = proven();
  expect(holder.extend(3, 3000, TTL, 4000)).toBe(true);
  expect(holder.validUntilMs).toBe(3000 + 4500);
  expect(holder.extend(3, 3000, TTL, 4100)).toBe(false);
  expect(holder.extend(2, 4000, TTL, 4100)).toBe(false);
  // Nobody knows who writes once it has run out, no matter who accepted before.
  expect(holder.extend(3, 7400, TTL, 7500)).toBe(false);
  expect(holder.validUntilMs).toBe(7500);
});

test("a lease that raft has not acknowledged to this start of the agent is not extended", () => {
  const holder = new Holder(7, L);
  holder.begin(3, 5500);
  expect(holder.extend(3, 3000, TTL, 3010)).toBe(false);
});

test("after an extension the lease stands on raft again with the first renewal sent after it", () => {
  const holder = proven();
  expect(holder.extended).toBe(false);
  const early = holder.renew("a", life("a"), 2000);
  holder.extend(3, 3000, TTL, 3010);
  expect(holder.extended).toBe(true);
  holder.acknowledge({ epoch: 3, incarnation: 7, seq: early.seq, grantTtlMs: TTL }, 3100);
  expect(holder.extended).toBe(true);
  const late = holder.renew("a", life("a"), 3200);
  holder.acknowledge({ epoch: 3, incarnation: 7, seq: late.seq, grantTtlMs: TTL }, 3210);
  expect(holder.extended).toBe(false);
});

const withSet = (revision: number, members: { [name: string]: string } = ALL): DcsState => ({
  ...emptyState(),
  failsafe: { epoch: 3, holder: "a", life: life("a"), members, nodes: nodesOf(members), revision },
});

test("a start of the agent uses only a set that it has logged itself", () => {
  const sets = new FailsafeSets();
  expect(sets.toAsk(3, "a", withSet(5))).toBe(null);
  const command = sets.propose(3, life("a"), asking(ALL), withSet(5))!;
  expect(command).toMatchObject({ members: ALL, expectRevision: 5 });
  expect(sets.propose(3, life("a"), asking(ALL), withSet(5))).toBe(null);
  sets.outcome(command, { revision: 6 });
  expect(sets.toAsk(3, "a", withSet(6))).toEqual(asking({ b: ALL.b, c: ALL.c }));
  expect(sets.propose(3, life("a"), asking(ALL), withSet(6))).toBe(null);
  expect(sets.toAsk(4, "a", withSet(6))).toBe(null);
});

test("a removal that may have taken effect ends failsafe mode, and nobody to ask is no agreement", () => {
  const sets = new FailsafeSets();
  sets.outcome(sets.propose(3, life("a"), asking(ALL), emptyState())!, { revision: 6 });
  sets.outcome(sets.propose(3, life("a"), null, withSet(6))!, "unknown");
  expect(sets.toAsk(3, "a", withSet(6))).toBe(null);
  expect(sets.propose(3, life("a"), null, emptyState())).toBe(null);
  const alone = new FailsafeSets();
  alone.outcome(alone.propose(3, life("a"), asking({ a: "" }), emptyState())!, { revision: 6 });
  expect(alone.toAsk(3, "a", withSet(6, { a: "" }))).toBe(null);
});

test("a set that may be logged yet is asked for, though the same proposed again was refused for certain", () => {
  const sets = new FailsafeSets();
  sets.outcome(sets.propose(3, life("a"), asking(AB), emptyState())!, { revision: 6 });
  sets.outcome(sets.propose(3, life("a"), asking(ALL), withSet(6, AB))!, "unknown");
  sets.outcome(sets.propose(3, life("a"), asking(ALL), withSet(6, AB))!, "refused");
  expect(sets.toAsk(3, "a", withSet(6, AB))).toEqual(asking({ b: ALL.b, c: ALL.c }));
});

test("whatever becomes of proposals under way, everybody who could succeed is asked", () => {
  const members = fc.option(fc.constantFrom(ALL, AB, { a: ALL.a, c: ALL.c }), { nil: null, freq: 4 });
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("propose" as const), members }) },
    {
      weight: 9,
      arbitrary: fc.record({
        kind: fc.constantFrom("arrive" as const, "answer" as const, "lose" as const, "give up" as const),
        which: fc.nat(3),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
      const { dcs, apply, grant } = machine();
      grant(1, "a");
      let sets = new FailsafeSets();
      /** Proposed, and neither arrived nor lost. */
      const flying: SetFailsafe[] = [];
      /** What became of those that arrived or were lost; null: refused. */
      const fates = new Map<SetFailsafe, number | null>();
      /** Proposed by this start of the agent, which is told of each once at most; another start never is. */
      let untold: SetFailsafe[] = [];
      for (const each of steps) {
        if (each.kind === "propose") {
          const command = sets.propose(1, life("a"), each.members && asking(each.members), dcs.state);
          if (command === null) continue;
          flying.push(command);
          untold.push(command);
        } else if (each.kind === "restart") {
          sets = new FailsafeSets();
          untold = [];
        } else if (each.kind === "arrive" || each.kind === "lose") {
          const [command] = flying.splice(each.which % Math.max(1, flying.length), 1);
          if (command === undefined) continue;
          const result = each.kind === "arrive" ? apply("a", command) : null;
          fates.set(command, result?.ok ? result.revision : null);
        } else {
          const tellable = each.kind === "give up" ? untold : untold.filter((command) => fates.has(command));
          const command = tellable[each.which % Math.max(1, tellable.length)];
          if (command === undefined) continue;
          untold = untold.filter((other) => other !== command);
          const revision = each.kind === "give up" ? undefined : fates.get(command)!;
          sets.outcome(
            command,
            revision === undefined ? "unknown" : revision === null ? "refused" : { revision },
          );
        }
        const asked = sets.toAsk(1, "a", dcs.state);
        if (asked === null) continue;
        // What may still arrive could succeed only over the revision of now, one of them.
        const possible = flying.filter((command) => command.expectRevision === dcs.state.failsafe!.revision);
        for (const next of [dcs.state.failsafe!.members, ...possible.map((command) => command.members)]) {
          expect(next).not.toBe(null);
          for (const name of Object.keys(next!)) if (name !== "a") expect(Object.keys(asked)).toContain(name);
        }
      }
    }),
    { numRuns: 2000 },
  );
});

// The asked member's side. ---------------------------------------------------------------------------------

const QUESTION = { holder: "a", epoch: 3, to: "b", node: life("b").node };

function asked(change: Partial<DcsState> = {}) {
  const state = emptyState();
  return {
    name: "b",
    node: life("b").node,
    state: { ...state, lock: { ...state.lock, epoch: 3, holder: "a", lastHolder: "a" }, ...change },
    leads: false,
    guardEpoch: 0 as number | null,
  };
}

test("a member that knows better than the holder refuses, and has promised nothing", () => {
  const promise = new FailsafePromise(0, new Set());
  const { lock } = asked().state;
  const refusals: [ReturnType<typeof asked>, string][] = [
    [{ ...asked(), name: "c" }, "this is c, not b"],
    [{ ...asked(), node: 9 }, "this is another machine of the name b (raft id 9, not 2)"],
    [{ ...asked(), guardEpoch: null }, "no guard answers here"],
    [{ ...asked(), guardEpoch: 4 }, "epoch 3 is over: 4 is known here"],
    [asked({ lock: { ...lock, epoch: 4, holder: "c" } }), "epoch 3 is over: 4 is known here"],
    [asked({ lock: { ...lock, holder: null } }), "a does not hold epoch 3 any more"],
    [
      asked({ failsafe: { epoch: 3, holder: "a", members: { a: "", c: "" }, revision: 1 } }),
      "b is not in the failsafe set of epoch 3",
    ],
  ];
  for (const [view, reason] of refusals) {
    expect(promise.answer(QUESTION, view, 1000)).toEqual({ kind: "refused", reason });
  }
  expect(promise.answer(QUESTION, { ...asked(), leads: true }, 1000).kind).toBe("running-as-leader");
  expect(promise.acceptedMs).toBe(null);
});

test("whoever has accepted waits wait_ttl from then on before it writes, however often the lock passes on", () => {
  const promise = new FailsafePromise(-60_000, new Set());
  expect(promise.answer(QUESTION, asked(), 1000)).toEqual({ kind: "accepted" });
  const granted = (epoch: number) =>
    asked({ ...withSet(2), lock: { ...asked().state.lock, epoch, holder: "b" } });
  expect(promise.waitUntilMs("b", granted(4).state)).toBe(6000);
  expect(promise.waitUntilMs("b", granted(5).state)).toBe(6000);
  expect(promise.waitUntilMs("b", { ...granted(4).state, waitTtlMs: 9000 })).toBe(10_000);
});

test("an agent that may have forgotten what it accepted waits wait_ttl from its start", () => {
  const promise = new FailsafePromise(50_000, new Set());
  expect(promise.waitUntilMs("b", withSet(2))).toBe(55_000);
});

test("nobody waits without a set in the records, and its own holder does not", () => {
  const promise = new FailsafePromise(50_000, new Set());
  promise.answer(QUESTION, asked(), 51_000);
  expect(promise.waitUntilMs("b", emptyState())).toBe(-Infinity);
  expect(promise.waitUntilMs("a", withSet(2))).toBe(-Infinity);
});
