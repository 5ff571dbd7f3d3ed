import { expect, test } from "bun:test";
import { JobSlot } from "./job_slot.ts";
import { snapshotAt } from "./testing.ts";
import type { WriteJob } from "./wal_writer.ts";

function job(parts: Partial<WriteJob>): WriteJob {
  return { snapshots: [], records: new Uint8Array([1, 2, 3]), sync: true, compactTo: 0, ...parts };
}

/** Both ends of a slot. */
function ends(): [JobSlot, JobSlot] {
  const slot = new JobSlot();
  return [slot, new JobSlot(slot.memory)];
}

test("a job comes out as it was put in, and once", () => {
  const [mine, theirs] = ends();
  const jobs = [
    job({}),
    job({ sync: false }),
    job({ compactTo: 2 ** 40 + 1 }),
    job({ records: new Uint8Array(64 * 1024).fill(7) }),
    job({ records: new Uint8Array([9]) }),
  ];
  for (const one of jobs) {
    expect(mine.put(one)).toBe(true);
    expect(theirs.take(0)).toEqual(one);
  }
  mine.announceMessage();
  expect(theirs.take(0)).toBeNull();
});

test("what came out is not touched by the next job", () => {
  const [mine, theirs] = ends();
  mine.put(job({ records: new Uint8Array([1, 1]) }));
  const first = theirs.take(0)!;
  mine.put(job({ records: new Uint8Array([2, 2]) }));
  expect(first.records).toEqual(new Uint8Array([1, 1]));
});

test("what does not fit has to go as a message", () => {
  const [mine, theirs] = ends();
  const { index } = snapshotAt(3, 1);
  expect(mine.put(job({ records: new Uint8Array(64 * 1024 + 1) }))).toBe(false);
  expect(mine.put(job({ records: new Uint8Array(0) }))).toBe(false);
  expect(mine.put(job({ snapshots: [{ index, file: new Uint8Array(8) }] }))).toBe(false);
  mine.announceMessage();
  expect(theirs.take(0)).toBeNull();
});

test("a job is not overwritten before it is taken", () => {
  const [mine, theirs] = ends();
  mine.put(job({ records: new Uint8Array([1]) }));
  expect(() => mine.put(job({ records: new Uint8Array([2]) }))).toThrow("not taken");
  expect(theirs.take(0)).toEqual(job({ records: new Uint8Array([1]) }));
});

test("messages are looked at when they were announced, and not again", () => {
  const [mine, theirs] = ends();
  mine.announceMessage();
  mine.announceMessage();
  expect(theirs.take(0)).toBeNull();
  expect(theirs.take(1)).toBeNull();
  mine.put(job({}));
  expect(theirs.take(2)).toEqual(job({}));
});
