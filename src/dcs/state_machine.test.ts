import { expect, test } from "bun:test";
import { life } from "../brain/testing.ts";
import type { Life } from "../model/life.ts";
import type { JsonObject } from "../model/json.ts";
import { COMMAND_VERSION, type CommandBody, encodeCommand, parseCommand } from "./commands.ts";
import { DcsStateMachine } from "./state_machine.ts";
import { factsOf, join } from "./testing.ts";

function machine() {
  const dcs = new DcsStateMachine();
  let index = 0;
  const apply = (by: string, body: CommandBody) =>
    dcs.apply(encodeCommand({ ...body, by, at: "2026-01-01T00:00:00Z" }), ++index);
  return { dcs, apply };
}

/** With the members a and b. */
function joined() {
  const made = machine();
  for (const name of ["a", "b"]) made.apply(name, join(name));
  return made;
}

const grant = (epoch: number, holder: string): CommandBody => ({
  op: "grant",
  complete: true,
  epoch,
  holder,
  life: life(holder),
  reason: "test",
});
const release = (epoch: number, by: string): CommandBody => ({
  op: "release",
  epoch,
  life: life(by),
  reason: "test",
  lsn: null,
  timeline: null,
});

test("one member wins the race to bootstrap, and only its own start of the agent can complete it", () => {
  const { dcs, apply } = machine();
  expect(apply("a", { op: "claimInitialize", incarnation: 1 }).ok).toBe(true);
  expect(apply("b", { op: "claimInitialize", incarnation: 2 }).ok).toBe(false);
  expect(apply("b", { op: "completeInitialize", incarnation: 2, systemId: "7" }).ok).toBe(false);
  expect(apply("a", { op: "completeInitialize", incarnation: 9, systemId: "7" }).ok).toBe(false);
  expect(apply("a", { op: "completeInitialize", incarnation: 1, systemId: "7" }).ok).toBe(true);
  expect(dcs.state.initialize?.systemId).toBe("7");
  expect(apply("a", { op: "clearInitialize", of: "a", incarnation: 1 }).ok).toBe(false);
});

test("the lock passes on only through release or expire, each grant with the next epoch", () => {
  const { dcs, apply } = joined();
  expect(apply("q", grant(2, "a")).ok).toBe(false);
  expect(apply("q", grant(1, "a")).ok).toBe(true);
  expect(apply("q", grant(2, "b")).ok).toBe(false);
  expect(apply("b", release(1, "b")).ok).toBe(false);
  expect(apply("a", release(1, "a")).ok).toBe(true);
  expect(dcs.state.lock).toMatchObject({
    epoch: 1,
    holder: null,
    lastHolder: "a",
    ended: { how: "released" },
  });
  expect(apply("q", grant(1, "a")).ok).toBe(false);
  expect(apply("q", grant(2, "b")).ok).toBe(true);
});

test("B22: a late expire or release of an older epoch is a no-op", () => {
  const { dcs, apply } = joined();
  apply("q", grant(1, "a"));
  apply("q", { op: "expire", epoch: 1, reason: "test" });
  apply("q", grant(2, "a"));
  expect(apply("q", { op: "expire", epoch: 1, reason: "late" }).ok).toBe(false);
  expect(apply("a", release(1, "a")).ok).toBe(false);
  expect(dcs.state.lock).toMatchObject({ epoch: 2, holder: "a" });
});

test("B20: what commands do does not depend on the wall clocks that stamped them", () => {
  const bodies: [by: string, body: CommandBody][] = [
    ["a", join("a")],
    ["b", join("b")],
    ["a", { op: "claimInitialize", incarnation: 1 }],
    ["a", { op: "completeInitialize", incarnation: 1, systemId: "7" }],
    ["q", grant(1, "a")],
    ["q", { op: "expire", epoch: 1, reason: "test" }],
    ["q", grant(2, "b")],
    ["b", { op: "setUnfenced", epoch: 2, life: life("b"), unfenced: true }],
    ["q", { op: "expire", epoch: 2, reason: "test" }],
    ["b", release(2, "b")],
  ];
  const run = (at: (nth: number) => string) => {
    const dcs = new DcsStateMachine();
    const results = bodies.map(([by, body], nth) =>
      dcs.apply(encodeCommand({ ...body, by, at: at(nth) }), nth + 1)
    );
    return { results, state: { ...dcs.state, events: dcs.state.events.map(({ at: _, ...event }) => event) } };
  };
  const steady = run((nth) => new Date(1000 * nth).toISOString());
  expect(steady.results.filter(({ ok }) => ok).length).toBe(9);
  expect(run((nth) => new Date(1e12 - 1e10 * nth).toISOString())).toEqual(steady);
  expect(run((nth) => new Date(nth % 2 === 0 ? 0 : 8e15).toISOString())).toEqual(steady);
  expect(run(() => "no time at all")).toEqual(steady);
});

