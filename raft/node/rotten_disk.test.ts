/** A member whose log has rotted on its disk, in a cluster whose majority is sound. */
import { expect, test } from "bun:test";
import type { NodeId } from "../core/types.ts";
import { MemoryDisk } from "../storage/memory_disk.ts";
import { StorageError } from "../storage/storage_error.ts";
import { openSim } from "../storage/testing.ts";
import { TestCluster, type TestMember, text } from "./testing.ts";

const COMMANDS = ["a", "b".repeat(300), "c", "d", "e".repeat(60), "f"];
/** Number of bits to flip, one in each run: within the written part, and behind it. */
const FLIPS_WITHIN = 60;
const FLIPS_BEHIND = 6;

type Disks = ReadonlyMap<NodeId, MemoryDisk>;

/** Starts a member on a disk; null when its log is refused. */
function startOn(cluster: TestCluster, id: NodeId, disk: MemoryDisk, instance = 100 + id): TestMember | null {
  try {
    return cluster.start(id, false, undefined, { storage: openSim(disk), instance });
  } catch (error) {
    if (error instanceof StorageError && error.code === "damaged") return null;
    throw error;
  }
}

function write(cluster: TestCluster, command: string): void {
  let done = false;
  cluster.leader().node.propose(text(command), ({ kind }) => done = kind === "applied");
  cluster.until("written", () => done);
}

/** Disks of members 1 and 2 with all commands, and of 3, which was away since the second one. */
function written(): Disks {
  const cluster = new TestCluster(3);
  const disks = new Map(cluster.ids.map((id) => [id, new MemoryDisk()]));
  for (const [id, disk] of disks) startOn(cluster, id, disk);
  for (const [i, command] of COMMANDS.entries()) {
    if (i === 1 && cluster.leader().id === 3) {
      cluster.leader().node.transferLeadership(1, () => {});
      cluster.until("another leader", () => cluster.leader().id !== 3);
    }
    if (i === 2) cluster.isolate(3);
    write(cluster, command);
  }
  cluster.clock.advance(500);
  for (const id of cluster.ids) cluster.stop(id);
  return disks;
}

/**
 * Places of the bits to flip in the segment that holds everything; the next segment is made, and not begun.
 */
function flipsOf(disk: MemoryDisk): { readonly segment: string; readonly bits: number[] } {
  const segments = disk.list().filter((name) => name.endsWith(".log")).sort();
  const [bytes, ...others] = segments.map((name) => disk.read(name)) as [Uint8Array, ...Uint8Array[]];
  expect(others.every((other) => other.every((byte) => byte === 0))).toBe(true);
  const used = 8 * (bytes.findLastIndex((byte) => byte !== 0) + 1);
  const within = Array.from({ length: FLIPS_WITHIN }, (_, i) => Math.floor((i + 0.5) * used / FLIPS_WITHIN));
  const free = 8 * bytes.length - used;
  const behind = Array.from(
    { length: FLIPS_BEHIND },
    (_, i) => used + Math.floor((i + 0.5) * free / FLIPS_BEHIND),
  );
  return { segment: segments[0]!, bits: [...within, ...behind] };
}

test("B33: a flipped bit on one member changes nothing that the others have, or get from it", () => {
  const disks = written();
  let refused = 0;
  for (const rotten of [1, 2]) {
    const { segment, bits } = flipsOf(disks.get(rotten)!);
    for (const [run, bit] of bits.entries()) {
      const cluster = new TestCluster(3, {}, run);
      const disk = disks.get(rotten)!.copy();
      disk.flip(segment, bit);
      const damaged = startOn(cluster, rotten, disk);
      if (damaged === null) refused++;
      const behind = startOn(cluster, 3, disks.get(3)!.copy())!;
      // A member with no fault found leads: its log brings up the other one, and nothing may be missing.
      if (damaged !== null) expect(cluster.leader().id).toBe(rotten);
      const sound = startOn(cluster, 3 - rotten, disks.get(3 - rotten)!.copy())!;
      write(cluster, "after");
      cluster.clock.advance(500);
      const all = [...COMMANDS, "after"];
      const started = [behind, sound, ...(damaged === null ? [] : [damaged])];
      for (const { id, machine } of started) {
        expect({ bit, id, commands: machine.commands }).toEqual({ bit, id, commands: all });
      }
    }
  }
  expect(refused).toBeGreaterThan(FLIPS_WITHIN);
});

test("B33: a member whose log was refused and comes back empty neither votes nor lets the log be lost", () => {
  const disks = written();
  const cluster = new TestCluster(3);
  // 1 has rotted and was emptied. 2 has everything; 3 lacks what was written while it was away.
  const wiped = startOn(cluster, 1, new MemoryDisk(), 99)!;
  const third = startOn(cluster, 3, disks.get(3)!.copy())!;
  cluster.clock.advance(10_000);
  // 1 and 3 are a majority in number. Together they would have lost what 1 and 2 had acknowledged.
  expect(third.node.status().leader).toBeNull();
  expect(wiped.node.status()).toMatchObject({ lastIndex: 0, term: 0 });
  expect(wiped.node.status().notVoting).toContain("its raft directory is empty");
  startOn(cluster, 2, disks.get(2)!);
  write(cluster, "after");
  cluster.clock.advance(3000);
  expect(third.machine.commands).toEqual([...COMMANDS, "after"]);
  expect(wiped.node.status().notVoting).toContain("took part before");
  expect(wiped.machine.commands).toEqual([]);
});
