import { expect, test } from "bun:test";
import type { Clock } from "../../../raft/mod.ts";
import type { GuardPort } from "../../guard/port.ts";
import { SignOfLife } from "./sign_of_life.ts";

function guarded() {
  let nowMs = 1000;
  let lastAnswerMs: number | null = null;
  let pings = 0;
  let timer: { dueMs: number; fire: () => void } | null = null;
  const clock: Clock = {
    now: () => nowMs,
    after: (delayMs, fire) => {
      const own = timer = { dueMs: nowMs + delayMs, fire };
      return { cancel: () => void (timer = timer === own ? null : timer) };
    },
    soon: (fire) => fire(),
  };
  const guard = {
    view: () => ({ state: "ok", lastAnswerMs }),
    ping: () => void pings++,
  } as unknown as GuardPort;
  return {
    sign: new SignOfLife(guard, clock),
    pings: () => pings,
    /** The guard answers something, as of `atMs`. */
    answer: (atMs = nowMs) => void (lastAnswerMs = atMs),
    later: (ms: number) => {
      nowMs += ms;
      if (timer === null || timer.dueMs > nowMs) return;
      const { fire } = timer;
      timer = null;
      fire();
    },
  };
}

test("before any confirmation the guard is asked at once", () => {
  const { sign, pings, answer, later } = guarded();
  expect(sign.wasAsked).toBe(false);
  sign.ask();
  expect({ asked: sign.wasAsked, answers: sign.answers, pings: pings() }).toEqual({
    asked: true,
    answers: false,
    pings: 1,
  });
  later(1);
  answer();
  expect(sign.answers).toBe(true);
});

test("while deadlines are confirmed, the confirmations are the answers, and nothing else is asked", () => {
  const { sign, pings, answer, later } = guarded();
  sign.confirmed();
  for (let i = 0; i < 5; i++) {
    sign.ask();
    expect(sign.answers).toBe(false);
    later(5);
    answer();
    sign.confirmed();
    expect(sign.answers).toBe(true);
    later(495);
  }
  expect(pings()).toBe(0);
});

test("a confirmation that does not come is asked for before the next renewal at any ttl, and then each time", () => {
  const { sign, pings, later } = guarded();
  sign.confirmed();
  sign.ask();
  later(100);
  expect(pings()).toBe(0);
  later(50);
  expect(pings()).toBe(1);
  sign.ask();
  expect(pings()).toBe(2);
});

test("what the guard answered before the last renewal is no sign, though it comes after it", () => {
  const { sign, pings, answer, later } = guarded();
  sign.confirmed();
  later(10);
  sign.ask();
  answer(1005);
  sign.confirmed();
  expect(sign.answers).toBe(false);
  later(150);
  expect(pings()).toBe(1);
});