test("an unfenced epoch cannot be expired until it is fenced again", () => {
  const { apply } = joined();
  apply("q", grant(1, "a"));
  expect(apply("b", { op: "setUnfenced", epoch: 1, life: life("a"), unfenced: true }).ok).toBe(false);
  expect(apply("a", { op: "setUnfenced", epoch: 1, life: life("a"), unfenced: true }).ok).toBe(true);
  expect(apply("q", { op: "expire", epoch: 1, reason: "test" }).ok).toBe(false);
  expect(apply("a", { op: "setUnfenced", epoch: 1, life: life("a"), unfenced: false }).ok).toBe(true);
  expect(apply("q", { op: "expire", epoch: 1, reason: "test" }).ok).toBe(true);
});

test("a fenced(e) that comes late is void once another word about the fence was logged, whichever start of the agent sent it", () => {
  const { dcs, apply } = joined();
  apply("q", grant(1, "a"));
  const fence = (unfenced: boolean, expectRevision: number | null): CommandBody => ({
    op: "setUnfenced",
    epoch: 1,
    life: life("a"),
    unfenced,
    expectRevision,
  });
  expect(apply("a", fence(true, null)).ok).toBe(true);
  const revision = dcs.state.lock.fencingRevision!;
  // Sent by an agent that ends, and still on its way when the next one, in the same life, lets the guard lift
  // its fence.
  const late = fence(false, revision);
  expect(apply("a", fence(true, revision)).ok).toBe(true);
  expect(apply("a", late).ok).toBe(false);
  expect(apply("q", { op: "expire", epoch: 1, reason: "test" }).ok).toBe(false);
  expect(apply("a", fence(false, dcs.state.lock.fencingRevision!)).ok).toBe(true);
  expect(apply("q", { op: "expire", epoch: 1, reason: "test" }).ok).toBe(true);
  // Of the next epoch nothing is known.
  apply("q", grant(2, "a"));
  expect(dcs.state.lock.fencingRevision).toBeUndefined();
  const restored = new DcsStateMachine();
  apply("a", { ...fence(true, null), epoch: 2 } as CommandBody);
  restored.restore(dcs.snapshot());
  expect(restored.state.lock.fencingRevision).toBe(dcs.state.lock.fencingRevision);
});

test("a word about the fence that names what it follows is for members that all know that", () => {
  const { dcs, apply } = joined();
  apply("q", grant(1, "a"));
  const command = encodeCommand({
    op: "setUnfenced",
    epoch: 1,
    life: life("a"),
    unfenced: true,
    expectRevision: null,
    by: "a",
    at: "",
  });
  expect(dcs.apply(command, 100, 3)).toMatchObject({ ok: false });
  expect(dcs.apply(command, 101, 4)).toMatchObject({ ok: true });
  // Without the name it does what it did: nobody remembers when.
  expect(apply("a", { op: "setUnfenced", epoch: 1, life: life("a"), unfenced: false }).ok).toBe(true);
  expect(dcs.state.lock.fencingRevision).toBe(101);
});

test("configuration is changed by compare-and-swap on its revision", () => {
  const { dcs, apply } = machine();
  apply("a", { op: "setConfig", value: { ttl: 5 }, expectRevision: null });
  const revision = dcs.state.config!.revision;
  expect(apply("b", { op: "setConfig", value: { ttl: 6 }, expectRevision: null }).ok).toBe(false);
  expect(apply("b", { op: "setConfig", value: { ttl: 6 }, expectRevision: revision }).ok).toBe(true);
  expect(apply("c", { op: "setConfig", value: { ttl: 7 }, expectRevision: revision }).ok).toBe(false);
  expect(dcs.state.config!.value).toEqual({ ttl: 6 });
});

test("ttl: grant never exceeds wait, and a change meant for a free lock does nothing once it is granted", () => {
  const { dcs, apply } = joined();
  const change = {
    op: "setTtl",
    epoch: 0,
    free: true,
    expectGrantMs: 5000,
    expectWaitMs: 5000,
    grantMs: 2000,
    waitMs: 2000,
  } as const;
  expect(apply("q", { ...change, grantMs: 9000 }).ok).toBe(false);
  apply("q", grant(1, "a"));
  expect(apply("q", change).ok).toBe(false);
  expect(apply("q", { ...change, epoch: 1, free: false, waitMs: 5000 }).ok).toBe(true);
  expect(dcs.state).toMatchObject({ grantTtlMs: 2000, waitTtlMs: 5000 });
});

