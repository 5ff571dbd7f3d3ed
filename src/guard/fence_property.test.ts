/** The fence against a judge that shares no code with it: what runs is told by the effects alone. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { fenceDueMs, type FenceEffect, type FenceInput, stepFence } from "./fence.ts";
import { type FenceState, newFence } from "./fence_state.ts";
import { readState, STATE_VERSION, UPGRADE_ROOM_MS, whyNotNow, writeState } from "./hand_over.ts";

const KILL_AFTER_MS = 3000;

class Judge {
  running = false;
  /** null: not writable. */
  writableUnder: number | null = null;
  frozenAtMs: number | null = null;
  shutdownAsked = false;
  closedUntilMs: number | null = null;
  /** SIGKILL was sent to all, and they have not been seen to be gone. */
  killing = false;
  armed: { epoch: number; deadlineMs: number; unfenced: boolean } | null = null;
  endedEpoch = 0;
  nowMs = 0;

  accepted(input: FenceInput): void {
    switch (input.kind) {
      case "arm": {
        expect(input.epoch).toBeGreaterThan(this.endedEpoch);
        if (this.armed !== null && this.armed.epoch !== input.epoch) this.endedEpoch = this.armed.epoch;
        this.armed = { ...input, deadlineMs: input.deadlineMs };
        return;
      }
      case "end":
        expect(this.running && this.writableUnder !== null && this.writableUnder <= input.epoch).toBe(false);
        this.endedEpoch = Math.max(this.endedEpoch, input.epoch);
        return;
      case "found":
        expect(this.running).toBe(false);
        this.running = true;
        this.shutdownAsked = false;
        this.closedUntilMs = null;
        this.writableUnder = this.isInForce() ? this.armed!.epoch : null;
        return;
      case "started":
        expect(this.running).toBe(false);
        this.running = true;
        this.shutdownAsked = false;
        this.closedUntilMs = null;
        this.writableUnder = input.epoch;
        return;
      case "adopt":
      case "promote":
        if (this.closedUntilMs === null) this.writableUnder = input.epoch;
        return;
      case "signal":
        if (input.signal !== "reload") this.shutdownAsked = true;
        return;
      case "start":
        expect(this.killing).toBe(false);
        return;
      case "doomed":
        expect(this.killing).toBe(true);
        return;
      case "close":
        expect(this.running && this.shutdownAsked && this.frozenAtMs === null).toBe(true);
        this.writableUnder = null;
        this.closedUntilMs = Math.min(this.closedUntilMs ?? Infinity, this.nowMs + input.leftoversMs);
        return;
    }
  }

  effect(effect: FenceEffect, nowMs: number): void {
    if (effect.kind === "freeze") this.frozenAtMs ??= nowMs;
    if (effect.kind === "kill") this.killing = true;
    if (effect.kind === "kill") [this.running, this.writableUnder, this.frozenAtMs] = [false, null, null];
    if (effect.kind === "thaw" && this.writableUnder === null) this.frozenAtMs = null;
    else if (effect.kind === "thaw") {
      expect(this.armed?.epoch).toBe(this.writableUnder ?? -1);
      expect(this.armed?.unfenced === true || (this.armed?.deadlineMs ?? 0) >= nowMs + 450).toBe(true);
      this.frozenAtMs = null;
    }
  }

  isInForce(): boolean {
    if (this.armed === null || this.armed.epoch <= this.endedEpoch) return false;
    return this.armed.unfenced || this.armed.deadlineMs > this.nowMs;
  }

  check(state: FenceState, nowMs: number): void {
    if (this.running && this.closedUntilMs !== null) {
      expect(nowMs).toBeLessThan(this.closedUntilMs);
      expect(fenceDueMs(state, nowMs)).toBe(this.closedUntilMs);
    }
    if (!this.running || this.writableUnder === null) return;
    const dueMs = fenceDueMs(state, nowMs);
    expect(this.writableUnder).toBeGreaterThan(this.endedEpoch);
    expect(this.armed?.epoch).toBe(this.writableUnder);
    if (this.frozenAtMs !== null) {
      expect(nowMs - this.frozenAtMs).toBeLessThan(KILL_AFTER_MS);
      expect(dueMs ?? Infinity).toBeLessThanOrEqual(this.frozenAtMs + KILL_AFTER_MS);
    } else if (this.armed?.unfenced !== true) {
      expect(this.armed?.deadlineMs).toBeGreaterThan(nowMs);
      expect(dueMs).toBe(this.armed?.deadlineMs ?? -1);
    }
  }
}

