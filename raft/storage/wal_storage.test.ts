import { expect, test } from "bun:test";
import { inlineBackend } from "./inline_backend.ts";
import { MemoryStorage } from "./memory_storage.ts";
import { openLog } from "./open_wal.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { batch, entry, IDENTITY, openSim, snapshotAt } from "./testing.ts";
import { WalStorage } from "./wal_storage.ts";
import type { LogStorage } from "../node/ports.ts";

interface Subject {
  readonly name: string;
  readonly make: () => { open(): LogStorage };
}

const SUBJECTS: Subject[] = [
  {
    name: "log on disk",
    make: () => {
      const disk = new MemoryDisk();
      return { open: () => openSim(disk) };
    },
  },
  {
    name: "memory",
    make: () => {
      const storage = new MemoryStorage(() => 0);
      return { open: () => storage };
    },
  },
];

for (const { name, make } of SUBJECTS) {
  test(`${name}: a new log is empty`, () => {
    const stored = make().open().load();
    expect(stored).toEqual({
      hardState: { term: 0, vote: 0, commit: 0 },
      snapshot: null,
      entries: [],
      empty: true,
    });
  });

  test(`${name}: what was appended is found again`, () => {
    const subject = make();
    const storage = subject.open();
    storage.load();
    const outcomes: (Error | null)[] = [];
    storage.append(batch({ hardState: { term: 1, vote: 2, commit: 0 } }), (e) => outcomes.push(e));
    storage.append(batch({ entries: [entry(1, 1), entry(1, 2, 0)] }), (e) => outcomes.push(e));
    storage.append(
      batch({ hardState: { term: 1, vote: 2, commit: 1 }, sync: false }),
      (e) => outcomes.push(e),
    );
    storage.close();
    expect(outcomes).toEqual([null, null, null]);
    const stored = subject.open().load();
    expect(stored.hardState).toEqual({ term: 1, vote: 2, commit: 1 });
    expect(stored.entries).toEqual([entry(1, 1), entry(1, 2, 0)]);
    expect(stored.empty).toBe(false);
  });

  test(`${name}: a conflicting entry replaces what follows it`, () => {
    const subject = make();
    const storage = subject.open();
    storage.append(batch({ entries: [entry(1, 1), entry(1, 2), entry(1, 3)] }), () => {});
    storage.append(batch({ entries: [entry(2, 2)] }), () => {});
    storage.close();
    expect(subject.open().load().entries).toEqual([entry(1, 1), entry(2, 2)]);
  });

  test(`${name}: a snapshot of the own log keeps the entries behind it`, () => {
    const subject = make();
    const storage = subject.open();
    storage.append(batch({ entries: [entry(1, 1), entry(1, 2), entry(1, 3)] }), () => {});
    storage.append(batch({ snapshot: snapshotAt(2, 1) }), () => {});
    storage.close();
    const stored = subject.open().load();
    expect(stored.snapshot).toEqual(snapshotAt(2, 1));
    expect(stored.entries).toEqual([entry(1, 3)]);
  });

  test(`${name}: a received snapshot replaces a log that does not contain it`, () => {
    const subject = make();
    const storage = subject.open();
    storage.append(batch({ entries: [entry(1, 1), entry(1, 2), entry(1, 3)] }), () => {});
    storage.append(batch({ snapshot: snapshotAt(2, 5) }), () => {});
    storage.append(batch({ entries: [entry(5, 3)] }), () => {});
    storage.close();
    const stored = subject.open().load();
    expect(stored.snapshot).toEqual(snapshotAt(2, 5));
    expect(stored.entries).toEqual([entry(5, 3)]);
  });
}

/** Makes a log whose syncs wait until they are let go. */
function withManualSync(clock: { now: number }) {
  const disk = new MemoryDisk();
  const { stored, writer } = openLog(disk, IDENTITY, { segmentBytes: 4096 });
  const deferred: (() => void)[] = [];
  const backend = inlineBackend(writer, (run) => deferred.push(run));
  const jobs: boolean[] = [];
  const counted = {
    submit: (job: Parameters<typeof backend.submit>[0], done: (e: Error | null) => void) => {
      jobs.push(job.sync);
      backend.submit(job, done);
    },
    checkSpace: backend.checkSpace,
    close: backend.close,
  };
  const storage = new WalStorage(stored, { identity: IDENTITY, backend: counted, now: () => clock.now });
  return { storage, jobs, next: () => deferred.shift()?.() };
}

