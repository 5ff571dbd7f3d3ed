import { expect, test } from "bun:test";
import { inlineBackend } from "./inline_backend.ts";
import { openLog } from "./open_wal.ts";
import { recover } from "./recover.ts";
import { SimDisk } from "./sim_disk.ts";
import { StorageError } from "./storage_error.ts";
import { batch, entry, generator, IDENTITY, openSim, snapshotAt } from "./testing.ts";
import { decodeSnapshotFile, encodeSnapshotFile } from "./snapshot_format.ts";
import { recordBytes, segmentName } from "./wal_format.ts";
import { WalStorage } from "./wal_storage.ts";
import type { LogBatch, StoredLog } from "../node/ports.ts";

const SEGMENT_BYTES = 2048;

/** A short life of a log: elections, entries of several sizes, a conflict, a snapshot, several segments. */
function story(): LogBatch[] {
  const batches = [batch({ hardState: { term: 1, vote: 1, commit: 0 } })];
  for (let i = 1; i <= 9; i++) {
    batches.push(batch({ entries: [entry(1, i, 40 + 60 * i)] }));
    batches.push(batch({ hardState: { term: 1, vote: 1, commit: i - 1 }, sync: false }));
  }
  batches.push(batch({ hardState: { term: 2, vote: 3, commit: 8 }, entries: [entry(2, 9, 700)] }));
  batches.push(batch({ snapshot: snapshotAt(8, 1) }));
  batches.push(batch({ entries: [entry(2, 10), entry(2, 11, 900), entry(2, 12)] }));
  return batches;
}

/** What became of the first batches: `handedIn` of them came before any failure, `acknowledged` were called durable. */
interface Life {
  acknowledged: number;
  handedIn: number;
}

function play(disk: SimDisk, batches: readonly LogBatch[]): Life {
  return live(openSim(disk, SEGMENT_BYTES), batches);
}

function live(storage: WalStorage, batches: readonly LogBatch[]): Life {
  const life = { acknowledged: 0, handedIn: 0 };
  let failed = false;
  for (const [i, one] of batches.entries()) {
    if (!failed) life.handedIn = i + 1;
    storage.append(one, (error) => {
      if (error) failed = true;
      else if (one.sync) life.acknowledged = i + 1;
    });
  }
  return life;
}

/** A life on a disk that fails somewhere. Only the opening may throw, and then nothing was handed in. */
function playFailing(disk: SimDisk, batches: readonly LogBatch[], failure: RegExp): Life {
  let storage: WalStorage;
  try {
    storage = openSim(disk, SEGMENT_BYTES);
  } catch (error) {
    expect(String(error)).toMatch(failure);
    return { acknowledged: 0, handedIn: 0 };
  }
  return live(storage, batches);
}

const NOTHING: StoredLog = {
  hardState: { term: 0, vote: 0, commit: 0 },
  snapshot: null,
  entries: [],
  empty: true,
};

/** For each batch, what the log holds after each of its records: the test's own account. */
function histories(batches: readonly LogBatch[]): StoredLog[][] {
  let state = NOTHING;
  return batches.map(({ snapshot, entries, hardState }) => {
    const reached: StoredLog[] = [];
    const reach = (next: Partial<StoredLog>) =>
      void reached.push(state = { ...state, ...next, empty: false });
    // Of a log that goes beyond it, and as committed as that.
    if (snapshot) reach({ snapshot, entries: state.entries.filter(({ index }) => index > snapshot.index) });
    for (const one of entries) {
      const kept = state.entries.filter(({ index }) => index < one.index);
      if (kept.length < state.entries.length) reach({ entries: kept });
      reach({ entries: [...kept, one] });
    }
    if (hardState) reach({ hardState });
    return reached;
  });
}

function reopen(disk: SimDisk): StoredLog | null {
  try {
    return openSim(disk, SEGMENT_BYTES, true).load();
  } catch (error) {
    if (error instanceof StorageError && error.code === "damaged") return null;
    throw error;
  }
}

test("a log of several segments is found again as it was written", () => {
  const batches = story();
  const disk = new SimDisk();
  play(disk, batches);
  const stored = openSim(disk, SEGMENT_BYTES).load();
  expect(stored.hardState).toEqual({ term: 2, vote: 3, commit: 8 });
  expect(stored.snapshot).toEqual(snapshotAt(8, 1));
  expect(stored.entries).toEqual([entry(2, 9, 700), entry(2, 10), entry(2, 11, 900), entry(2, 12)]);
  expect(disk.list().filter((name) => name.endsWith(".log")).length).toBeGreaterThan(2);
});

