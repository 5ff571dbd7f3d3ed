import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Inflights } from "./inflights.ts";
import { Progress } from "./progress.ts";

const MANY = 1e9;

function replicating(match: number, maxInflight = 4): Progress {
  const progress = new Progress(match + 1, maxInflight, MANY);
  progress.acknowledge(match);
  progress.becomeReplicate();
  return progress;
}

describe("Inflights", () => {
  test("an acknowledgement frees every message up to its index", () => {
    const window = new Inflights(3, MANY);
    for (const last of [4, 6, 9]) window.add(last, 1);
    expect(window.full).toBe(true);
    window.freeUpTo(3);
    expect(window.count).toBe(3);
    window.freeUpTo(6);
    expect(window.count).toBe(1);
    window.freeUpTo(100);
    expect(window.count).toBe(0);
  });

  test("it is full by messages or by bytes, and what exceeds the bytes is the last", () => {
    const window = new Inflights(9, 100);
    window.add(3, 60);
    expect(window.full).toBe(false);
    window.add(5, 400);
    expect(window.full).toBe(true);
    window.freeUpTo(3);
    expect(window.full).toBe(true);
    window.freeUpTo(5);
    expect(window.full).toBe(false);
    window.add(6, 100);
    window.reset();
    expect(window.full).toBe(false);
  });

  test("a full window takes no more", () => {
    const window = new Inflights(1, MANY);
    window.add(1, 1);
    expect(() => window.add(2, 1)).toThrow("full");
  });
});

describe("Progress", () => {
  test("a probe pauses until it is answered", () => {
    const progress = new Progress(5, 4, MANY);
    progress.sentEntries(1, 1);
    expect(progress.isPaused).toBe(true);
    expect(progress.next).toBe(5);
    progress.acknowledge(5);
    expect(progress.isPaused).toBe(false);
  });

  test("an empty probe does not pause", () => {
    const progress = new Progress(5, 4, MANY);
    progress.sentEntries(0, 1);
    expect(progress.isPaused).toBe(false);
  });

  test("while replicating, next runs ahead until the window is full", () => {
    const progress = replicating(1, 2);
    progress.sentEntries(3, 1);
    expect(progress.next).toBe(5);
    expect(progress.isPaused).toBe(false);
    progress.sentEntries(1, 1);
    expect(progress.next).toBe(6);
    expect(progress.isPaused).toBe(true);
  });

  test("an old acknowledgement is no news", () => {
    const progress = replicating(5);
    expect(progress.acknowledge(5)).toBe(false);
    expect(progress.acknowledge(4)).toBe(false);
    expect(progress.match).toBe(5);
  });

  test("while replicating, a rejection below the match is old and ignored", () => {
    const progress = replicating(5);
    progress.sentEntries(4, 1);
    expect(progress.reject(5, 3)).toBe(false);
    expect(progress.next).toBe(10);
    expect(progress.reject(9, 3)).toBe(true);
    expect(progress.next).toBe(6);
  });

  test("while probing, only the rejection of the probe that is out counts", () => {
    const progress = new Progress(10, 4, MANY);
    expect(progress.reject(7, 2)).toBe(false);
    expect(progress.reject(9, 4)).toBe(true);
    expect(progress.next).toBe(5);
    progress.sentEntries(1, 1);
    expect(progress.reject(4, 100)).toBe(true);
    expect(progress.next).toBe(4);
  });

  test("B13: a rejection with a hint below the match never moves next to the match", () => {
    const progress = new Progress(6, 4, MANY);
    progress.acknowledge(5);
    progress.becomeSnapshot(8);
    expect(progress.reject(8, 2)).toBe(true);
    expect(progress.next).toBe(6);
  });

  test("a member that rejects what it has acknowledged is not asked again before the next heartbeat", () => {
    const progress = new Progress(6, 4, MANY);
    progress.acknowledge(5);
    progress.sentEntries(1, 1);
    expect(progress.reject(5, 0)).toBe(false);
    expect(progress.isPaused).toBe(true);
  });

  test("after a snapshot arrived, probing goes on behind it; after a failure, at the match", () => {
    const arrived = replicating(3);
    arrived.becomeSnapshot(10);
    expect(arrived.isPaused).toBe(true);
    arrived.becomeProbe();
    expect(arrived.next).toBe(11);
    const failed = replicating(3);
    failed.becomeSnapshot(10);
    failed.snapshotFailed();
    expect(failed.next).toBe(4);
  });

  test("match stays below next, whatever happens in whatever order", () => {
    const index = fc.nat(30);
    const step = fc.oneof(
      fc.record({ act: fc.constantFrom("probe", "replicate", "failed"), a: index, b: index }),
      fc.record({ act: fc.constantFrom("snapshot", "send", "acknowledge", "reject"), a: index, b: index }),
    );
    fc.assert(fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
      const progress = new Progress(1, 3, MANY);
      for (const { act, a, b } of steps) {
        if (act === "probe") progress.becomeProbe();
        else if (act === "replicate") progress.becomeReplicate();
        else if (act === "failed") progress.snapshotFailed();
        else if (act === "snapshot") progress.becomeSnapshot(Math.max(a, progress.match + 1));
        else if (act === "send" && !progress.isPaused) {
          progress.sentEntries(progress.windowFull ? 0 : a % 4, 1);
        } else if (act === "acknowledge") progress.acknowledge(a);
        else if (act === "reject") progress.reject(a, b);
        expect(progress.match).toBeLessThan(progress.next);
      }
    }));
  });
});
