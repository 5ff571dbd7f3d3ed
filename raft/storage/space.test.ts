import { afterAll, expect, test } from "bun:test";
import { seededRandom } from "../core/seeded_random.ts";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../transport/testing.ts";
import type { LogBatch } from "../node/ports.ts";
import { inlineBackend } from "./inline_backend.ts";
import { JobSlot } from "./job_slot.ts";
import { openLog, openWal } from "./open_wal.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { BALLAST_NAME } from "./space.ts";
import { StorageError } from "./storage_error.ts";
import { batch, entry, IDENTITY, openSim, snapshotAt } from "./testing.ts";
import { WalStorage } from "./wal_storage.ts";
import type { FromWorker } from "./worker_protocol.ts";
import { workerLoop } from "./worker_loop.ts";

const SEGMENT_BYTES = 4096;
const BALLAST_BYTES = 4 * SEGMENT_BYTES;

/** Opens a log that keeps space back, on a clock moved by hand. */
function open(disk: MemoryDisk) {
  const clock = { nowMs: 0 };
  const failures: string[] = [];
  const { stored, writer } = openLog(disk, IDENTITY, {
    segmentBytes: SEGMENT_BYTES,
    ballastBytes: BALLAST_BYTES,
  });
  const backend = inlineBackend(writer);
  const storage = new WalStorage(stored, {
    identity: IDENTITY,
    backend,
    now: () => clock.nowMs,
    where: "/x",
    onFailure: (error) => failures.push(error.message),
  });
  const outcomes: (string | null)[] = [];
  const append = (one: LogBatch) => storage.append(one, (error) => outcomes.push(error?.message ?? null));
  /** Makes the storage look again, and returns its answer. */
  const shortage = () => {
    clock.nowMs += 5000;
    storage.shortOfSpace();
    return storage.shortOfSpace();
  };
  return { stored, storage, outcomes, failures, append, shortage };
}

const used = (disk: MemoryDisk) => disk.list().reduce((sum, name) => sum + disk.read(name).length, 0);

/** Appends one entry after another until one of them has to wait; returns how many were written. */
function fill({ append, outcomes }: ReturnType<typeof open>): number {
  for (let index = 1; outcomes.length === index - 1; index++) {
    if (index > 1000) throw new Error("the disk does not become full");
    append(batch({ entries: [entry(1, index, 200)] }));
  }
  return outcomes.length;
}

test("space is kept back, and with it a full disk is told before anything has to wait", () => {
  const disk = new MemoryDisk();
  const log = open(disk);
  expect(disk.read(BALLAST_NAME).length).toBe(BALLAST_BYTES);
  expect(log.shortage()).toBeNull();
  disk.capacityBytes = used(disk);
  let index = 0;
  while (disk.list().includes(BALLAST_NAME)) log.append(batch({ entries: [entry(1, ++index, 200)] }));
  expect(log.shortage()).toMatch(/the disk of the raft log in \/x is full: .*Make room/);
  expect(log.outcomes).toEqual(Array(index).fill(null));
  // The space was kept back for this: a snapshot, after which the entries it covers can go.
  log.append(batch({ snapshot: snapshotAt(index, 1, 1000) }));
  log.storage.compact(index);
  log.append(batch({ entries: [entry(1, index + 1)] }));
  expect(log.outcomes).toEqual(Array(index + 2).fill(null));
});

test("a disk that fails while room is looked for ends the log, though nobody writes, and is short of space no more", () => {
  const disk = new MemoryDisk();
  const log = open(disk);
  disk.capacityBytes = used(disk);
  while (disk.list().includes(BALLAST_NAME)) {
    log.append(batch({ entries: [entry(1, log.outcomes.length + 1, 200)] }));
  }
  expect(log.shortage()).toContain("is full");
  // There is room again, but making the ballast fails.
  disk.capacityBytes = Infinity;
  disk.failAt = { operation: disk.operations + 1, fault: "EIO" };
  expect(log.failures).toEqual([]);
  expect(log.shortage()).toBeNull();
  expect(log.failures).toEqual(["EIO: simulated EIO"]);
  log.append(batch({ entries: [entry(1, log.outcomes.length + 1)] }));
  expect(log.outcomes.at(-1)).toBe("EIO: simulated EIO");
});

test("too little free space is told while the ballast is still there, and its end not at the first byte", () => {
  const disk = new MemoryDisk();
  const log = open(disk);
  disk.capacityBytes = used(disk) + BALLAST_BYTES - 1;
  expect(log.shortage()).not.toBeNull();
  expect(disk.list()).toContain(BALLAST_NAME);
  disk.capacityBytes = used(disk) + BALLAST_BYTES + 1;
  expect(log.shortage()).not.toBeNull();
  disk.capacityBytes = used(disk) + 2 * BALLAST_BYTES;
  expect(log.shortage()).toBeNull();
});

