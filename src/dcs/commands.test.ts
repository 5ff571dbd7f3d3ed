import { LONGEST_LEASE_MS } from "../model/limits.ts";
import { expect, test } from "bun:test";
import type { FailoverRecord } from "../model/records.ts";
import {
  COMMAND_VERSION,
  type CommandBody,
  commandRefusal,
  encodeCommand,
  parseCommand,
} from "./commands.ts";
import { DcsStateMachine } from "./state_machine.ts";

const bytes = (value: unknown) =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const stamped = (body: object) => ({ v: COMMAND_VERSION, by: "a", at: "2026-01-01T00:00:00Z", ...body });
const refusal = (body: object) => commandRefusal(bytes(stamped(body)), COMMAND_VERSION);

const REQUEST: FailoverRecord = {
  kind: "switchover",
  leader: "a",
  candidate: null,
  scheduledAt: null,
  id: "x",
  accepted: false,
  epoch: 0,
};
const request = (change: object) =>
  refusal({ op: "setFailover", record: { ...REQUEST, ...change }, expectRevision: null });
const FACTS = { name: "a", connUrl: "", apiUrl: "", proxyUrl: null, raftAddr: "", tags: {}, version: "" };
const member = (change: object) =>
  refusal({ op: "setMember", facts: { ...FACTS, ...change }, incarnation: 1, replace: false });

test("what is no command is refused with what is wrong", () => {
  const cases: [unknown, string][] = [
    ["no json", "no JSON"],
    ["[1]", "not a command"],
    [{ v: 1, op: "teleport" }, "not a command that this version knows"],
    [{ v: 1, op: "constructor" }, "not a command that this version knows"],
    [stamped({ op: "grant", v: 99 }), `needs version 1 of commands, and ${COMMAND_VERSION} is in force`],
    [stamped({ op: "grant", v: "1" }), "needs version 1"],
    [stamped({ op: "acceptFailover" }), "acceptFailover: id is missing"],
    [stamped({ op: "acceptFailover", id: "x", more: 1 }), '"more" is not known'],
    [stamped({ op: "acceptFailover", id: "x", by: "__proto__" }), "by: this is no name of a member"],
    ["[".repeat(100), "levels"],
  ];
  for (const [value, reason] of cases) {
    expect(commandRefusal(bytes(value), COMMAND_VERSION)).toContain(reason);
  }
  expect(commandRefusal(new Uint8Array([0xff]), COMMAND_VERSION)).toContain("UTF-8");
});

test("a request names members and a time that there are", () => {
  expect(request({})).toBeNull();
  for (
    const at of ["2026-01-31T12:00:00+00:00", "2026-01-31T12:00:00.123456-11:30", "2026-01-31T12:00:00Z"]
  ) {
    expect(request({ scheduledAt: at })).toBeNull();
    expect(Date.parse(at)).not.toBeNaN();
  }
  for (
    const at of ["", "tomorrow", "2026-13-01T00:00:00Z", "2026-01-31T12:00:00", "2026-01-31T25:00:00Z", 5]
  ) {
    expect(request({ scheduledAt: at })).toContain("record: scheduledAt");
  }
  for (const name of ["", "__proto__", "a\nb", "x".repeat(300), "\ud800", 7, {}]) {
    expect(request({ candidate: name })).toContain("record: candidate");
  }
  expect(request({ candidate: "constructor" })).toBeNull();
});

test("numbers are whole, and have a largest value", () => {
  const ttlCommand = (grantMs: unknown) => ({
    op: "setTtl",
    epoch: 1,
    free: true,
    expectGrantMs: 5000,
    expectWaitMs: 5000,
    grantMs,
    waitMs: 5000,
  });
  const ttl = (grantMs: unknown) => refusal(ttlCommand(grantMs));
  expect(ttl(LONGEST_LEASE_MS)).toBeNull();
  expect(ttl(LONGEST_LEASE_MS + 1)).toContain("a ttl of at most 3600000 ms");
  // In a log that is there already it means what it meant.
  expect(parseCommand(bytes(JSON.stringify(stamped(ttlCommand(604_800_000)))), COMMAND_VERSION).ok).toBe(
    true,
  );
  for (const value of [0, -1, 0.5, 604_800_001, 1e300, null, "5"]) expect(ttl(value)).toContain("grantMs");
  // JSON writes no -0, Infinity or NaN, but a peer that writes bytes can.
  const raw = (epoch: string) =>
    commandRefusal(
      bytes(
        JSON.stringify(stamped({ op: "expire", epoch: 1, reason: "" })).replace(
          '"epoch":1',
          `"epoch":${epoch}`,
        ),
      ),
      COMMAND_VERSION,
    );
  expect(raw("1")).toBeNull();
  for (const epoch of ["-0", "1e400", "9007199254740993", "NaN"]) expect(raw(epoch)).not.toBeNull();
});

