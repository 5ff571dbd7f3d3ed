/** The record of synchronous replication, where it is changed and where it decides on a grant. */
import { expect, test } from "bun:test";
import { life } from "../brain/testing.ts";
import type { SyncRecord } from "../model/records.ts";
import { type CommandBody, encodeCommand } from "./commands.ts";
import { recoveredState } from "./recovered.ts";
import { DcsStateMachine } from "./state_machine.ts";
import { join } from "./testing.ts";

const AT = "2026-01-01T00:00:00Z";

function machine() {
  const dcs = new DcsStateMachine();
  let index = 0;
  const apply = (by: string, body: CommandBody) => dcs.apply(encodeCommand({ ...body, by, at: AT }), ++index);
  for (const name of ["a", "b", "c"]) apply(name, join(name));
  apply("q", grant(1, "a"));
  return { dcs, apply };
}

type Sync = NonNullable<Extract<CommandBody, { op: "grant" }>["sync"]>;

function grant(epoch: number, holder: string, sync?: Sync): CommandBody {
  const body = { op: "grant" as const, complete: false, epoch, holder, life: life(holder), reason: "test" };
  return sync === undefined ? body : { ...body, sync };
}

const release = (lsn: number | null): CommandBody => ({
  op: "release",
  epoch: 1,
  life: life("a"),
  reason: "test",
  lsn,
  timeline: 1,
});

type SetSync = Extract<CommandBody, { op: "setSync" }>;

/** What holder a logs: these standbys, all of which have flushed everything. */
function standbys(
  dcs: DcsStateMachine,
  names: string,
  quorum: number,
  change: Partial<SetSync> = {},
): SetSync {
  const syncStandby = [...names];
  return {
    op: "setSync",
    epoch: 1,
    life: life("a"),
    leader: "a",
    syncStandby,
    quorum,
    data: Object.fromEntries(["a", ...syncStandby].map((name) => [name, `data-${name}`])),
    flushed: syncStandby,
    expectRevision: dcs.state.sync.revision,
    ...change,
  };
}

const votes = (names: string, token = `data-${names[0]}`): Sync => ({
  by: "votes",
  votes: [...names],
  token,
});

/** b and c are the standbys of a, either of which may have acknowledged. */
function quorumOfTwo() {
  const made = machine();
  expect(made.apply("a", standbys(made.dcs, "bc", 1)).ok).toBe(true);
  return made;
}

test("the holder alone changes the record, under its epoch and from the one that it knows", () => {
  const { dcs, apply } = machine();
  const set = standbys(dcs, "bc", 1);
  expect(apply("b", set)).toMatchObject({ code: "not-held" });
  expect(apply("a", { ...set, epoch: 0 })).toMatchObject({ code: "not-held" });
  expect(apply("a", { ...set, life: life("a", { boot: "other" }) })).toMatchObject({ code: "not-held" });
  expect(apply("a", { ...set, expectRevision: 99 })).toMatchObject({ code: "sync-changed" });
  expect(apply("a", set).ok).toBe(true);
  expect(apply("a", set)).toMatchObject({ code: "sync-changed" });
  expect(dcs.state.sync).toMatchObject({ leader: "a", syncStandby: ["b", "c"], quorum: 1 });
  const copy = new DcsStateMachine();
  copy.restore(dcs.snapshot());
  expect(copy.state).toEqual(dcs.state);
});

test("a standby that may lack what was acknowledged makes one vote more necessary", () => {
  const { dcs, apply } = machine();
  expect(apply("a", standbys(dcs, "b", 0, { flushed: [] }))).toMatchObject({ code: "sync-unsound" });
  expect(apply("a", standbys(dcs, "b", 0)).ok).toBe(true);
  expect(apply("a", standbys(dcs, "bc", 0, { flushed: ["b"] }))).toMatchObject({ code: "sync-unsound" });
  expect(apply("a", standbys(dcs, "bc", 1, { flushed: [] })).ok).toBe(true);
});

test.each<[string, Partial<SetSync>]>([
  ["another leader", { leader: "b" }],
  ["the leader as its own standby", { syncStandby: ["a", "b"] }],
  ["a standby twice", { syncStandby: ["b", "b"] }],
  ["a standby without data", { data: { a: "x" } }],
  ["data of one that is no standby", { data: { b: "x", c: "x", d: "x" } }],
])("%s is no record", (_, change) => {
  const { dcs, apply } = machine();
  expect(apply("a", standbys(dcs, "bc", 1, change))).toMatchObject({ code: "sync-unsound" });
});

