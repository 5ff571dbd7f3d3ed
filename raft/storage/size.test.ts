import { expect, test } from "bun:test";
import { DEFAULT_SEGMENT_BYTES } from "./open_wal.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { batch, entry, openSim, snapshotAt } from "./testing.ts";

/** Interval of snapshots, as a RaftNode has it by default. */
const SNAPSHOT_EVERY = 4096;
const KEPT = 1024;
const MOST_BYTES = 16 * 1024 * 1024;

test("log and snapshots stay below 16 MiB however many commands there are", () => {
  const disk = new MemoryDisk();
  const storage = openSim(disk, DEFAULT_SEGMENT_BYTES);
  const onDisk = () => disk.list().reduce((sum, name) => sum + disk.read(name).length, 0);
  let most = 0;
  let settled = 0;
  for (let from = 1; from <= 20 * SNAPSHOT_EVERY; from += 256) {
    const entries = Array.from({ length: 256 }, (_, i) => entry(1, from + i, 300));
    storage.append(batch({ entries }), () => {});
    const last = from + 255;
    if (last % SNAPSHOT_EVERY !== 0) continue;
    most = Math.max(most, onDisk());
    storage.append(batch({ snapshot: snapshotAt(last, 1, 256 * 1024) }), () => {});
    storage.compact(last - KEPT);
    most = Math.max(most, onDisk());
    if (last === 10 * SNAPSHOT_EVERY) settled = most;
  }
  expect(most).toBeLessThan(MOST_BYTES);
  // The size does not creep up either.
  expect(most - settled).toBeLessThanOrEqual(DEFAULT_SEGMENT_BYTES);
});