test("what is logged has a size", () => {
  expect(member({ tags: { a: 1 } })).toBeNull();
  expect(member({ tags: { a: "x".repeat(20_000) } })).toContain("tags");
  expect(member({ apiUrl: "x".repeat(2000) })).toContain("apiUrl");
  const config = (value: unknown) => refusal({ op: "setConfig", value, expectRevision: null });
  expect(config({ ttl: 5 })).toBeNull();
  expect(config({ a: "x".repeat(100_000) })).toContain("characters");
  expect(config(Object.fromEntries(Array.from({ length: 25_000 }, (_, i) => [i, i])))).toContain("values");
  expect(config(JSON.parse('{"a":'.repeat(21) + "1" + "}".repeat(21)))).toContain("levels");
  expect(config([])).toContain("a map");
});

test("an explanation that is too long is cut, so that the decision is not lost", () => {
  const body: CommandBody = { op: "expire", epoch: 1, reason: "\ud83d\ude00".repeat(2000) };
  const judged = parseCommand(encodeCommand({ ...body, by: "a", at: "" }), COMMAND_VERSION);
  expect(judged).toMatchObject({ ok: true, command: { reason: expect.stringMatching(/ \.\.\.$/) } });
});

test("before version 3 only types are judged where a command is applied, as older members do", () => {
  const large = bytes(stamped({
    op: "setFailover",
    v: 1,
    record: { ...REQUEST, candidate: "x".repeat(5000) },
    expectRevision: null,
  }));
  expect(new DcsStateMachine().apply(large, 1, 2).ok).toBe(true);
  expect(new DcsStateMachine().apply(large, 1, 3).ok).toBe(false);
  // Proposed it is at neither.
  expect(commandRefusal(large, 2)).not.toBeNull();
  const wrong = bytes(stamped({ op: "setMember", v: 1, facts: 5, incarnation: 1, replace: false }));
  expect(new DcsStateMachine().apply(wrong, 1, 2).ok).toBe(false);
});

test("records of an older program are read, and what is no snapshot is refused and changes nothing", () => {
  const dcs = new DcsStateMachine();
  const old = {
    revision: 7,
    lock: { epoch: 4, holder: "a", lastHolder: "a", reason: "", ended: null, unfenced: false },
  };
  dcs.restore(bytes(old));
  expect(dcs.state).toMatchObject({
    revision: 7,
    failsafe: null,
    members: {},
    lock: { holder: "a", cleanStart: true },
  });
  const before = dcs.snapshot();
  for (const value of ["x", "[]", { lock: 5 }, { members: { a: 1 } }, { events: {} }, { grantTtlMs: "5" }]) {
    expect(dcs.snapshotFlaw(bytes(value))).toContain("the records");
    expect(() => dcs.restore(bytes(value))).toThrow("the records");
  }
  expect(dcs.snapshot()).toEqual(before);
});

test("a member may have the name of a property that every object has", () => {
  const dcs = new DcsStateMachine();
  const propose = (body: CommandBody) => dcs.apply(encodeCommand({ ...body, by: "constructor", at: "" }), 1);
  const facts = { ...FACTS, name: "constructor", raftAddr: "h:1" };
  expect(propose({ op: "dropMember", name: "constructor", raftAddr: "h:1" }).ok).toBe(false);
  expect(propose({ op: "setMember", facts, incarnation: 1, replace: false }).ok).toBe(true);
  expect(propose({ op: "dropMember", name: "constructor", raftAddr: "h:1" }).ok).toBe(true);
});
