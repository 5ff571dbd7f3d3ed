import { expect, test } from "bun:test";
import type { Clock, ProposeOutcome, Raft } from "../../../raft/mod.ts";
import { life } from "../../brain/testing.ts";
import { COMMAND_VERSION } from "../../dcs/commands.ts";
import type { Renewal } from "../../lease/renewal.ts";
import { emptyState } from "../../dcs/state_machine.ts";
import type { GuardPort } from "../../guard/port.ts";
import type { GuardView } from "../../model/guard_view.ts";
import { tenancyOf } from "./testing.ts";

const EPOCH = 3;

/** A holder in maintenance mode, whose PostgreSQL is not fenced. What it proposes waits for the test. */
function paused(agreedVersion = COMMAND_VERSION) {
  let nowMs = 1000;
  let isPaused = true;
  let state = {
    ...emptyState(),
    lock: {
      ...emptyState().lock,
      epoch: EPOCH,
      holder: "a",
      lastHolder: "a",
      life: life("a"),
      unfenced: true,
    },
  };
  let armed: GuardView["armed"] = { epoch: EPOCH, deadlineMs: nowMs + 4500, unfenced: true };
  const proposed: {
    unfenced: boolean;
    expectRevision?: number | null;
    end: (outcome: ProposeOutcome) => void;
  }[] = [];
  const renewals: Renewal[] = [];
  const clock = { now: () => nowMs } as Clock;
  const raft = {
    status: () => ({ agreedVersion }),
    propose: (bytes: Uint8Array, end: (outcome: ProposeOutcome) => void) => {
      const { unfenced, expectRevision } = JSON.parse(new TextDecoder().decode(bytes));
      proposed.push({ unfenced, expectRevision, end });
    },
  } as unknown as Raft;
  let inRecovery = false;
  const guard = {
    view: () => ({ state: "ok", armed, endedEpoch: 0, incarnation: 1, lastAnswerMs: nowMs }) as GuardView,
    arm: (epoch: number, deadlineMs: number, unfenced: boolean) => {
      armed = { epoch, deadlineMs, unfenced };
    },
    ping: () => {},
  } as unknown as GuardPort;
  const tenancy = tenancyOf({
    clock,
    raft,
    guard,
    state: () => state,
    paused: () => isPaused,
    inRecovery: () => inRecovery,
    send: (renewal) => renewals.push(renewal),
  });
  tenancy.joined();
  const look = () => {
    nowMs += 600;
    tenancy.renewIfDue();
    const renewal = renewals.pop();
    if (renewal === undefined) return;
    const { epoch, incarnation, seq } = renewal;
    tenancy.acknowledged({ epoch, incarnation, seq, grantTtlMs: 5000 });
    tenancy.renewIfDue();
  };
  look();
  return {
    proposed,
    look,
    isFenced: () => !armed!.unfenced,
    wish: (pause: boolean) => {
      isPaused = pause;
      look();
    },
    recovers: (isStandby: boolean) => {
      inRecovery = isStandby;
      look();
    },
    logged: (unfenced: boolean, fencingRevision = 1) => {
      state = { ...state, lock: { ...state.lock, unfenced, fencingRevision } };
    },
  };
}

const APPLIED: ProposeOutcome = { kind: "applied", index: 9, result: { ok: true, revision: 9 } };

test("in maintenance mode the guard is armed without the fence, and with it before fenced(e) is proposed", () => {
  const holder = paused();
  expect(holder.isFenced()).toBe(false);
  holder.wish(false);
  expect(holder.isFenced()).toBe(true);
  expect(holder.proposed.map(({ unfenced }) => unfenced)).toEqual([false]);
  holder.logged(false);
  holder.proposed[0]!.end(APPLIED);
  holder.wish(true);
  expect(holder.isFenced()).toBe(true);
  expect(holder.proposed.map(({ unfenced }) => unfenced)).toEqual([false, true]);
  holder.logged(true);
  holder.proposed[1]!.end(APPLIED);
  holder.look();
  expect(holder.isFenced()).toBe(false);
});

test("a pause that is asked for again lifts no fence while fenced(e) may yet take effect", () => {
  const holder = paused();
  holder.wish(false);
  holder.wish(true);
  // The records say "unfenced" here still. A leader that is not heard any more may log fenced(e) now, and
  // expire e.
  expect(holder.isFenced()).toBe(true);
  expect(holder.proposed).toHaveLength(1);
  holder.proposed[0]!.end({ kind: "unknown", reason: "not confirmed in time" });
  holder.look();
  expect(holder.isFenced()).toBe(true);
  // Once a later command is applied, the former one is void.
  expect(holder.proposed.map(({ unfenced }) => unfenced)).toEqual([false, true]);
  holder.proposed[1]!.end(APPLIED);
  holder.look();
  expect(holder.isFenced()).toBe(false);
});

test("a fenced(e) that was refused for certain keeps no fence up", () => {
  const holder = paused();
  holder.wish(false);
  holder.wish(true);
  holder.proposed[0]!.end({ kind: "rejected", reason: "no leader is known" });
  holder.look();
  expect(holder.isFenced()).toBe(false);
  expect(holder.proposed).toHaveLength(1);
});

test("each word about the fence names the one that it follows, once all members know that", () => {
  const holder = paused();
  holder.wish(false);
  expect(holder.proposed.at(-1)).toMatchObject({ unfenced: false, expectRevision: null });
  holder.logged(false, 12);
  holder.proposed[0]!.end(APPLIED);
  holder.wish(true);
  expect(holder.proposed.at(-1)).toMatchObject({ unfenced: true, expectRevision: 12 });
  const older = paused(3);
  older.wish(false);
  expect(older.proposed).toMatchObject([{ unfenced: false, expectRevision: undefined }]);
});

test("the fence of a member that is yet to be promoted stays: its epoch is to expire if its agent ends before", () => {
  const holder = paused();
  holder.wish(false);
  holder.logged(false);
  holder.proposed[0]!.end(APPLIED);
  holder.recovers(true);
  holder.wish(true);
  expect(holder.proposed.map(({ unfenced }) => unfenced)).toEqual([false]);
  holder.recovers(false);
  expect(holder.proposed.map(({ unfenced }) => unfenced)).toEqual([false, true]);
});
