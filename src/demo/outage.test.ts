import { expect, test } from "bun:test";
import { type Acknowledged, longestGap, lostIds, overlapMs } from "./outage.ts";

const ack = (id: number, node: string, ackMs: number): Acknowledged => ({
  id,
  node,
  sentMs: ackMs - 1,
  ackMs,
});

test("the longest gap is that between two acknowledgements, of whichever node", () => {
  const acks = [ack(1, "a", 10), ack(2, "a", 20), ack(3, "b", 520), ack(4, "b", 530)];
  expect(longestGap(acks, 0)).toEqual({ lengthMs: 500, beginMs: 20, endMs: 520, from: "a", to: "b" });
});

test("a gap that began before the window counts, one that ended before it does not", () => {
  const acks = [ack(1, "a", 0), ack(2, "a", 900), ack(3, "a", 1000), ack(4, "a", 1300)];
  expect(longestGap(acks, 950)?.lengthMs).toBe(300);
  expect(longestGap(acks, 500)?.lengthMs).toBe(900);
  expect(longestGap(acks, 500, 950)?.lengthMs).toBe(900);
});

test("without acknowledgements there is no gap to speak of", () => {
  expect(longestGap([], 0)).toBeNull();
  expect(longestGap([ack(1, "a", 5)], 0)).toBeNull();
});

test("lost are the acknowledged ids that the new primary does not hold", () => {
  expect(lostIds([ack(1, "a", 1), ack(2, "a", 2), ack(3, "b", 3)], new Set([1, 3]))).toEqual([2]);
});

test("an old primary that acknowledges after the new one's first is counted in full", () => {
  const acks = [ack(1, "a", 10), ack(2, "b", 100), ack(3, "a", 150), ack(4, "b", 200), ack(5, "a", 230)];
  expect(overlapMs(acks, "a", 0)).toBe(130);
  expect(overlapMs(acks, "a", 0, 160)).toBe(50);
  expect(overlapMs([ack(1, "a", 10), ack(2, "b", 100), ack(3, "b", 101)], "a", 0)).toBe(0);
});
