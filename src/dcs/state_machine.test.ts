import { expect, test } from "bun:test";
import { type CommandBody, decodeCommand, encodeCommand } from "./commands.ts";
import { DcsStateMachine, NAME_TAKEN } from "./state_machine.ts";

function machine() {
  const dcs = new DcsStateMachine();
  let index = 0;
  const apply = (by: string, body: CommandBody) =>
    dcs.apply(encodeCommand({ ...body, by, at: "2026-01-01T00:00:00Z" }), ++index);
  return { dcs, apply };
}

const grant = (epoch: number, holder: string): CommandBody => ({
  op: "grant",
  complete: true,
  epoch,
  holder,
  reason: "test",
});
const release = (epoch: number): CommandBody => ({
  op: "release",
  epoch,
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
  const { dcs, apply } = machine();
  expect(apply("q", grant(2, "a")).ok).toBe(false);
  expect(apply("q", grant(1, "a")).ok).toBe(true);
  expect(apply("q", grant(2, "b")).ok).toBe(false);
  expect(apply("b", release(1)).ok).toBe(false);
  expect(apply("a", release(1)).ok).toBe(true);
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
  const { dcs, apply } = machine();
  apply("q", grant(1, "a"));
  apply("q", { op: "expire", epoch: 1, reason: "test" });
  apply("q", grant(2, "a"));
  expect(apply("q", { op: "expire", epoch: 1, reason: "late" }).ok).toBe(false);
  expect(apply("a", release(1)).ok).toBe(false);
  expect(dcs.state.lock).toMatchObject({ epoch: 2, holder: "a" });
});

test("B20: what commands do does not depend on the wall clocks that stamped them", () => {
  const bodies: [by: string, body: CommandBody][] = [
    ["a", { op: "claimInitialize", incarnation: 1 }],
    ["a", { op: "completeInitialize", incarnation: 1, systemId: "7" }],
    ["q", grant(1, "a")],
    ["q", { op: "expire", epoch: 1, reason: "test" }],
    ["q", grant(2, "b")],
    ["b", { op: "setUnfenced", epoch: 2, unfenced: true }],
    ["q", { op: "expire", epoch: 2, reason: "test" }],
    ["b", release(2)],
  ];
  const run = (at: (nth: number) => string) => {
    const dcs = new DcsStateMachine();
    const results = bodies.map(([by, body], nth) =>
      dcs.apply(encodeCommand({ ...body, by, at: at(nth) }), nth + 1)
    );
    return { results, state: { ...dcs.state, events: dcs.state.events.map(({ at: _, ...event }) => event) } };
  };
  const steady = run((nth) => new Date(1000 * nth).toISOString());
  expect(steady.results.filter(({ ok }) => ok).length).toBe(7);
  expect(run((nth) => new Date(1e12 - 1e10 * nth).toISOString())).toEqual(steady);
  expect(run((nth) => new Date(nth % 2 === 0 ? 0 : 8e15).toISOString())).toEqual(steady);
  expect(run(() => "no time at all")).toEqual(steady);
});

test("an unfenced epoch cannot be expired until it is fenced again", () => {
  const { apply } = machine();
  apply("q", grant(1, "a"));
  expect(apply("b", { op: "setUnfenced", epoch: 1, unfenced: true }).ok).toBe(false);
  expect(apply("a", { op: "setUnfenced", epoch: 1, unfenced: true }).ok).toBe(true);
  expect(apply("q", { op: "expire", epoch: 1, reason: "test" }).ok).toBe(false);
  expect(apply("a", { op: "setUnfenced", epoch: 1, unfenced: false }).ok).toBe(true);
  expect(apply("q", { op: "expire", epoch: 1, reason: "test" }).ok).toBe(true);
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
  const { dcs, apply } = machine();
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
  const { dcs, apply } = machine();
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

test("a snapshot restores the same state, and garbage or an unknown command changes nothing", () => {
  const { dcs, apply } = machine();
  apply("q", grant(1, "a"));
  const copy = new DcsStateMachine();
  copy.restore(dcs.snapshot());
  expect(copy.state).toEqual(dcs.state);
  for (const bytes of ["", "{", "[]", '{"v":2,"op":"grant"}', '{"v":1,"op":"nonsense","by":"a","at":""}']) {
    dcs.apply(new TextEncoder().encode(bytes), 99);
    expect(copy.state).toEqual(dcs.state);
  }
  expect(decodeCommand(new Uint8Array([0xff, 0xfe]))).toBeNull();
});

test("a member with other addresses does not take a name over, unless the old one is known to be gone", () => {
  const { dcs, apply } = machine();
  const facts = {
    name: "a",
    connUrl: "",
    apiUrl: "http://h1",
    proxyUrl: null,
    raftAddr: "h1:1",
    tags: {},
    version: "0",
  };
  expect(apply("a", { op: "setMember", facts, incarnation: 1, replace: false }).ok).toBe(true);
  expect(
    apply("a", { op: "setMember", facts: { ...facts, tags: { x: 1 } }, incarnation: 2, replace: false }).ok,
  ).toBe(true);
  const moved = { ...facts, apiUrl: "http://h2" };
  expect(apply("a", { op: "setMember", facts: moved, incarnation: 3, replace: false })).toEqual({
    ok: false,
    reason: NAME_TAKEN,
  });
  expect(apply("a", { op: "setMember", facts: moved, incarnation: 3, replace: true }).ok).toBe(true);
  expect(dcs.state.members.a).toEqual(moved);
});

test("an operator's failover ends an unfenced epoch", () => {
  const { dcs, apply } = machine();
  apply("q", grant(1, "a"));
  apply("a", { op: "setUnfenced", epoch: 1, unfenced: true });
  expect(apply("q", { op: "expire", epoch: 1, reason: "asked for", forced: true }).ok).toBe(true);
  expect(dcs.state.lock.holder).toBeNull();
});
