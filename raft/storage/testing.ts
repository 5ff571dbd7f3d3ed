/**
 * Tools of the storage tests: batches, a log on a simulated disk, and the story of a log with everything in
 * it.
 */
import { inlineBackend } from "./inline_backend.ts";
import { openLog } from "./open_wal.ts";
import type { MemoryDisk } from "./memory_disk.ts";
import { WalStorage } from "./wal_storage.ts";
import { encodeConfiguration } from "../core/configuration.ts";
import type { Entry, HardState, Index, NodeId, Snapshot } from "../core/types.ts";
import type { LogBatch, LogStorage, StoredLog } from "../node/ports.ts";

export const IDENTITY = { clusterId: 4711, nodeId: 1 };

/** Makes an entry of `size` bytes without zeros, so that a lost sector shows. */
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
export function openSim(
  disk: MemoryDisk,
  segmentBytes = 4096,
  logExpected = false,
  ballastBytes = 0,
): WalStorage {
  const { stored, writer } = openLog(disk, IDENTITY, { segmentBytes, logExpected, ballastBytes });
  return new WalStorage(stored, { identity: IDENTITY, backend: inlineBackend(writer), now: () => 0 });
}

/** Batch, and the index up to which entries may go once it is written. */
export interface Chapter extends LogBatch {
  readonly compactTo: Index;
}

export const STORY_SEGMENT_BYTES = 1024;
const SECOND: NodeId = 0x8bad_f00d_5eed;
const VOTERS = [1, 2, SECOND];

/**
 * Life of a log, in many segments: elections, entries of all kinds and sizes, conflicts, a snapshot taken,
 * one received in place of the log, another one taken, and a segment that begins with an unsynced write.
 * recorded_log.txt records it, so it must not change.
 */
export function story(): Chapter[] {
  const chapters: Chapter[] = [];
  const tell = (parts: Parameters<typeof batch>[0], compactTo = 0) =>
    void chapters.push({ ...batch(parts), compactTo });
  const config = (term: number, index: number, voters: NodeId[], learners: NodeId[]): Entry => ({
    ...entry(term, index),
    kind: "config",
    data: encodeConfiguration({ voters, learners }),
  });
  const snapshot = (index: number, term: number, learners: NodeId[]): Snapshot => ({
    ...snapshotAt(index, term),
    configuration: { voters: VOTERS, learners },
  });
  tell({ hardState: { term: 1, vote: 1, commit: 0 } });
  tell({ entries: [config(1, 1, VOTERS, [])] });
  tell({ entries: [entry(1, 2, 200), entry(1, 3, 0)] });
  tell({ hardState: { term: 1, vote: 1, commit: 2 }, sync: false });
  tell({ entries: [entry(1, 4, 300), entry(1, 5, 400)] });
  tell({ hardState: { term: 1, vote: 1, commit: 5 }, sync: false });
  tell({ snapshot: snapshot(4, 1, []) }, 4);
  tell({ entries: Array.from({ length: 9 }, (_, i) => entry(1, 6 + i, 60 + i)) });
  tell({ entries: [entry(2, 8, 100)], hardState: { term: 2, vote: SECOND, commit: 5 } });
  tell({ entries: [entry(2, 9, 7), entry(2, 10, 2 * STORY_SEGMENT_BYTES), entry(2, 11)] });
  tell({ hardState: { term: 4, vote: 0, commit: 6 } });
  tell({ snapshot: snapshot(14, 4, []), hardState: { term: 4, vote: 0, commit: 14 } });
  tell({ entries: [entry(4, 15), config(4, 16, VOTERS, [7]), entry(4, 17, 30)] });
  tell({ hardState: { term: 4, vote: 0, commit: 16 }, sync: false });
  tell({ entries: [entry(5, 17, 500)], hardState: { term: 5, vote: 2, commit: 16 } });
  tell({ snapshot: snapshot(16, 4, [7]) }, 6);
  tell({ entries: [entry(5, 18, 300), entry(5, 19, 0), entry(5, 20, 450)] });
  tell({ hardState: { term: 5, vote: 2, commit: 19 }, sync: false });
  return chapters;
}

/**
 * Result of a life: `handedIn` chapters came before any failure, `acknowledged` of them were called durable.
 */
export interface Life {
  acknowledged: number;
  handedIn: number;
  failure: Error | null;
}

/** Plays chapters on a log. The result goes on changing when a write has to wait. */
export function live(storage: LogStorage, chapters: readonly Chapter[]): Life {
  const life: Life = { acknowledged: 0, handedIn: 0, failure: null };
  for (const [i, one] of chapters.entries()) {
    if (!life.failure) life.handedIn = i + 1;
    storage.compact(one.compactTo);
    storage.append(one, (error) => {
      if (error) life.failure = error;
      else if (one.sync) life.acknowledged = i + 1;
    });
  }
  return life;
}

const NOTHING: StoredLog = {
  hardState: { term: 0, vote: 0, commit: 0 },
  snapshot: null,
  entries: [],
  empty: true,
};

/** Contents of the log after each record of each batch: the tests' own account. */
export function histories(batches: readonly LogBatch[]): StoredLog[][] {
  let state = NOTHING;
  return batches.map(({ snapshot, entries, hardState }) => {
    const reached: StoredLog[] = [];
    const reach = (next: Partial<StoredLog>) =>
      void reached.push(state = { ...state, ...next, empty: false });
    if (snapshot) {
      const { index, term } = snapshot;
      const own = state.entries.some((one) => one.index === index && one.term === term);
      reach({
        snapshot,
        entries: own ? state.entries.filter((one) => one.index > index) : [],
        hardState: { ...state.hardState, commit: Math.max(state.hardState.commit, index) },
      });
    }
    for (const one of entries) {
      const kept = state.entries.filter(({ index }) => index < one.index);
      if (kept.length < state.entries.length) reach({ entries: kept });
      reach({ entries: [...kept, one] });
    }
    if (hardState) reach({ hardState });
    return reached;
  });
}

/**
 * Allowed contents after a life: everything acknowledged, and beyond it only what was handed in after it, in
 * whole records and in order. An acknowledged entry may be missing only where a later batch had begun to
 * replace it.
 */
export function allowedAfter({ acknowledged, handedIn }: Life, reached: readonly StoredLog[][]): StoredLog[] {
  const durable = reached[acknowledged - 1]?.at(-1) ?? NOTHING;
  return [durable, ...reached.slice(acknowledged, handedIn).flat()];
}