test("every truncation of a segment is refused, as sizes are durable before records", () => {
  const batches = story();
  const disk = new SimDisk();
  play(disk, batches);
  const segments = disk.list().filter((name) => name.endsWith(".log")).sort();
  const begun = segments.slice(0, -1);
  for (const name of begun) {
    for (let bytes = 0; bytes < SEGMENT_BYTES; bytes++) {
      const broken = disk.copy();
      broken.truncate(name, bytes);
      const isLast = name === begun.at(-1);
      const found = reopen(broken);
      // The last segment cut to nothing looks as one that was never begun; its predecessors must then suffice.
      if (found && isLast && bytes === 0) expect(found.hardState.commit).toBe(8);
      else expect({ name, bytes, found }).toEqual({ name, bytes, found: null });
    }
  }
});

test("B33: every single flipped bit of a small log is refused or harmless", () => {
  const batches = [
    batch({ hardState: { term: 1, vote: 1, commit: 0 } }),
    batch({ entries: [entry(1, 1, 30)] }),
    batch({ entries: [entry(1, 2, 600), entry(1, 3, 5)] }),
    batch({ hardState: { term: 1, vote: 1, commit: 3 }, sync: false }),
    batch({ entries: [entry(1, 4, 10)] }),
  ];
  const disk = new SimDisk();
  play(disk, batches);
  const whole = openSim(disk.copy(), SEGMENT_BYTES).load();
  const used = disk.read(segmentName(1)).findLastIndex((byte) => byte !== 0) + 1;
  for (let bit = 0; bit < used * 8; bit++) {
    const broken = disk.copy();
    broken.flip(segmentName(1), bit);
    const found = reopen(broken);
    expect({ bit, found }).toEqual({ bit, found: null });
  }
  // Behind the last record: a stray bit is no record, and hides none.
  for (let bit = used * 8; bit < SEGMENT_BYTES * 8; bit += 7) {
    const broken = disk.copy();
    broken.flip(segmentName(1), bit);
    const found = reopen(broken);
    if (found) expect(found).toEqual(whole);
  }
});

test("a flipped bit in a snapshot file is refused, and so is a missing one", () => {
  const disk = new SimDisk();
  play(disk, story());
  const name = disk.list().find((file) => file.startsWith("snap-"))!;
  for (let bit = 0; bit < disk.read(name).length * 8; bit += 5) {
    const broken = disk.copy();
    broken.flip(name, bit);
    expect(reopen(broken)).toBeNull();
  }
  disk.remove(name);
  expect(reopen(disk)).toBeNull();
});

test("a missing segment is refused unless a snapshot covers it", () => {
  const disk = new SimDisk();
  play(disk, story().slice(0, -2));
  for (const sequence of [1, 2]) {
    const broken = disk.copy();
    broken.remove(segmentName(sequence));
    expect(reopen(broken)).toBeNull();
  }
});

test("the refusal names the file, the byte and the way out", () => {
  const disk = new SimDisk();
  play(disk, story());
  disk.flip(segmentName(1), 8 * 300);
  expect(() => openSim(disk, SEGMENT_BYTES, true)).toThrow(
    /00000001\.log, byte \d+: .*move the raft directory/s,
  );
});

