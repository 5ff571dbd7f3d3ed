import { expect, test } from "bun:test";
import { life } from "../brain/testing.ts";
import type { Json } from "../model/json.ts";
import { type CommandBody, encodeCommand } from "./commands.ts";
import { Grantor } from "../lease/grantor.ts";
import { EPOCHS_PER_CLUSTER_EPOCH, isJustRecovered, NOBODY, recoveredState } from "./recovered.ts";
import { DcsStateMachine } from "./state_machine.ts";
import { join } from "./testing.ts";

function afterRecovery() {
  const dcs = new DcsStateMachine();
  let index = 0;
  const apply = (by: string, body: CommandBody) =>
    dcs.apply(encodeCommand({ ...body, by, at: "2026-01-01T00:00:00Z" }), ++index);
  const grant = (epoch: number, holder: string): CommandBody => ({
    op: "grant",
    complete: true,
    epoch,
    holder,
    life: life(holder),
    reason: "test",
  });
  apply("a", join("a"));
  apply("a", {
    op: "setTtl",
    epoch: 0,
    free: true,
    expectGrantMs: 5000,
    expectWaitMs: 5000,
    grantMs: 2000,
    waitMs: 2000,
  });
  apply("a", grant(1, "a"));
  const state = recoveredState(dcs.state, { survivor: "b", at: "2026-01-02T00:00:00Z" });
  dcs.restore(new TextEncoder().encode(JSON.stringify(state)));
  return { dcs, apply, grant };
}

test("the lock is void, the last holder stays known, requests and the sync state are gone", () => {
  const { dcs } = afterRecovery();
  expect(dcs.state).toMatchObject({ clusterEpoch: 1, failover: null, failsafe: null, members: {} });
  expect(dcs.state.lock).toMatchObject({ holder: NOBODY, lastHolder: "a", cleanStart: false });
  expect(dcs.state.sync).toMatchObject({ leader: null, syncStandby: [] });
});

test("what was acknowledged is unknown where a synchronous mode was asked for, however off is written", () => {
  const { dcs } = afterRecovery();
  const unknownWith = (mode?: Json) =>
    recoveredState({
      ...dcs.state,
      config: { value: mode === undefined ? {} : { synchronous_mode: mode }, revision: 1 },
    }, { survivor: "b", at: "2026-01-02T00:00:00Z" }).sync.unknown;
  for (const mode of [undefined, null, false, "off", "Off", "no", "FALSE", 0]) {
    expect([mode, unknownWith(mode)]).toEqual([mode, undefined]);
  }
  for (const mode of [true, "on", "YES", 1, "quorum"]) {
    expect([mode, unknownWith(mode)]).toEqual([mode, true]);
  }
});

test("a grant, renewal or release of an earlier cluster epoch is never valid, however many epochs were lost", () => {
  const { dcs, apply, grant } = afterRecovery();
  const grantor = new Grantor();
  grantor.lead(9, 0);
  grantor.applied(dcs.state, 0);
  for (const epoch of [1, 2, 1_000_000, EPOCHS_PER_CLUSTER_EPOCH - 1]) {
    expect(apply("a", grant(epoch, "a")).ok).toBe(false);
    expect(
      apply("a", { op: "release", epoch, life: life("a"), reason: "late", lsn: null, timeline: null }).ok,
    ).toBe(false);
    const pending = grantor.receive({ holder: "a", life: life("a"), epoch, incarnation: 1, seq: 1 }, 1)!;
    expect(grantor.confirm(pending, dcs.state, 2)).toBeNull();
  }
});

test("nobody is granted the lock before wait_ttl; the first epoch is above all that were granted before", () => {
  const { dcs, apply, grant } = afterRecovery();
  const { epoch } = dcs.state.lock;
  const grantor = new Grantor();
  grantor.lead(9, 1000);
  grantor.applied(dcs.state, 1000);
  expect(apply("b", grant(epoch + 1, "b")).ok).toBe(false);
  expect(grantor.expiryDue(dcs.state, 2999)).toBe(false);
  expect(grantor.expiryDue(dcs.state, 3000)).toBe(true);
  expect(apply("b", { op: "expire", epoch, reason: "nobody" }).ok).toBe(true);
  expect(dcs.state.lock).toMatchObject({ holder: null, lastHolder: "a" });
  apply("b", join("b"));
  expect(apply("b", grant(epoch + 1, "b")).ok).toBe(true);
  // What the guard compares.
  expect(epoch + 1).toBeGreaterThan(EPOCHS_PER_CLUSTER_EPOCH);
});

test("each recovery begins above the one before", () => {
  const { dcs } = afterRecovery();
  const again = recoveredState(dcs.state, { survivor: "c", at: "2026-01-03T00:00:00Z" });
  expect(again.clusterEpoch).toBe(2);
  expect(again.lock.epoch).toBe(2 * EPOCHS_PER_CLUSTER_EPOCH);
});

test("it is just recovered until somebody is granted the lock", () => {
  const { dcs, apply, grant } = afterRecovery();
  const { epoch } = dcs.state.lock;
  expect(isJustRecovered(dcs.state)).toBe(true);
  apply("b", { op: "expire", epoch, reason: "nobody" });
  expect(isJustRecovered(dcs.state)).toBe(true);
  apply("b", join("b"));
  apply("b", grant(epoch + 1, "b"));
  expect(isJustRecovered(dcs.state)).toBe(false);
});
