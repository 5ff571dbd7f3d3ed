import { expect, test } from "bun:test";
import { seededRandom } from "../core/seeded_random.ts";
import { inlineBackend } from "./inline_backend.ts";
import { openLog, readLogFiles } from "./open_wal.ts";
import { recover } from "./recover.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { StorageError } from "./storage_error.ts";
import {
  allowedAfter,
  batch,
  type Chapter,
  entry,
  histories,
  IDENTITY,
  type Life,
  live,
  openSim,
  snapshotAt,
  story,
  STORY_SEGMENT_BYTES,
} from "./testing.ts";
import { decodeSnapshotFile, encodeSnapshotFile } from "./snapshot_format.ts";
import { encodeUnsealed, readRaw, recordBytes, sealRecords, segmentName } from "./wal_format.ts";
import { WalStorage } from "./wal_storage.ts";
import type { Entry } from "../core/types.ts";
import type { StoredLog } from "../node/ports.ts";

const SEGMENT_BYTES = STORY_SEGMENT_BYTES;

function play(disk: MemoryDisk, chapters: readonly Chapter[]): Life {
  return live(openSim(disk, SEGMENT_BYTES), chapters);
}

const FAULTS = { crash: /crash/, EIO: /EIO/, ENOSPC: /ENOSPC|is full/, short: /short/ } as const;
type Fault = keyof typeof FAULTS;

/** Opens a disk, which may fail; null: it did. */
function openFailing(disk: MemoryDisk, fault: Fault, ballastBytes = 0): WalStorage | null {
  try {
    return openSim(disk, SEGMENT_BYTES, false, ballastBytes);
  } catch (error) {
    expect(String(error)).toMatch(FAULTS[fault]);
    return null;
  }
}

/** Plays a life on a disk that fails at an operation. */
function playFailing(fault: Fault, operation: number, ballastBytes = 0) {
  const disk = new MemoryDisk();
  disk.failAt = { operation, fault };
  const storage = openFailing(disk, fault, ballastBytes);
  const life: Life = storage
    ? live(storage, story())
    : { acknowledged: 0, handedIn: 0, failure: new Error("not opened") };
  return { disk, storage, life };
}

const reached = histories(story());
const SYNCED = story().findLastIndex(({ sync }) => sync) + 1;

/** Expects everything acknowledged, and beyond it only what was handed in after it. */
function check(found: StoredLog, life: Life): void {
  expect(allowedAfter(life, reached)).toContainEqual(found);
}

for (
  const [what, damage] of [
    ["a flipped bit", (disk) => disk.flip(segmentName(3), 8 * 300)],
    ["a file that was cut", (disk) => disk.truncate(segmentName(3), 300)],
  ] satisfies [string, (disk: MemoryDisk) => void][]
) {
  test(`the refusal of ${what} names the file, the byte and the way out`, () => {
    const disk = new MemoryDisk();
    play(disk, story());
    damage(disk);
    expect(() => openSim(disk, SEGMENT_BYTES, true)).toThrow(
      /00000003\.log, byte \d+: .*move the raft directory/s,
    );
  });
}

test("a sector of durable records that reads as zeros is refused, though a torn write looks like that", () => {
  const disk = new MemoryDisk();
  const storage = openSim(disk, 16 * 1024);
  for (let i = 1; i <= 3; i++) storage.append(batch({ entries: [entry(1, i, 1500)] }), () => {});
  const used = disk.read(segmentName(1)).findLastIndex((byte) => byte !== 0) + 1;
  const last = used - recordBytes(3 * 8 + 1500);
  for (let sector = 0; (sector + 1) * 512 <= last; sector++) {
    const broken = disk.copy();
    const file = broken.open(segmentName(1));
    file.write(new Uint8Array(512), sector * 512);
    file.datasync();
    expect(() => openSim(broken, 16 * 1024, true)).toThrow(StorageError);
  }
});