test("B32: a write without room waits, and goes on when there is some; nothing is acknowledged meanwhile", () => {
  const disk = new MemoryDisk();
  const log = open(disk);
  disk.capacityBytes = used(disk);
  const written = fill(log);
  log.append(batch({ entries: [entry(1, written + 2, 200)], hardState: { term: 2, vote: 1, commit: 0 } }));
  expect(log.shortage()).toContain("a write waits");
  expect(log.outcomes.length).toBe(written);
  disk.capacityBytes = Infinity;
  expect(log.shortage()).toBeNull();
  expect(log.outcomes).toEqual(Array(written + 2).fill(null));
  expect(disk.read(BALLAST_NAME).length).toBe(BALLAST_BYTES);
  log.storage.close();
  const { entries, hardState } = openSim(disk, SEGMENT_BYTES, true).load();
  expect(entries).toEqual(Array.from({ length: written + 2 }, (_, i) => entry(1, i + 1, 200)));
  expect(hardState.term).toBe(2);
});

test("B32: what was acknowledged before the disk was full is there after a crash, and the log opens", () => {
  const disk = new MemoryDisk();
  const log = open(disk);
  disk.capacityBytes = used(disk);
  const written = fill(log);
  log.storage.close();
  disk.crash(seededRandom(1));
  const again = open(disk);
  expect(again.stored.entries.length).toBe(written);
  expect(again.shortage()).not.toBeNull();
});

test("an entry larger than a segment waits for room as well, and is written whole", () => {
  const disk = new MemoryDisk();
  const log = open(disk);
  disk.capacityBytes = used(disk);
  log.append(batch({ entries: [entry(1, 1), entry(1, 2, 3 * BALLAST_BYTES), entry(1, 3)] }));
  expect(log.shortage()).toContain("a write waits");
  expect(log.outcomes).toEqual([]);
  disk.capacityBytes = Infinity;
  expect(log.shortage()).toBeNull();
  log.storage.close();
  const { entries } = openSim(disk, SEGMENT_BYTES, true).load();
  expect(entries).toEqual([entry(1, 1), entry(1, 2, 3 * BALLAST_BYTES), entry(1, 3)]);
});

test("a snapshot without room waits, and leaves nothing half written", () => {
  const disk = new MemoryDisk();
  const log = open(disk);
  log.append(batch({ entries: [entry(1, 1)] }));
  disk.capacityBytes = used(disk);
  log.append(batch({ snapshot: snapshotAt(1, 1, 2 * BALLAST_BYTES) }));
  expect(log.outcomes).toEqual([null]);
  expect(disk.list().filter((name) => name.startsWith("snap-"))).toEqual([]);
  disk.capacityBytes = Infinity;
  log.shortage();
  expect(log.outcomes).toEqual([null, null]);
  log.storage.close();
  expect(openSim(disk, SEGMENT_BYTES, true).load().snapshot?.data.length).toBe(2 * BALLAST_BYTES);
});

test("no random history of writes and crashes on a disk that is full now and then loses anything", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seededRandom(seed);
    const disk = new MemoryDisk();
    let acknowledged = 0;
    for (let life = 1; life <= 4; life++) {
      disk.capacityBytes = Infinity;
      const log = open(disk);
      const found = log.stored.entries.map(({ index }) => index);
      expect(found.length).toBeGreaterThanOrEqual(acknowledged);
      expect(found).toEqual(found.map((_, i) => i + 1));
      acknowledged = found.length;
      for (let index = found.length + 1; index <= found.length + 60; index++) {
        if (random() < 0.2) disk.capacityBytes = used(disk) + Math.floor(random() * 2 * SEGMENT_BYTES);
        if (random() < 0.1) disk.capacityBytes = Infinity;
        log.storage.append(
          batch({ entries: [entry(life, index, Math.floor(random() ** 3 * 6000))] }),
          (error) => {
            expect(error).toBeNull();
            expect(index).toBe(++acknowledged);
          },
        );
        if (random() < 0.5) log.shortage();
      }
      log.storage.close();
      disk.crash(random);
    }
  }
});

