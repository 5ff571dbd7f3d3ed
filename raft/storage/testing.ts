/** What the storage tests share: batches, and a log on a simulated disk. */
import { inlineBackend } from "./inline_backend.ts";
import { openLog } from "./open_wal.ts";
import type { SimDisk } from "./sim_disk.ts";
import { WalStorage } from "./wal_storage.ts";
import type { Entry, HardState, Snapshot } from "../core/types.ts";
import type { LogBatch } from "../node/ports.ts";

export const IDENTITY = { clusterId: 4711, nodeId: 1 };

/** `size` bytes that are no zeros, so that a lost sector shows. */
export function entry(term: number, index: number, size = 20): Entry {
  return { term, index, kind: "normal", data: new Uint8Array(size).fill(1 + (index % 200)) };
}

export function snapshotAt(index: number, term: number, size = 100): Snapshot {
  const configuration = { voters: [1, 2, 3], learners: [] };
  return { index, term, configuration, data: new Uint8Array(size).fill(index) };
}

export function batch(
  parts: { entries?: Entry[]; hardState?: HardState; snapshot?: Snapshot; sync?: boolean },
): LogBatch {
  return {
    entries: parts.entries ?? [],
    hardState: parts.hardState ?? null,
    snapshot: parts.snapshot ?? null,
    sync: parts.sync ?? true,
  };
}

/** Opens a log on the simulated disk; everything completes before `append` returns. */
export function openSim(disk: SimDisk, segmentBytes = 4096, logExpected = false): WalStorage {
  const { stored, writer } = openLog(disk, IDENTITY, { segmentBytes, logExpected });
  return new WalStorage(stored, { identity: IDENTITY, backend: inlineBackend(writer), now: () => 0 });
}

/** mulberry32: a small generator for tests. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x100000000;
  };
}
