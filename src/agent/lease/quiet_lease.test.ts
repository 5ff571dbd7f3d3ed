import { expect, test } from "bun:test";
import type { Clock, Raft } from "../../../raft/mod.ts";
import { life } from "../../brain/testing.ts";
import { COMMAND_VERSION } from "../../dcs/commands.ts";
import { emptyState } from "../../dcs/state_machine.ts";
import type { GuardPort, GuardReply } from "../../guard/port.ts";
import { timingOf } from "../../lease/timing.ts";
import type { Renewal } from "../../lease/renewal.ts";
import type { GuardView } from "../../model/guard_view.ts";
import { tenancyOf } from "./testing.ts";

const TTL_MS = 5000;
const { renewMs, leaseMs } = timingOf(TTL_MS);

/** A holder whose raft leader and guard answer when the test says so. */
function holder() {
  const empty = emptyState();
  let nowMs = 10_000;
  let wakes = 0;
  let isPaused = false;
  let state = {
    ...empty,
    lock: { ...empty.lock, epoch: 3, holder: "a", lastHolder: "a", life: life("a"), unfenced: false },
  };
  let view: Pick<GuardView, "armed" | "lastAnswerMs"> = { armed: null, lastAnswerMs: nowMs };
  const renewals: Renewal[] = [];
  const armings: { armed: NonNullable<GuardView["armed"]>; done: (reply: GuardReply) => void }[] = [];
  const clock = { now: () => nowMs, after: () => ({ cancel: () => {} }) } as unknown as Clock;
  const raft = { status: () => ({ agreedVersion: COMMAND_VERSION }), propose: () => {} } as unknown as Raft;
  const guard = {
    view: () => ({ state: "ok", endedEpoch: 0, incarnation: 1, ...view }) as GuardView,
    arm: (epoch: number, deadlineMs: number, unfenced: boolean, done: (reply: GuardReply) => void) => {
      armings.push({ armed: { epoch, deadlineMs, unfenced }, done });
    },
    ping: () => {},
  } as unknown as GuardPort;
  const tenancy = tenancyOf({
    clock,
    raft,
    guard,
    state: () => state,
    paused: () => isPaused,
    send: (renewal) => renewals.push(renewal),
    wake: () => wakes++,
  });
  // It was granted this epoch after it had joined.
  state = { ...state, lock: { ...state.lock, epoch: 2 } };
  tenancy.joined();
  state = { ...state, lock: { ...state.lock, epoch: 3 } };
  const self = {
    tenancy,
    later: (ms: number) => nowMs += ms,
    look: (earlyMs = 0) => tenancy.renewIfDue(earlyMs),
    sent: () => renewals.length,
    guardAnswers: () => view = { ...view, lastAnswerMs: nowMs },
    acknowledge: (grantTtlMs = TTL_MS) => {
      const { epoch, incarnation, seq } = renewals.at(-1)!;
      tenancy.acknowledged({ epoch, incarnation, seq, grantTtlMs });
    },
    armed: (reply: GuardReply = { ok: true }) => {
      const { armed, done } = armings.shift()!;
      if (reply.ok) view = { armed, lastAnswerMs: nowMs };
      done(reply);
    },
    pause: () => isPaused = true,
    /** The wake-ups that `work` has brought. */
    wakesOf: (work: () => void) => {
      const before = wakes;
      work();
      return wakes - before;
    },
    /** A renewal as it is at rest. */
    renew: () => {
      self.later(renewMs);
      self.look();
      self.acknowledge();
      self.armed();
    },
  };
  return self;
}

/** Renewed often enough that nothing is new any more. */
function atRest() {
  const one = holder();
  one.look();
  expect(one.wakesOf(() => one.acknowledge())).toBe(1);
  // It is usable from here on: a promotion waits for that.
  expect(one.wakesOf(() => one.armed())).toBe(1);
  expect(one.tenancy.isQuiet).toBe(false);
  one.look();
  expect(one.tenancy.isQuiet).toBe(true);
  return one;
}

test("an acknowledgement and the guard's answer at rest only move the deadline on, and bring no look", () => {
  const one = atRest();
  for (let i = 0; i < 5; i++) {
    const before = one.tenancy.validUntilMs!;
    expect(one.wakesOf(() => one.renew())).toBe(0);
    expect(one.tenancy.validUntilMs).toBeGreaterThan(before);
  }
  expect(one.sent()).toBe(6);
});

test("after a third of the lease without an acknowledgement the next one brings a look", () => {
  const one = atRest();
  one.later(leaseMs / 3 - 1);
  expect(one.tenancy.isQuiet).toBe(true);
  one.later(1);
  expect(one.tenancy.isQuiet).toBe(false);
  one.guardAnswers();
  one.look();
  expect(one.wakesOf(() => one.acknowledge())).toBe(1);
});

test("a lease that the last look found unusable is looked at with the next answer", () => {
  const one = holder();
  one.look();
  one.acknowledge();
  one.guardAnswers();
  one.later(renewMs);
  one.look();
  expect(one.wakesOf(() => one.acknowledge())).toBe(1);
  expect(one.wakesOf(() => one.armed())).toBe(1);
});

test("a ttl that was lowered, a deadline that the guard refuses, and a pause bring a look", () => {
  const lowered = atRest();
  lowered.later(renewMs);
  lowered.look();
  expect(lowered.wakesOf(() => lowered.acknowledge(2000))).toBe(1);
  const refused = atRest();
  refused.later(renewMs);
  refused.look();
  refused.acknowledge();
  expect(refused.wakesOf(() => refused.armed({ ok: false, error: "no" }))).toBe(1);
  const paused = atRest();
  paused.pause();
  expect(paused.tenancy.isQuiet).toBe(false);
});

test("a renewal that waits for the guard goes out with its answer", () => {
  const one = atRest();
  one.later(renewMs);
  one.look();
  one.acknowledge();
  one.later(renewMs);
  one.look();
  expect(one.sent()).toBe(2);
  expect(one.tenancy.isQuiet).toBe(false);
  one.guardAnswers();
  one.look();
  expect(one.sent()).toBe(3);
});

test("a renewal leaves early with something else, but not without the guard's answer", () => {
  const one = atRest();
  one.later(renewMs - 200);
  one.look();
  expect(one.sent()).toBe(1);
  one.look(200);
  expect(one.sent()).toBe(2);
  one.later(renewMs - 200);
  const dueMs = one.look(200);
  expect(one.sent()).toBe(2);
  one.guardAnswers();
  one.later(100);
  one.look();
  expect(one.sent()).toBe(2);
  one.later(100);
  expect(one.look()).toBe(dueMs + renewMs);
  expect(one.sent()).toBe(3);
});

test("however early it may leave, half of the time to the next renewal goes by", () => {
  const one = atRest();
  one.later(renewMs / 2 - 1);
  one.look(renewMs);
  expect(one.sent()).toBe(1);
  one.later(1);
  one.look(renewMs);
  expect(one.sent()).toBe(2);
});