test("a sector of durable records that reads as zeros is refused, though a torn write looks like that", () => {
  const disk = new SimDisk();
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

test("a record that is gone from between others is refused", () => {
  const disk = new SimDisk();
  const hardState = (term: number) => batch({ hardState: { term, vote: 1, commit: 0 } });
  const storage = openSim(disk, SEGMENT_BYTES);
  for (let term = 1; term <= 3; term++) storage.append({ ...hardState(term), sync: false }, () => {});
  const bytes = disk.read(segmentName(1));
  const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
  const record = recordBytes(24);
  // All three belong to one write that was not synced. The second one is taken out, and the third moves up.
  bytes.copyWithin(used - 2 * record, used - record, used);
  bytes.fill(0, used - record);
  const file = disk.open(segmentName(1));
  file.write(bytes, 0);
  file.datasync();
  expect(() => openSim(disk, SEGMENT_BYTES, true)).toThrow("the checksum chain is broken");
});

test("a log that was cut below what it knows to be committed is refused", () => {
  const disk = new SimDisk();
  const storage = openSim(disk, SEGMENT_BYTES);
  storage.append(batch({ entries: [entry(1, 1), entry(1, 2), entry(1, 3)] }), () => {});
  storage.append(batch({ hardState: { term: 1, vote: 1, commit: 3 } }), () => {});
  storage.append(batch({ entries: [entry(2, 2)] }), () => {});
  expect(() => openSim(disk, SEGMENT_BYTES, true)).toThrow(
    "entries 3 to 3, known to be committed, are missing",
  );
});

test("what was only in the page cache when the process ended is made durable before anything is built on it", () => {
  const disk = new SimDisk();
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
  const disk = new SimDisk();
  play(disk, story());
  const files = new Map(disk.list().map((name) => [name, disk.read(name)]));
  const result = recover(files, { clusterId: 1, nodeId: 1 }, true);
  expect(result).toMatchObject({ ok: false, damage: { problem: "the segment belongs to another cluster" } });
});

/**
 * Everything acknowledged is there, and beyond it only what was handed in after it: whole records, in order. An
 * acknowledged entry may be missing only where a later batch had begun to replace it.
 */
function check(found: StoredLog, { acknowledged, handedIn }: Life, reached: readonly StoredLog[][]): void {
  const durable = reached[acknowledged - 1]?.at(-1) ?? NOTHING;
  expect([durable, ...reached.slice(acknowledged, handedIn).flat()]).toContainEqual(found);
}

test("B32: a crash at every operation loses nothing that was acknowledged and never refuses", () => {
  const batches = story();
  const reached = histories(batches);
  const whole = new SimDisk();
  expect(play(whole, batches).acknowledged).toBe(batches.length);
  for (let operation = 1; operation <= whole.operations; operation++) {
    for (let seed = 0; seed < 6; seed++) {
      const disk = new SimDisk();
      disk.failAt = { operation, fault: "crash" };
      const life = playFailing(disk, batches, /crash/);
      disk.crash(generator(operation * 1000 + seed));
      const again = disk.copy();
      check(openSim(disk, SEGMENT_BYTES).load(), life, reached);
      // The repair itself may crash, too.
      again.failAt = { operation: 1 + (seed % 4), fault: "crash" };
      try {
        openSim(again, SEGMENT_BYTES);
      } catch (error) {
        expect(String(error)).toContain("crash");
      }
      again.crash(generator(seed));
      check(openSim(again, SEGMENT_BYTES).load(), life, reached);
    }
  }
});

for (const fault of ["EIO", "ENOSPC", "short"] as const) {
  test(`${fault} at every operation: nothing is acknowledged that a crash could take back`, () => {
    const batches = story();
    const reached = histories(batches);
    const whole = new SimDisk();
    expect(play(whole, batches).acknowledged).toBe(batches.length);
    for (let operation = 1; operation <= whole.operations; operation++) {
      const disk = new SimDisk();
      disk.failAt = { operation, fault };
      const life = playFailing(disk, batches, fault === "ENOSPC" ? /ENOSPC|is full/ : new RegExp(fault));
      disk.crash(generator(operation));
      check(openSim(disk, SEGMENT_BYTES).load(), life, reached);
    }
  });
}

test("compaction deletes the segments that a snapshot covers, and the rest still opens", () => {
  const disk = new SimDisk();
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
  const disk = new SimDisk();
  const storage = openSim(disk, SEGMENT_BYTES);
  for (let i = 1; i <= 40; i++) storage.append(batch({ entries: [entry(1, i, 200)] }), () => {});
  storage.append(batch({ snapshot: snapshotAt(10, 1) }), () => {});
  storage.compact(35);
  storage.append(batch({ entries: [entry(1, 41)] }), () => {});
  const stored = openSim(disk, SEGMENT_BYTES, true).load();
  expect(stored.entries.map((e) => e.index)).toEqual(Array.from({ length: 31 }, (_, i) => 11 + i));
});

test("an entry larger than a segment is kept", () => {
  const disk = new SimDisk();
  const storage = openSim(disk, SEGMENT_BYTES);
  storage.append(batch({ entries: [entry(1, 1), entry(1, 2, 9000), entry(1, 3)] }), () => {});
  expect(openSim(disk, SEGMENT_BYTES).load().entries).toEqual([entry(1, 1), entry(1, 2, 9000), entry(1, 3)]);
});

test("reopening many times writes nothing and makes no new segments", () => {
  const disk = new SimDisk();
  play(disk, story());
  openSim(disk, SEGMENT_BYTES).close();
  const files = disk.list().sort();
  const used = disk.read(files.at(-2)!);
  for (let i = 0; i < 5; i++) openSim(disk, SEGMENT_BYTES).close();
  expect(disk.list().sort()).toEqual(files);
  expect(disk.read(files.at(-2)!)).toEqual(used);
});
