import { expect, test } from "bun:test";
import { encodeMessage, makeMessage, typeOfMessage } from "../core/message.ts";
import { ChannelBudget, costOf, messagesIn } from "./channel_budget.ts";

test("a member that talks without end is heard 250 times a second, and costs no other its word", () => {
  let nowMs = 0;
  const budget = new ChannelBudget(() => nowMs);
  let heard = 0;
  for (; nowMs < 10_000; nowMs += 0.1) if (budget.take(1, messagesIn(100))) heard++;
  expect(Math.abs(heard - 3000)).toBeLessThan(5);
  expect(budget.take(2, messagesIn(100))).toBe(true);
});

test("large messages count as several", () => {
  const budget = new ChannelBudget(() => 0);
  let heard = 0;
  for (let i = 0; i < 100; i++) if (budget.take(1, messagesIn(256 * 1024))) heard++;
  expect(heard).toBe(7);
  expect(budget.take(1, messagesIn(1024 * 1024))).toBe(false);
  // The largest message that is taken at all.
  expect(new ChannelBudget(() => 0).take(1, messagesIn(1024 * 1024))).toBe(true);
});

test("what costs others work counts; answers, appends and votes do not, however many there are", () => {
  const cost = (type: Parameters<typeof makeMessage>[0]["type"], bytes: number[] = []) => {
    const entries = bytes.map((length) => ({
      kind: "normal" as const,
      term: 0,
      index: 0,
      data: new Uint8Array(length),
    }));
    const message = encodeMessage(makeMessage({ type, from: 1, to: 2, entries }));
    return costOf(typeOfMessage(message), message.length);
  };
  expect(cost("propose", [10, 8192])).toBe(3);
  expect([cost("readIndex"), cost("transferLeader"), cost("snapshot")]).toEqual([4, 125, 125]);
  for (
    const type of ["append", "appendResponse", "heartbeat", "heartbeatResponse", "vote", "preVote"] as const
  ) {
    expect(cost(type, [10])).toBe(0);
  }
});