const epoch = fc.integer({ min: 1, max: 4 });
const epochOrNull = fc.option(epoch, { nil: null });
const rarely = fc.integer({ min: 0, max: 9 }).map((n) => n === 0);

function kind<K extends string>(name: K): fc.Arbitrary<K> {
  return fc.constant(name);
}

const input: fc.Arbitrary<FenceInput> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: kind("arm"),
      epoch,
      deadlineMs: fc.integer({ min: 0, max: 30_000 }),
      unfenced: rarely,
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: kind("start"), epoch: epochOrNull }) },
  { weight: 3, arbitrary: fc.record({ kind: kind("promote"), epoch }) },
  { weight: 6, arbitrary: fc.record({ kind: kind("tick") }) },
  fc.record({ kind: kind("end"), epoch }),
  fc.record({ kind: kind("adopt"), epoch: epochOrNull }),
  fc.record({
    kind: kind("signal"),
    signal: fc.constantFrom("reload" as const, "fast" as const, "immediate" as const),
  }),
  fc.record({
    kind: fc.constantFrom(
      "kill" as const,
      "exited" as const,
      "orphans" as const,
      "doomed" as const,
      "gone" as const,
    ),
  }),
  fc.record({ kind: kind("found"), pid: fc.constant(8) }),
  {
    weight: 3,
    arbitrary: fc.record({
      kind: kind("close"),
      pid: fc.constantFrom(8, 9),
      leftoversMs: fc.integer({ min: 1, max: 5000 }),
    }),
  },
);

function handedOver(fence: FenceState): FenceState {
  const guard = { fence, process: null, lastExit: null };
  const rest = {
    release: "1",
    token: "",
    dataDir: "",
    controllerPid: 0,
    oomScoreAdj: "0",
    lockFd: 3,
    atMs: 0,
  };
  return readState(writeState({ version: STATE_VERSION, guard, ...rest })).guard.fence;
}

test("no sequence of inputs lets a writable postmaster run past its deadline or under an ended epoch", () => {
  // How long the guard takes to become another program before the input; null: it does not.
  const upgrade = fc.option(fc.integer({ min: 0, max: UPGRADE_ROOM_MS - 1 }), { nil: null, freq: 5 });
  const sequence = fc.array(fc.tuple(fc.integer({ min: 0, max: 2000 }), input, upgrade), {
    maxLength: 60,
    size: "max",
  });
  fc.assert(
    fc.property(sequence, (timed) => {
      const judge = new Judge();
      let state = newFence(KILL_AFTER_MS);
      let nowMs = 0;
      const feed = (next: FenceInput) => {
        judge.nowMs = nowMs;
        const step = stepFence(state, next, nowMs);
        state = step.state;
        if (next.kind === "gone") {
          [judge.running, judge.writableUnder, judge.frozenAtMs] = [false, null, null];
          judge.killing = false;
        }
        if (step.reply.ok) judge.accepted(next);
        for (const effect of step.effects) judge.effect(effect, nowMs);
        judge.check(state, nowMs);
        return step.reply.ok;
      };
      for (const [waitMs, next, upgradeMs] of timed) {
        nowMs += waitMs;
        if (upgradeMs !== null && whyNotNow(state, nowMs) === null) {
          state = handedOver(state);
          nowMs += upgradeMs;
          // What the new program does first; no deadline has passed meanwhile.
          judge.check(state, nowMs);
          feed({ kind: "tick" });
        }
        const accepted = feed(next);
        if (accepted && next.kind === "start") feed({ kind: "started", pid: 9, epoch: next.epoch });
      }
    }),
    { numRuns: 1500 },
  );
});