test("B33: a flipped bit of the last write is refused also where the payload has sectors of zeros", () => {
  const zeros = (index: number): Entry => ({ ...entry(1, index), data: new Uint8Array(1100) });
  for (const entries of [[zeros(2)], [entry(1, 2, 40), zeros(3)], [zeros(2), entry(1, 3, 40)]]) {
    const disk = new MemoryDisk();
    const storage = openSim(disk, 4096);
    storage.append(batch({ entries: [entry(1, 1, 100)] }), () => {});
    const before = disk.read(segmentName(1)).findLastIndex((byte) => byte !== 0) + 1;
    storage.append(batch({ entries }), () => {});
    const bytes = disk.read(segmentName(1));
    const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
    const files = new Map([[segmentName(1), bytes]]);
    const taken: number[] = [];
    for (let bit = before * 8; bit < used * 8; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      if (recover(files, IDENTITY, true).ok) taken.push(bit);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
    }
    expect(taken).toEqual([]);
  }
});

test("more damage than a bit of the last write is refused, too, where none of its sectors reads as zeros", () => {
  const disk = new MemoryDisk();
  const storage = openSim(disk, 4096);
  storage.append(batch({ entries: [entry(1, 1, 100)] }), () => {});
  const before = disk.read(segmentName(1)).findLastIndex((byte) => byte !== 0) + 1;
  storage.append(batch({ entries: [entry(1, 2, 1100)] }), () => {});
  const bytes = disk.read(segmentName(1));
  const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
  const problems = new Set<string>();
  // Behind the length: another one may say that the record's end was not written.
  for (let at = before + 4; at + 2 < used; at++) {
    const broken = bytes.slice();
    for (const byte of [at, at + 1]) broken[byte] = broken[byte]! ^ 0x42 || 0x24;
    const found = recover(new Map([[segmentName(1), broken]]), IDENTITY, true);
    problems.add(found.ok ? `taken for torn at byte ${at - before}` : found.damage.problem);
  }
  expect([...problems].filter((problem) => problem.startsWith("taken for torn"))).toEqual([]);
  expect(problems).toContain("a record fails its checksum");
});

test("the number of writes may pass 2^32: what was durable is told from what is torn as before", () => {
  const LAST = 0xffff_ffff;
  const header = {
    sequence: 1,
    ...IDENTITY,
    segmentBytes: 16 * 1024,
    firstIndex: 1,
    hardState: { term: 0, vote: 0, commit: 0 },
    snapshot: { index: 0, term: 0 },
  };
  const first = encodeUnsealed([{ kind: "segmentHeader", header }]);
  sealRecords(first, 0, LAST - 2, true);
  const disk = new MemoryDisk();
  const file = disk.create(segmentName(1));
  file.write(new Uint8Array(header.segmentBytes), 0);
  file.write(first, 0);
  file.datasync();
  disk.syncDirectory();
  const entries = Array.from({ length: 8 }, (_, i) => entry(1, i + 1, 700));
  const storage = openSim(disk, header.segmentBytes, true);
  for (const one of entries) storage.append(batch({ entries: [one] }), () => {});
  expect(openSim(disk.copy(), header.segmentBytes, true).load().entries).toEqual(entries);
  const bytes = disk.read(segmentName(1));
  const writes: number[] = [];
  for (let offset = 0;;) {
    const raw = readRaw(bytes, offset);
    if (raw === null) break;
    writes.push(raw.write);
    offset += raw.totalBytes;
  }
  expect(writes).toEqual([LAST - 2, LAST - 1, LAST, 0, 1, 2, 3, 4, 5]);
  // The damage is in a sector of the record before the wrap: all that follows is later.
  const broken = disk.copy();
  const other = broken.open(segmentName(1));
  other.write(new Uint8Array(512), 1024);
  other.datasync();
  expect(() => openSim(broken, header.segmentBytes, true)).toThrow("a record that was durable is damaged");
});