test.each<[string, string, Sync | undefined, boolean]>([
  ["nothing", "b", undefined, false],
  ["its own vote, where two are needed", "b", votes("b"), false],
  ["two votes", "b", votes("bc"), true],
  ["votes without its own", "b", { by: "votes", votes: ["c", "x"], token: "data-b" }, false],
  ["two votes with other data", "b", votes("bc", "anew"), false],
  ["that it was the last holder", "a", { by: "holder", votes: [] }, true],
  ["that it was the last holder, which it was not", "b", { by: "holder", votes: [] }, false],
  ["a clean end, of an epoch that expired", "b", { by: "clean", votes: [] }, false],
  ["an operator, who has not asked", "b", { by: "operator", votes: [] }, false],
])("a grant on the grounds of %s", (_, to, grounds, ok) => {
  const { apply } = quorumOfTwo();
  apply("q", { op: "expire", epoch: 1, reason: "test" });
  const result = apply("q", grant(2, to, grounds));
  expect(result.ok).toBe(ok);
  if (!result.ok) expect(result.code).toBe("sync-unproven");
});

test("a clean end lets a member without a vote in, which has all of its WAL", () => {
  const clean: Sync = { by: "clean", votes: [], token: "data-c" };
  const killed = quorumOfTwo();
  killed.apply("a", release(null));
  expect(killed.apply("q", grant(2, "c", clean))).toMatchObject({ code: "sync-unproven" });
  const stopped = quorumOfTwo();
  stopped.apply("a", release(500));
  expect(stopped.apply("q", grant(2, "c", clean)).ok).toBe(true);
});

test("an operator's failover to a named member is carried out", () => {
  const { apply } = quorumOfTwo();
  apply("q", { op: "expire", epoch: 1, reason: "test" });
  const record = { kind: "failover", leader: null, candidate: "c", scheduledAt: null, id: "x" } as const;
  apply("q", { op: "setFailover", record: { ...record, accepted: false, epoch: 0 }, expectRevision: null });
  const forced = grant(2, "c", { by: "operator", votes: [] });
  expect(apply("q", forced)).toMatchObject({ code: "sync-unproven" });
  apply("q", { op: "acceptFailover", id: "x" });
  expect(apply("q", grant(2, "b", { by: "operator", votes: [] }))).toMatchObject({ code: "sync-unproven" });
  expect(apply("q", forced).ok).toBe(true);
});

test("with the grant the new holder leads, and the votes of the others stay as many as they were", () => {
  const { dcs, apply } = quorumOfTwo();
  apply("q", { op: "expire", epoch: 1, reason: "test" });
  apply("q", grant(2, "b", votes("bc")));
  const { revision: _, ...sync } = dcs.state.sync;
  const data = { b: "data-b", c: "data-c" };
  expect(sync).toEqual({ leader: "b", syncStandby: ["c"], quorum: 1, data } satisfies SyncRecord);
  // c alone is not enough: what a acknowledged last, b may have alone.
  apply("q", { op: "expire", epoch: 2, reason: "test" });
  expect(apply("q", grant(3, "c", votes("c")))).toMatchObject({ code: "sync-unproven" });
  expect(apply("q", grant(3, "b", { by: "holder", votes: [] })).ok).toBe(true);
});

test("where nothing is promised a grant needs no grounds", () => {
  const { dcs, apply } = quorumOfTwo();
  const off = standbys(dcs, "", 0, { leader: null, data: {} });
  expect(apply("a", off).ok).toBe(true);
  apply("q", { op: "expire", epoch: 1, reason: "test" });
  expect(apply("q", grant(2, "c")).ok).toBe(true);
  expect(dcs.state.sync.leader).toBe(null);
});

test.each<[string, unknown, boolean]>([
  ["a record", undefined, true],
  ["a mode that may have been acted on by the lost ones", "quorum", true],
  ["no mode", "off", false],
])("after a recovery from a lost majority with %s", (_, mode, unknown) => {
  const { dcs, apply } = mode === undefined ? quorumOfTwo() : machine();
  if (mode !== undefined) {
    apply("a", { op: "setConfig", value: { synchronous_mode: mode as string }, expectRevision: null });
  }
  const state = recoveredState(dcs.state, { survivor: "b", at: AT });
  expect(state.sync.unknown).toBe(unknown ? true : undefined);
  const lost = new DcsStateMachine();
  lost.restore(new TextEncoder().encode(JSON.stringify(state)));
  const next = { epoch: state.lock.epoch, by: "q", at: AT };
  lost.apply(encodeCommand({ op: "expire", reason: "", ...next }), 100);
  const granted = grant(next.epoch + 1, "b", votes("b"));
  const result = lost.apply(encodeCommand({ ...granted, by: "q", at: AT }), 101);
  // Its machine has not joined the new cluster yet; before that is asked for, the votes count for nothing.
  expect(result).toMatchObject({
    code: unknown ? expect.stringMatching(/sync-unproven|other-machine/) : "other-machine",
  });
});
