import { expect, test } from "bun:test";
import { JobSlot } from "./job_slot.ts";
import { openLog } from "./open_wal.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { batch, entry, IDENTITY, openSim } from "./testing.ts";
import { WalStorage } from "./wal_storage.ts";
import { workerLoop } from "./worker_loop.ts";
import type { FromWorker } from "./worker_protocol.ts";
import type { LogBatch } from "../node/ports.ts";

/** Makes a storage whose worker is called as a function. */
function withLoop(disk: MemoryDisk) {
  const { stored, writer } = openLog(disk, IDENTITY);
  writer.close();
  const answers: FromWorker[] = [];
  const handle = workerLoop(() => disk, (message) => answers.push(message));
  handle({ kind: "start", directory: "", state: writer.state(), slot: new JobSlot().memory });
  let written: ((error: Error | null) => void) | null = null;
  const storage = new WalStorage(stored, {
    identity: IDENTITY,
    backend: {
      submit: (job, done) => {
        written = done;
        handle({ kind: "job", job });
      },
      checkSpace: () => handle({ kind: "checkSpace" }),
      close: (closed) => closed(),
    },
    now: () => 0,
  });
  const append = (one: LogBatch) => {
    storage.append(one, () => {});
    written?.(null);
  };
  return { answers, append, handle };
}

test("what it has answered for is durable, without what asked for no sync", () => {
  const disk = new MemoryDisk();
  const { answers, append } = withLoop(disk);
  append(batch({ entries: [entry(1, 1)] }));
  append(batch({ hardState: { term: 1, vote: 1, commit: 1 }, sync: false }));
  expect(answers).toEqual(["done", "done"]);
  disk.crash(() => 0);
  const stored = openSim(disk).load();
  expect(stored.entries).toEqual([entry(1, 1)]);
  expect(stored.hardState.commit).toBe(0);
});

test("a failure is told once, and nothing is written after it", () => {
  const disk = new MemoryDisk();
  const { answers, append, handle } = withLoop(disk);
  disk.failAt = { operation: disk.operations + 2, fault: "EIO" };
  append(batch({ entries: [entry(1, 1)] }));
  const { operations } = disk;
  append(batch({ entries: [entry(1, 2)] }));
  handle({ kind: "close" });
  expect(answers).toEqual([
    { kind: "failed", message: "EIO: simulated EIO" },
    { kind: "closed" },
  ]);
  expect(disk.operations).toBe(operations);
});