test("what a torn write left whole, and was built on since, is not cut as torn later", () => {
  const size = 16 * 1024;
  const disk = new MemoryDisk();
  const storage = openSim(disk, size);
  storage.append(batch({ entries: [entry(1, 1, 2000), entry(1, 2, 2000)] }), () => {});
  const used = disk.read(segmentName(1)).findLastIndex((byte) => byte !== 0) + 1;
  const torn = disk.copy();
  const file = torn.open(segmentName(1));
  // The second record of the write never reached the disk.
  const second = recordBytes(3 * 8 + 2000);
  file.write(new Uint8Array(second), used - second);
  file.datasync();
  const again = openSim(torn, size, true);
  expect(again.load().entries).toEqual([entry(1, 1, 2000)]);
  const acknowledged: (Error | null)[] = [];
  again.append(batch({ entries: [entry(1, 2, 100)] }), (error) => acknowledged.push(error));
  expect(acknowledged).toEqual([null]);
  // The first record was acknowledged with it: a lost sector of it shows.
  const rotten = torn.open(segmentName(1));
  rotten.write(new Uint8Array(512), 1024);
  rotten.datasync();
  expect(() => openSim(torn, size, true)).toThrow("a record that was durable is damaged");
});

test("a record that is gone from between others is refused", () => {
  const disk = new MemoryDisk();
  const hardState = (term: number) => batch({ hardState: { term, vote: 1, commit: 0 } });
  const storage = openSim(disk, SEGMENT_BYTES);
  for (let term = 1; term <= 3; term++) storage.append({ ...hardState(term), sync: false }, () => {});
  const bytes = disk.read(segmentName(1));
  const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
  const record = recordBytes(24);
  // All three records belong to one write that was not synced. The second is taken out, and the third moves
  // up.
  bytes.copyWithin(used - 2 * record, used - record, used);
  bytes.fill(0, used - record);
  const file = disk.open(segmentName(1));
  file.write(bytes, 0);
  file.datasync();
  expect(() => openSim(disk, SEGMENT_BYTES, true)).toThrow("the checksum chain is broken");
});

test("a log that was cut below what it knows to be committed is refused", () => {
  const disk = new MemoryDisk();
  const storage = openSim(disk, SEGMENT_BYTES);
  storage.append(batch({ entries: [entry(1, 1), entry(1, 2), entry(1, 3)] }), () => {});
  storage.append(batch({ hardState: { term: 1, vote: 1, commit: 3 } }), () => {});
  storage.append(batch({ entries: [entry(2, 2)] }), () => {});
  expect(() => openSim(disk, SEGMENT_BYTES, true)).toThrow(
    "entries 3 to 3, known to be committed, are missing",
  );
});

test("a log whose beginning is gone, and no snapshot stands for it, is refused", () => {
  const disk = new MemoryDisk();
  const storage = openSim(disk, SEGMENT_BYTES);
  for (let i = 1; i <= 20; i++) storage.append(batch({ entries: [entry(1, i, 200)] }), () => {});
  disk.remove(segmentName(1));
  expect(() => openSim(disk, SEGMENT_BYTES, true)).toThrow(/entries 1 to \d+ are missing/);
});

test("what was only in the page cache when the process ended is made durable before anything is built on it", () => {
  const disk = new MemoryDisk();
  const { stored, writer } = openLog(disk, IDENTITY, { segmentBytes: SEGMENT_BYTES });
  // The process ends between write and fdatasync.
  const unfinished = new WalStorage(stored, {
    identity: IDENTITY,
    backend: inlineBackend(writer, () => {}),
    now: () => 0,
  });
  unfinished.append(batch({ hardState: { term: 4, vote: 2, commit: 0 }, entries: [entry(4, 1)] }), () => {});
  const found = openSim(disk, SEGMENT_BYTES, true).load();
  expect(found.entries).toEqual([entry(4, 1)]);
  disk.crash(() => 0);
  expect(openSim(disk, SEGMENT_BYTES, true).load()).toEqual(found);
});

test("a snapshot file keeps voters and learners apart", () => {
  const snapshot = { ...snapshotAt(9, 2), configuration: { voters: [1, 2, 3], learners: [2 ** 48, 7] } };
  const bytes = encodeSnapshotFile(snapshot, 4711, 1);
  expect(decodeSnapshotFile(bytes)).toEqual({ snapshot, clusterId: 4711 });
});

test("a log of another cluster is refused", () => {
  const disk = new MemoryDisk();
  play(disk, story());
  const files = new Map(disk.list().map((name) => [name, disk.read(name)]));
  const result = recover(files, { clusterId: 1, nodeId: 1 }, true);
  expect(result).toMatchObject({ ok: false, damage: { problem: "the segment belongs to another cluster" } });
});