test("a request remembers the epoch that it was accepted in, and its outcome is kept for whoever asked", () => {
  const { dcs, apply } = joined();
  apply("q", grant(1, "a"));
  const record = {
    kind: "switchover",
    leader: "a",
    candidate: null,
    scheduledAt: null,
    id: "x",
    accepted: true,
    epoch: 9,
  } as const;
  apply("b", { op: "setFailover", record, expectRevision: null });
  expect(dcs.state.failover).toMatchObject({ accepted: false, epoch: 0 });
  expect(apply("c", { op: "setFailover", record: { ...record, id: "y" }, expectRevision: null }).ok).toBe(
    false,
  );
  apply("q", { op: "acceptFailover", id: "x" });
  expect(dcs.state.failover).toMatchObject({ accepted: true, epoch: 1 });
  apply("q", { op: "endFailover", id: "x", ok: true, text: "done" });
  expect(dcs.state.failover).toBeNull();
  expect(dcs.state.failoverResults).toEqual([{ id: "x", ok: true, text: "done" }]);
});

/** Configurations in a row, each over the one before; `version`: of the commands in force. */
function configured(values: readonly JsonObject[], version = COMMAND_VERSION) {
  const dcs = new DcsStateMachine();
  for (const [at, value] of values.entries()) {
    const expectRevision = dcs.state.config?.revision ?? null;
    const body: CommandBody = { op: "setConfig", value, expectRevision };
    const stamp = { by: `m${at}`, at: `2026-01-01T00:00:${String(at % 60).padStart(2, "0")}Z` };
    expect(dcs.apply(encodeCommand({ ...body, ...stamp }), at + 1, version).ok).toBe(true);
  }
  return dcs;
}

test("a change of the configuration keeps the one before it, with its time and the member that it came through", () => {
  const dcs = configured([{ ttl: 5 }, { ttl: 6 }, { ttl: 7 }]);
  expect(dcs.state.config).toEqual({ value: { ttl: 7 }, revision: 3, by: "m2", at: "2026-01-01T00:00:02Z" });
  expect(dcs.state.configHistory).toEqual([
    { value: { ttl: 5 }, revision: 1, by: "m0", at: "2026-01-01T00:00:00Z" },
    { value: { ttl: 6 }, revision: 2, by: "m1", at: "2026-01-01T00:00:01Z" },
  ]);
  // The same again is no change.
  expect(configured([{ ttl: 5 }, { ttl: 5 }]).state.configHistory).toEqual([]);
});

test("so many former configurations are kept, the latest ones without a gap, and so much of them", () => {
  const revisions = (dcs: DcsStateMachine) => dcs.state.configHistory?.map(({ revision }) => revision);
  const many = configured(Array.from({ length: 30 }, (_, ttl) => ({ ttl })));
  expect(revisions(many)).toEqual(Array.from({ length: 20 }, (_, i) => 10 + i));
  const text = (n: number, length = 50_000) => ({ n, text: "x".repeat(length) });
  expect(revisions(configured([text(1), text(2), text(3), text(4), { n: 5 }]))).toEqual([3, 4]);
  const huge = { a: ["x".repeat(60_000), "y".repeat(60_000), "z".repeat(60_000)] };
  expect(revisions(configured([{ n: 1 }, huge, { n: 3 }, { n: 4 }]))).toEqual([3]);
});

test("members of older versions have the same records: nothing is kept before version 5 is in force", () => {
  const before = configured([{ ttl: 5 }, { ttl: 6 }], 4);
  expect(before.state.config).toEqual({ value: { ttl: 6 }, revision: 2 });
  expect(Object.keys(before.state)).not.toContain("configHistory");
  // From then on, what was there already is kept without what is not known of it.
  const next: CommandBody = { op: "setConfig", value: { ttl: 7 }, expectRevision: 2 };
  before.apply(encodeCommand({ ...next, by: "c", at: "2026-01-01T00:00:00Z" }), 3, 5);
  expect(before.state.configHistory).toEqual([{ value: { ttl: 6 }, revision: 2, at: null, by: null }]);
  const copy = new DcsStateMachine();
  copy.restore(before.snapshot());
  expect(copy.state).toEqual(before.state);
});

test("a snapshot restores the same state, and garbage or an unknown command changes nothing", () => {
  const { dcs, apply } = joined();
  apply("q", grant(1, "a"));
  const copy = new DcsStateMachine();
  copy.restore(dcs.snapshot());
  expect(copy.state).toEqual(dcs.state);
  for (const bytes of ["", "{", "[]", '{"v":2,"op":"grant"}', '{"v":1,"op":"nonsense","by":"a","at":""}']) {
    dcs.apply(new TextEncoder().encode(bytes), 99);
    expect(copy.state).toEqual(dcs.state);
  }
  expect(parseCommand(new Uint8Array([0xff, 0xfe]), 1).ok).toBe(false);
});