test("batches handed in during a write become one write", () => {
  const { storage, jobs, next } = withManualSync({ now: 0 });
  const done: number[] = [];
  for (let i = 1; i <= 5; i++) storage.append(batch({ entries: [entry(1, i)] }), () => done.push(i));
  next();
  expect(done).toEqual([1]);
  next();
  expect(done).toEqual([1, 2, 3, 4, 5]);
  expect(jobs.length).toBe(2);
});

test("a commit index alone is written without a sync, a vote is not", () => {
  const { storage, jobs, next } = withManualSync({ now: 0 });
  storage.append(batch({ hardState: { term: 1, vote: 1, commit: 0 } }), () => {});
  next();
  storage.append(batch({ hardState: { term: 1, vote: 1, commit: 7 } }), () => {});
  next();
  expect(jobs).toEqual([true, false]);
});

test("the age of the oldest write shows a disk that hangs", () => {
  const clock = { now: 1000 };
  const { storage, next } = withManualSync(clock);
  expect(storage.oldestPendingMs()).toBe(0);
  storage.append(batch({ entries: [entry(1, 1)] }), () => {});
  clock.now = 1800;
  storage.append(batch({ entries: [entry(1, 2)] }), () => {});
  expect(storage.oldestPendingMs()).toBe(800);
  next();
  clock.now = 1900;
  expect(storage.oldestPendingMs()).toBe(100);
  next();
  expect(storage.oldestPendingMs()).toBe(0);
});

test("an error ends the storage: what waits and what comes later fails with it", () => {
  const disk = new MemoryDisk();
  const storage = openSim(disk);
  disk.failAt = { operation: disk.operations + 2, fault: "EIO" };
  const outcomes: (string | undefined)[] = [];
  storage.append(batch({ entries: [entry(1, 1)] }), (e) => outcomes.push(e?.message));
  const before = disk.operations;
  storage.append(batch({ entries: [entry(1, 2)] }), (e) => outcomes.push(e?.message));
  expect(outcomes).toEqual(["EIO: simulated EIO", "EIO: simulated EIO"]);
  expect(disk.operations).toBe(before);
});

test("an error is final, though the next write would succeed", () => {
  const submitted: ((error: Error | null) => void)[] = [];
  const { stored } = openLog(new MemoryDisk(), IDENTITY);
  const backend = {
    submit: (_: unknown, done: (e: Error | null) => void) => void submitted.push(done),
    checkSpace: () => {},
    close: () => {},
  };
  const storage = new WalStorage(stored, { identity: IDENTITY, backend, now: () => 0 });
  const outcomes: (string | undefined)[] = [];
  for (const index of [1, 2]) {
    storage.append(batch({ entries: [entry(1, index)] }), (error) => outcomes.push(error?.message));
  }
  submitted[0]!(new Error("EIO"));
  storage.append(batch({ entries: [entry(1, 3)] }), (error) => outcomes.push(error?.message));
  expect(outcomes).toEqual(["EIO", "EIO", "EIO"]);
  expect(submitted.length).toBe(1);
});

test("a write that ends after close is not told to anybody", () => {
  let finish: (error: Error | null) => void = () => {};
  const { stored } = openLog(new MemoryDisk(), IDENTITY);
  const backend = {
    submit: (_: unknown, done: (e: Error | null) => void) => void (finish = done),
    checkSpace: () => {},
    close: () => {},
  };
  const onFailure = () => outcomes.push("failure");
  const outcomes: unknown[] = [];
  const storage = new WalStorage(stored, { identity: IDENTITY, backend, now: () => 0, onFailure });
  storage.append(batch({ entries: [entry(1, 1)] }), (error) => outcomes.push(error));
  storage.close();
  finish(new Error("EIO"));
  expect(outcomes).toEqual([]);
});

test("nothing is called back after close", () => {
  const { storage, next } = withManualSync({ now: 0 });
  let called = false;
  storage.append(batch({ entries: [entry(1, 1)] }), () => {
    called = true;
  });
  storage.close();
  next();
  expect(called).toBe(false);
});

test("broken on purpose: acknowledged before the sync, and the vote forgotten", () => {
  const disk = new MemoryDisk();
  const open = (broken: "ack-before-fsync" | "vote-not-persisted") => {
    const { stored, writer } = openLog(disk, IDENTITY);
    const backend = inlineBackend(writer, () => {});
    return new WalStorage(stored, { identity: IDENTITY, backend, now: () => 0, broken });
  };
  let done = false;
  open("ack-before-fsync").append(batch({ entries: [entry(1, 1)] }), () => {
    done = true;
  });
  expect(done).toBe(true);
  open("vote-not-persisted").append(batch({ hardState: { term: 9, vote: 1, commit: 0 } }), () => {});
  expect(openSim(disk).load().hardState.term).toBe(0);
});