/** Number of operations of a life in which nothing fails. */
function operations(ballastBytes = 0): number {
  const { disk, life } = playFailing("crash", Infinity, ballastBytes);
  expect(life).toMatchObject({ acknowledged: SYNCED, failure: null });
  return disk.operations;
}

test("B32: a crash at every operation loses nothing that was acknowledged and never refuses", () => {
  const count = operations();
  for (let operation = 1; operation <= count; operation++) {
    for (let seed = 0; seed < 6; seed++) {
      const { disk, life } = playFailing("crash", operation);
      disk.crash(seededRandom(operation * 1000 + seed));
      check(openSim(disk, SEGMENT_BYTES).load(), life);
    }
  }
});

for (const fault of ["EIO", "ENOSPC", "short"] as const) {
  test(`B32: ${fault} at every operation: nothing is acknowledged that a crash could take back`, () => {
    for (const ballastBytes of [0, 2 * SEGMENT_BYTES]) {
      const count = operations(ballastBytes);
      for (let operation = 1; operation <= count; operation++) {
        const { disk, storage, life } = playFailing(fault, operation, ballastBytes);
        // A write that waits for room gets it now.
        storage?.shortOfSpace();
        if (life.failure === null) expect({ operation, ...life }).toMatchObject({ acknowledged: SYNCED });
        disk.crash(seededRandom(operation));
        check(openSim(disk, SEGMENT_BYTES).load(), life);
      }
    }
  });
}

for (const fault of Object.keys(FAULTS) as Fault[]) {
  test(`B32: ${fault} at every operation of opening and repairing what a crash has left`, () => {
    const count = operations();
    const repairs = { torn: 0, leftovers: 0 };
    for (let operation = 1; operation <= count; operation++) {
      for (let seed = 0; seed < 4; seed++) {
        const { disk, life } = playFailing("crash", operation);
        disk.crash(seededRandom(operation * 1000 + seed));
        const left = recover(readLogFiles(disk), IDENTITY, false);
        if (left.ok && left.log.cut) repairs.torn++;
        if (left.ok && left.log.leftovers.length > 1) repairs.leftovers++;
        const unhurt = disk.copy();
        openSim(unhurt, SEGMENT_BYTES);
        for (let at = 1; at <= unhurt.operations; at++) {
          const again = disk.copy();
          again.failAt = { operation: at, fault };
          openFailing(again, fault);
          again.crash(seededRandom(at));
          check(openSim(again, SEGMENT_BYTES).load(), life);
        }
      }
    }
    expect(Math.min(repairs.torn, repairs.leftovers)).toBeGreaterThan(10);
  });
}

test("B32: a crash at every operation of opening what a dead process left unsynced loses nothing acknowledged", () => {
  const chapters = story();
  let opened = 0;
  for (let last = 0; last < chapters.length; last++) {
    const count = openUnsynced(last, Infinity).disk.operations;
    for (let operation = 1; operation <= count; operation++) {
      for (let seed = 0; seed < 4; seed++) {
        const { disk, life, tried } = openUnsynced(last, operation);
        if (!tried) continue;
        opened++;
        disk.crash(seededRandom(last * 10_000 + operation * 10 + seed));
        check(openSim(disk, SEGMENT_BYTES).load(), life);
      }
    }
  }
  expect(opened).toBeGreaterThan(100);
});

/**
 * Ends a process between the write of this chapter and its fdatasync. The next process opens what it finds,
 * which may be only in the page cache, on a disk that crashes at an operation. `tried`: the crash did not
 * come before that.
 */
function openUnsynced(last: number, operation: number) {
  const chapters = story();
  const disk = new MemoryDisk();
  const { stored, writer } = openLog(disk, IDENTITY, { segmentBytes: SEGMENT_BYTES });
  let hung = false;
  const backend = inlineBackend(writer, (finish) => hung || finish());
  const storage = new WalStorage(stored, { identity: IDENTITY, backend, now: () => 0 });
  const { acknowledged } = live(storage, chapters.slice(0, last));
  hung = true;
  live(storage, chapters.slice(last, last + 1));
  const life: Life = { acknowledged, handedIn: last + 1, failure: null };
  const tried = disk.operations < operation;
  disk.failAt = tried ? { operation, fault: "crash" } : null;
  openFailing(disk, "crash");
  return { disk, life, tried };
}