test("a failed fdatasync is final, also when its reason is a full disk: what was written may be gone", () => {
  const disk = new MemoryDisk();
  const log = open(disk);
  disk.failAt = { operation: disk.operations + 2, fault: "ENOSPC" };
  log.append(batch({ entries: [entry(1, 1)] }));
  log.append(batch({ entries: [entry(1, 2)] }));
  log.shortage();
  expect(log.outcomes).toEqual(["ENOSPC: simulated ENOSPC", "ENOSPC: simulated ENOSPC"]);
});

test("a new log on a full disk is refused with the directory and the reason", () => {
  const disk = new MemoryDisk();
  disk.capacityBytes = 100;
  const opening = () => openLog(disk, IDENTITY, { where: "/var/lib/raft" });
  expect(opening).toThrow(StorageError);
  expect(opening).toThrow("the disk of the raft log in /var/lib/raft is full");
});

test("the worker answers for a write only when there was room for it", () => {
  const disk = new MemoryDisk();
  const { stored, writer } = openLog(disk, IDENTITY, { segmentBytes: SEGMENT_BYTES, ballastBytes: 0 });
  writer.close();
  const answers: FromWorker[] = [];
  const handle = workerLoop(() => disk, (message) => answers.push(message));
  handle({ kind: "start", directory: "", state: writer.state(), slot: new JobSlot().memory });
  disk.capacityBytes = used(disk);
  const storage = new WalStorage(stored, {
    identity: IDENTITY,
    backend: {
      submit: (job, done) => {
        handle({ kind: "job", job });
        if (answers.at(-1) === "done") done(null);
      },
      checkSpace: () => handle({ kind: "checkSpace" }),
      close: (closed) => closed(),
    },
    now: () => 0,
  });
  storage.append(batch({ entries: [entry(1, 1, 3 * SEGMENT_BYTES)] }), () => {});
  handle({ kind: "checkSpace" });
  expect(answers).toEqual([{ kind: "space", shortage: { freeBytes: 0, blocked: true } }]);
  disk.capacityBytes = Infinity;
  handle({ kind: "checkSpace" });
  expect(answers.slice(1)).toEqual(["done", { kind: "space", shortage: null }]);
  expect(openSim(disk, SEGMENT_BYTES, true).load().entries.length).toBe(1);
});

// --- a real disk ---

const mountPoint = fs.mkdtempSync(join(tmpdir(), "raft-small-disk-"));
const mounted = mount();

/** Mounts a filesystem of 24 MiB; false where this user may not mount one. */
function mount(): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", mountPoint], { stdio: "ignore" });
    return true;
  } catch (error) {
    process.stderr.write(`skipped: no small filesystem could be mounted (${String(error)})\n`);
    return false;
  }
}

afterAll(() => {
  if (mounted) execFileSync("umount", [mountPoint]);
  fs.rmSync(mountPoint, { recursive: true, force: true });
});

test.skipIf(!mounted)("a real small filesystem is filled up, and has room again", async () => {
  const directory = join(mountPoint, "raft");
  const now = () => performance.now();
  const storage = openWal(directory, IDENTITY, { now, volatileDirectory: mountPoint });
  storage.load();
  const other = join(mountPoint, "somebody_elses");
  let acknowledged = 0;
  let appended = 0;
  const append = () =>
    storage.append(batch({ entries: [entry(1, ++appended, 64 * 1024)] }), (error) => {
      if (error === null) acknowledged++;
    });
  const file = fs.openSync(other, "w");
  const fillUp = () => {
    try {
      for (;;) fs.writeSync(file, Buffer.alloc(64 * 1024, 1));
    } catch (error) {
      if ((error as { code?: unknown }).code !== "ENOSPC") throw error;
    }
  };
  try {
    fillUp();
    await until("the shortage is seen", () => storage.shortOfSpace() !== null, 15_000);
    // Others take the space that is given back, too: in the end a write has to wait.
    await until("a write waits", () => {
      if (appended - acknowledged === 0) append();
      fillUp();
      return storage.oldestPendingMs() > 1000;
    }, 30_000);
    expect(acknowledged).toBe(appended - 1);
    expect(storage.shortOfSpace()).toContain(directory);
    fs.ftruncateSync(file, 0);
    await until("the write is done", () => (storage.shortOfSpace(), acknowledged === appended), 15_000);
    await until("no shortage any more", () => storage.shortOfSpace() === null, 15_000);
    expect(fs.statSync(join(directory, "wal", BALLAST_NAME)).size).toBe(4 * 1024 * 1024);
  } finally {
    fs.closeSync(file);
    await new Promise<void>((resolve) => storage.close(resolve));
  }
  const again = openWal(directory, IDENTITY, { now, volatileDirectory: mountPoint, inline: true });
  expect(again.load().entries.length).toBe(acknowledged);
  again.close();
}, 90_000);
