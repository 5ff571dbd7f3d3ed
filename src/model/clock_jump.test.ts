import { expect, test } from "bun:test";
import { type ClockJump, ClockWatch, describeJump } from "./clock_jump.ts";

/** The watch after readings a second apart, except as `then` says. */
function after(then: { passMs: number; wallMs: number; lateMs?: number }): ClockJump | null {
  const watch = new ClockWatch();
  watch.look(1000, 5_000_000, 0);
  expect(watch.look(2000, 5_001_000, 0)).toBeNull();
  return watch.look(2000 + then.passMs, 5_001_000 + then.wallMs, then.lateMs ?? 0);
}

test("clocks that go together, or are slewed, are no event", () => {
  expect(after({ passMs: 250, wallMs: 250 })).toBeNull();
  expect(after({ passMs: 3_600_000, wallMs: 3_600_000 * 1.083 })).toBeNull();
  expect(after({ passMs: 0, wallMs: 0 })).toBeNull();
});

test("a wall clock that is set is noticed, either way", () => {
  expect(after({ passMs: 250, wallMs: 60_250 })).toEqual({ kind: "forward", byMs: 60_000, atMs: 2250 });
  expect(after({ passMs: 250, wallMs: -3_600_000 })).toEqual({
    kind: "backward",
    byMs: 3_600_250,
    atMs: 2250,
  });
});

test("a suspended host: both clocks ran on, the timer did not", () => {
  expect(after({ passMs: 30_000, wallMs: 30_000, lateMs: 29_750 })).toMatchObject({
    kind: "stall",
    byMs: 29_750,
  });
  expect(after({ passMs: 1000, wallMs: 1000, lateMs: 750 })).toBeNull();
});

test("a paused virtual machine: its clock of leases stood still, its wall clock was put right", () => {
  expect(after({ passMs: 250, wallMs: 42_000, lateMs: 0 })).toMatchObject({ kind: "forward", byMs: 41_750 });
});

test("jumps are counted, and the last one is kept", () => {
  const watch = new ClockWatch();
  watch.look(0, 0, 0);
  watch.look(100, 10_000, 0);
  watch.look(200, 5000, 0);
  expect(watch.report()).toEqual({ jumps: 2, last: { kind: "backward", byMs: 5100, atMs: 200 } });
});

test("each kind has its words", () => {
  const say = (kind: ClockJump["kind"]) => describeJump("guard", { kind, byMs: 2500, atMs: 0 });
  expect(say("stall")).toStartWith("the guard stood still for 2.5 s");
  expect(say("forward")).toContain("went ahead by 2.5 s");
  expect(say("backward")).toContain("went back by 2.5 s");
});