test("a failure while a log is made ready is told: what is read from then on may not be on the disk", () => {
  const { disk } = playFailing("crash", 20);
  disk.crash(() => 0.5);
  const unhurt = disk.copy();
  openLog(unhurt, IDENTITY, { segmentBytes: SEGMENT_BYTES });
  expect(unhurt.operations).toBeGreaterThan(3);
  for (let at = 1; at <= unhurt.operations; at++) {
    const failing = disk.copy();
    failing.failAt = { operation: at, fault: "EIO" };
    let told = "";
    const onFailure = (error: Error) => told = error.message;
    expect(() => openLog(failing, IDENTITY, { segmentBytes: SEGMENT_BYTES, onFailure })).toThrow("EIO");
    expect(told).toMatch("EIO");
  }
});

test("a file that cannot be opened is as it was: that is no failure to remember", () => {
  const disk = new MemoryDisk();
  openLog(disk, IDENTITY, { segmentBytes: SEGMENT_BYTES });
  const refused = () => {
    throw Object.assign(new Error("EACCES: permission denied, open"), { code: "EACCES", syscall: "open" });
  };
  disk.create = refused;
  const onFailure = () => {
    throw new Error("told");
  };
  expect(() => openLog(disk, IDENTITY, { segmentBytes: SEGMENT_BYTES, onFailure })).toThrow("EACCES");
});

test("compaction deletes the segments that a snapshot covers, and the rest still opens", () => {
  const disk = new MemoryDisk();
  const storage = openSim(disk, SEGMENT_BYTES);
  for (let i = 1; i <= 60; i++) storage.append(batch({ entries: [entry(1, i, 200)] }), () => {});
  const segments = () => disk.list().filter((name) => name.endsWith(".log")).length;
  const before = segments();
  storage.append(batch({ snapshot: snapshotAt(50, 1) }), () => {});
  storage.compact(40);
  storage.append(batch({ entries: [entry(1, 61)] }), () => {});
  storage.append(batch({ snapshot: snapshotAt(55, 1) }), () => {});
  expect(segments()).toBeLessThan(before - 3);
  expect(disk.list().filter((name) => name.startsWith("snap-"))).toEqual(["snap-0000000000000055"]);
  const stored = openSim(disk, SEGMENT_BYTES).load();
  expect(stored.snapshot?.index).toBe(55);
  expect(stored.entries.map((e) => e.index)).toEqual([56, 57, 58, 59, 60, 61]);
});

test("nothing is deleted that no durable snapshot covers", () => {
  const disk = new MemoryDisk();
  const storage = openSim(disk, SEGMENT_BYTES);
  for (let i = 1; i <= 40; i++) storage.append(batch({ entries: [entry(1, i, 200)] }), () => {});
  storage.append(batch({ snapshot: snapshotAt(10, 1) }), () => {});
  storage.compact(35);
  storage.append(batch({ entries: [entry(1, 41)] }), () => {});
  const stored = openSim(disk, SEGMENT_BYTES, true).load();
  expect(stored.entries.map((e) => e.index)).toEqual(Array.from({ length: 31 }, (_, i) => 11 + i));
});

test("an entry larger than a segment is kept", () => {
  const disk = new MemoryDisk();
  const storage = openSim(disk, SEGMENT_BYTES);
  storage.append(batch({ entries: [entry(1, 1), entry(1, 2, 9000), entry(1, 3)] }), () => {});
  expect(openSim(disk, SEGMENT_BYTES).load().entries).toEqual([entry(1, 1), entry(1, 2, 9000), entry(1, 3)]);
});

test("reopening many times writes nothing and makes no new segments", () => {
  const disk = new MemoryDisk();
  play(disk, story());
  openSim(disk, SEGMENT_BYTES).close();
  const files = disk.list().sort();
  const used = disk.read(files.at(-2)!);
  for (let i = 0; i < 5; i++) openSim(disk, SEGMENT_BYTES).close();
  expect(disk.list().sort()).toEqual(files);
  expect(disk.read(files.at(-2)!)).toEqual(used);
});