test("another machine does not take a name over, unless the one that has it does not answer", () => {
  const { dcs, apply } = machine();
  expect(apply("a", join("a")).ok).toBe(true);
  // The same raft directory: other tags, other addresses, another boot.
  expect(apply("a", join("a", { tags: { x: 1 } })).ok).toBe(true);
  expect(apply("a", join("a", { apiUrl: "http://h2", life: life("a", { boot: "later" }) })).ok).toBe(true);
  const other = { life: life("a", { node: 9, machine: "m9" }) };
  expect(apply("a", join("a", other))).toMatchObject({ ok: false, code: "name-taken" });
  expect(apply("a", join("a", other, true)).ok).toBe(true);
  expect(dcs.state.members.a).toEqual(factsOf("a", other));
});

const NAMESAKES: [string, Partial<Life>][] = [
  ["another raft directory at the same address", { node: 9, machine: "m9" }],
  ["a copy of the machine", { machine: "m9", boot: "b9" }],
  ["the host itself, booted anew", { boot: "b9" }],
];

for (const [what, change] of NAMESAKES) {
  test(`while the lock is held, the name is not taken over, nor the epoch touched: ${what}`, () => {
    const { dcs, apply } = joined();
    apply("q", grant(1, "a"));
    const other = life("a", change);
    const { lock, members } = dcs.state;
    for (const replace of [false, true]) {
      expect(apply("a", join("a", { life: other }, replace)).ok).toBe(false);
    }
    expect(apply("a", join("a", { life: other }, true))).toMatchObject({
      ok: false,
      code: "name-holds-lock",
    });
    expect(apply("a", { ...release(1, "a"), life: other } as CommandBody).ok).toBe(false);
    expect(apply("a", { op: "setUnfenced", epoch: 1, life: other, unfenced: true }).ok).toBe(false);
    const set = { op: "setFailsafe", epoch: 1, life: other, members: { a: "u", b: "v" }, nodes: {} } as const;
    expect(apply("a", { ...set, expectRevision: null }).ok).toBe(false);
    expect(apply("q", { op: "dropMember", name: "a", raftAddr: "a:2222" }).ok).toBe(false);
    expect(dcs.state).toMatchObject({ lock, members });
    // Once it has expired, the name is free, and an epoch is granted to the machine that has it then.
    apply("q", { op: "expire", epoch: 1, reason: "test" });
    expect(apply("a", join("a", { life: other }, true)).ok).toBe(true);
    expect(apply("q", grant(2, "a"))).toEqual({
      ok: false,
      reason: "another machine is the member a by now",
      code: "other-machine",
    });
    expect(apply("q", { ...grant(2, "a"), life: other } as CommandBody).ok).toBe(true);
    expect(dcs.state.lock.life).toEqual(other);
  });
}

test("in pause a machine that booted anew takes its place again, and gives the unfenced epoch back; no other does", () => {
  const { dcs, apply } = joined();
  apply("q", grant(1, "a"));
  apply("a", { op: "setUnfenced", epoch: 1, life: life("a"), unfenced: true });
  const copy = life("a", { machine: "m9", boot: "b9" });
  expect(apply("a", join("a", { life: copy }, true))).toMatchObject({ ok: false, code: "name-holds-lock" });
  expect(apply("a", { ...release(1, "a"), life: copy } as CommandBody).ok).toBe(false);
  const booted = life("a", { boot: "b9" });
  expect(apply("a", join("a", { life: booted })).ok).toBe(true);
  expect(apply("a", { ...release(1, "a"), life: booted } as CommandBody).ok).toBe(true);
  expect(dcs.state.lock).toMatchObject({ holder: null, ended: { how: "released" } });
});

test("an epoch that was granted to a mere name belongs to the first machine of that name that joins", () => {
  const { dcs, apply } = machine();
  apply("q", { ...grant(1, "a"), life: undefined } as CommandBody);
  expect(dcs.state.lock.life).toBeNull();
  expect(apply("a", join("a")).ok).toBe(true);
  expect(dcs.state.lock).toMatchObject({ holder: "a", life: life("a") });
  expect(apply("a", join("a", { life: life("a", { node: 9 }) }, true)).ok).toBe(false);
});

test("an operator's failover ends an unfenced epoch", () => {
  const { dcs, apply } = joined();
  apply("q", grant(1, "a"));
  apply("a", { op: "setUnfenced", epoch: 1, life: life("a"), unfenced: true });
  expect(apply("q", { op: "expire", epoch: 1, reason: "asked for", forced: true }).ok).toBe(true);
  expect(dcs.state.lock.holder).toBeNull();
});
