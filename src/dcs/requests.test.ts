/** Requests on record: what takes the place of what, and who learns of it. */
import { expect, test } from "bun:test";
import { COMMAND_VERSION, type CommandBody, encodeCommand, REPLACEMENT_SINCE } from "./commands.ts";
import { DcsStateMachine } from "./state_machine.ts";

const RECORD = {
  kind: "switchover",
  leader: "a",
  candidate: "b",
  scheduledAt: null,
  id: "x",
  accepted: false,
  epoch: 0,
} as const;
const FACTS = { connUrl: "", apiUrl: "", proxyUrl: null, raftAddr: "", tags: {}, version: "" };

function cluster() {
  const dcs = new DcsStateMachine();
  let index = 0;
  const apply = (body: CommandBody, version = COMMAND_VERSION) =>
    dcs.apply(encodeCommand({ ...body, by: "a", at: "2026-01-01T00:00:00Z" }), ++index, version);
  for (const name of ["a", "b"]) {
    apply({ op: "setMember", facts: { ...FACTS, name }, incarnation: 1, replace: false });
  }
  return { dcs, apply };
}

const failover = (id: string, expectRevision: number | null): CommandBody => ({
  op: "setFailover",
  record: { ...RECORD, kind: "failover", leader: null, id },
  expectRevision,
});

test("a request replaces the one that its asker has seen, and the asker of that one is told", () => {
  const { dcs, apply } = cluster();
  apply({ op: "setFailover", record: RECORD, expectRevision: null });
  apply({ op: "acceptFailover", id: "x" });
  const seen = dcs.state.failover!.revision;
  expect(apply(failover("y", null))).toMatchObject({ ok: false, code: "request-present" });
  expect(apply(failover("y", seen)).ok).toBe(true);
  expect(dcs.state.failover).toMatchObject({ id: "y", accepted: false, epoch: 0 });
  expect(dcs.state.failoverResults).toEqual([{ id: "x", ok: false, text: "replaced by another failover" }]);
  expect(apply(failover("z", seen))).toMatchObject({ ok: false, code: "request-present" });
});

test("members that older versions may still be among keep the results that those versions keep", () => {
  const { dcs, apply } = cluster();
  apply({ op: "setFailover", record: RECORD, expectRevision: null });
  apply(failover("y", dcs.state.failover!.revision), REPLACEMENT_SINCE - 1);
  expect(dcs.state).toMatchObject({ failover: { id: "y" }, failoverResults: [] });
});

test("a member has one scheduled restart, which survives a snapshot, and ends once", () => {
  const { dcs, apply } = cluster();
  const restart = { schedule: "2030-01-01T00:00:00+00:00", restart_pending: true, timeout: 60 } as const;
  const set = (id: string, expectId: string | null, member = "b") =>
    apply({ op: "setRestart", member, id, restart, expectId });
  expect(set("r", null).ok).toBe(true);
  expect(set("s", null)).toMatchObject({ ok: false, code: "restart-present" });
  expect(set("s", "r").ok).toBe(true);
  expect(set("t", null, "constructor")).toMatchObject({ ok: false, code: "no-member" });
  const copy = new DcsStateMachine();
  copy.restore(dcs.snapshot());
  expect(copy.state.restarts).toEqual({ b: { ...restart, id: "s" } });
  const end = (id: string) => apply({ op: "endRestart", member: "b", id, text: "its time has come" });
  expect(end("r")).toMatchObject({ ok: false, code: "no-restart" });
  expect(end("s").ok).toBe(true);
  expect(end("s")).toMatchObject({ ok: false, code: "no-restart" });
  expect(dcs.state.restarts).toEqual({});
  expect(dcs.state.events.at(-1)?.text).toBe(
    "restart of b scheduled at 2030-01-01T00:00:00+00:00: its time has come",
  );
});

test("a member that leaves takes its scheduled restart with it", () => {
  const { dcs, apply } = cluster();
  for (const member of ["a", "b"]) {
    const restart = { schedule: "2030-01-01T00:00:00+00:00" };
    apply({ op: "setRestart", member, id: member, restart, expectId: null });
  }
  apply({ op: "dropMember", name: "b", raftAddr: "" });
  expect(Object.keys(dcs.state.restarts!)).toEqual(["a"]);
});
