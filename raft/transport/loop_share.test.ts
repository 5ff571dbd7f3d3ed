import { expect, spyOn, test } from "bun:test";
import { LoopShare } from "./loop_share.ts";

function made() {
  const time = { nowMs: 0 };
  const share = new LoopShare(() => time.nowMs);
  /** Reads frames of `ms` each, until the stretch is over. */
  const frames = (ms: number) => {
    share.begin();
    for (let count = 1; count < 10_000; count++) {
      time.nowMs += ms;
      if (share.spend()) return count;
    }
    return Infinity;
  };
  const rested = () => new Promise<void>((resolve) => share.rest(resolve));
  return { time, share, frames, rested };
}

test("a peer's stretch ends by what its frames cost, not by how many they are", () => {
  expect(made().frames(0.25)).toBe(20);
  expect(made().frames(2)).toBe(3);
  expect(made().frames(100)).toBe(1);
});

test("all connections of a peer spend one share, and all of them wait until it has rested", async () => {
  const { time, share, frames, rested } = made();
  share.begin();
  time.nowMs += 4;
  expect(share.spend()).toBe(false);
  // This is another connection, in the same turn of the loop.
  expect(frames(1)).toBe(1);
  const first = rested();
  expect(share.resting).toBe(true);
  const second = rested();
  await Promise.all([first, second]);
  expect(share.resting).toBe(false);
  expect(frames(1)).toBe(5);
});

test("when everything else has had its turn, a new stretch begins", () => {
  const { time, share, frames } = made();
  share.begin();
  time.nowMs += 4;
  share.spend();
  time.nowMs += 1;
  expect(frames(1)).toBe(5);
});

test("frames of no use end the stretch, and are rested for as if they had come at 4 MB a second", () => {
  const timers = spyOn(globalThis, "setTimeout").mockImplementation(
    (() => 0) as unknown as typeof setTimeout,
  );
  const delays = () => timers.mock.calls.map(([, ms]) => ms);
  try {
    const large = made().share;
    large.begin();
    large.wasted(256 * 1024);
    expect(large.spend()).toBe(true);
    large.rest(() => {});
    expect(delays()).toEqual([64.25]);
    // Small frames add up.
    const small = made().share;
    let count = 0;
    for (small.begin(); !small.spend();) {
      small.wasted(0);
      count++;
    }
    expect(count).toBe(4);
    // The rest is never so long that the connection is given up.
    for (let i = 0; i < 100; i++) small.wasted(8 * 1024 * 1024);
    small.rest(() => {});
    expect(delays()).toEqual([64.25, 1000]);
  } finally {
    timers.mockRestore();
  }
});
