import { expect, test } from "bun:test";
import { decodeEnvelope, encodeEnvelope, type Envelope } from "./envelope.ts";
import { ReplicatedState } from "./replicated_state.ts";
import { ListMachine, text } from "./testing.ts";
import type { Entry } from "../core/types.ts";

function entry(index: number, envelope: Envelope): Entry {
  return { term: 1, index, kind: "normal", data: encodeEnvelope(envelope) };
}

function command(
  seq: number,
  options: { origin?: number; incarnation?: number; floor?: number } = {},
): Envelope {
  const { origin = 1, incarnation = 77, floor = 0 } = options;
  return {
    kind: "command",
    origin,
    incarnation,
    seq,
    floor,
    command: text(`${origin}.${incarnation}.${seq}`),
  };
}

test("an envelope survives its encoding; garbage is none", () => {
  const joined: Envelope = { kind: "joined", member: 5, instance: 2 ** 47 };
  expect(decodeEnvelope(encodeEnvelope(joined))).toEqual(joined);
  expect(decodeEnvelope(encodeEnvelope(command(3)))).toEqual(command(3));
  for (const bytes of [[], [1, 2, 3], [2, 0, 0, 0, 0]]) {
    expect(decodeEnvelope(new Uint8Array(bytes))).toBeNull();
  }
});

test("B38: a command that arrives twice is applied once, whatever the order", () => {
  const machine = new ListMachine();
  const state = new ReplicatedState(machine, 1);
  const seqs = [2, 1, 2, 1, 3, 3, 2];
  const kinds = seqs.map((seq, i) => state.apply(entry(i + 1, command(seq))).kind);
  expect(kinds).toEqual([
    "command",
    "command",
    "duplicate",
    "duplicate",
    "command",
    "duplicate",
    "duplicate",
  ]);
  expect(machine.commands).toEqual(["1.77.2", "1.77.1", "1.77.3"]);
});

test("what its origin has given up is not applied any more", () => {
  const machine = new ListMachine();
  const state = new ReplicatedState(machine, 1);
  state.apply(entry(1, command(5, { floor: 4 })));
  expect(state.apply(entry(2, command(3, { floor: 2 }))).kind).toBe("duplicate");
  expect(state.apply(entry(3, command(4, { floor: 4 }))).kind).toBe("command");
});

test("a late command of an earlier process does not make the new one forget", () => {
  const state = new ReplicatedState(new ListMachine(), 1);
  state.apply(entry(1, command(1, { incarnation: 10 })));
  state.apply(entry(2, command(1, { incarnation: 20 })));
  expect(state.apply(entry(3, command(1, { incarnation: 10 }))).kind).toBe("duplicate");
  expect(state.apply(entry(4, command(1, { incarnation: 20 }))).kind).toBe("duplicate");
  for (let i = 0; i < 4; i++) state.apply(entry(5 + i, command(1, { incarnation: 30 + i })));
  expect(state.sessions.resultOf(1, 10, 1)).toBeNull();
});

test("B34: the session table is part of the snapshot, byte for byte the same on all members", () => {
  const first = new ReplicatedState(new ListMachine(), 1);
  const entries = [
    entry(1, { kind: "joined", member: 3, instance: 9 }),
    entry(2, command(1, { origin: 2 })),
    entry(3, command(2, { origin: 1 })),
    entry(4, { kind: "joined", member: 1, instance: 8 }),
    entry(5, command(1, { origin: 1 })),
  ];
  for (const one of entries) first.apply(one);
  const second = new ReplicatedState(new ListMachine(), 1);
  second.restore(first.snapshot(), 5);
  expect(second.index).toBe(5);
  expect(second.snapshot()).toEqual(first.snapshot());
  expect(second.apply(entry(6, command(2, { origin: 1 }))).kind).toBe("duplicate");
  expect(second.sessions.resultOf(1, 77, 2)).toEqual({ result: 2 });
  expect(second.sessions.joined(3)).toBe(9);
  expect(second.sessions.joined(2)).toBeNull();
  first.apply(entry(6, command(2, { origin: 1 })));
  expect(second.snapshot()).toEqual(first.snapshot());
});

test("the directory that a member took part with first stays its own", () => {
  const state = new ReplicatedState(new ListMachine(), 1);
  state.apply(entry(1, { kind: "joined", member: 3, instance: 9 }));
  state.apply(entry(2, { kind: "joined", member: 3, instance: 10 }));
  expect(state.sessions.joined(3)).toBe(9);
});

test("results that are no JSON or too large are not kept, and hurt nobody", () => {
  const machine = new ListMachine();
  const state = new ReplicatedState(machine, 1);
  machine.apply = () => 10n;
  expect(state.apply(entry(1, command(1)))).toMatchObject({ kind: "command", result: 10n });
  expect(state.sessions.resultOf(1, 77, 1)).toEqual({ result: undefined });
  machine.apply = () => "x".repeat(5000);
  state.apply(entry(2, command(2)));
  expect(state.sessions.resultOf(1, 77, 2)).toEqual({ result: undefined });
});
