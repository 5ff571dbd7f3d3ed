import { afterEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { directoryIdentity } from "./identity.ts";
import { openWal, type OpenWalOptions } from "./open_wal.ts";
import { StorageError, type StorageErrorCode } from "./storage_error.ts";
import { batch, entry, IDENTITY, snapshotAt } from "./testing.ts";
import type { WalStorage } from "./wal_storage.ts";
import type { LogBatch } from "../node/ports.ts";

const OPTIONS: OpenWalOptions = { now: () => performance.now(), segmentBytes: 64 * 1024 };
const directories: string[] = [];

function temporaryDirectory(): string {
  const directory = fs.mkdtempSync(join(tmpdir(), "raft-log-"));
  directories.push(directory);
  return directory;
}

afterEach(() => {
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true, force: true });
});

function append(storage: WalStorage, one: LogBatch): Promise<void> {
  return new Promise((resolve, reject) => storage.append(one, (error) => error ? reject(error) : resolve()));
}

function close(storage: WalStorage): Promise<void> {
  return new Promise((resolve) => storage.close(resolve));
}

function codeOf(run: () => unknown): StorageErrorCode | null {
  try {
    run();
  } catch (error) {
    if (error instanceof StorageError) return error.code;
    throw error;
  }
  return null;
}

for (const inline of [false, true]) {
  const where = inline ? "this thread" : "the worker";

  test(`what ${where} wrote is found when the directory is opened again`, async () => {
    const directory = join(temporaryDirectory(), "new", "raft");
    const first = openWal(directory, IDENTITY, { ...OPTIONS, inline });
    expect(first.load().empty).toBe(true);
    await append(first, batch({ hardState: { term: 3, vote: 1, commit: 0 } }));
    const many = Array.from(
      { length: 200 },
      (_, i) => append(first, batch({ entries: [entry(3, i + 1, 500)] })),
    );
    await Promise.all(many);
    await append(first, batch({ snapshot: snapshotAt(150, 3) }));
    first.compact(100);
    await append(first, batch({ hardState: { term: 3, vote: 1, commit: 180 }, sync: false }));
    expect(first.oldestPendingMs()).toBe(0);
    await close(first);

    const second = openWal(directory, IDENTITY, { ...OPTIONS, inline });
    const stored = second.load();
    expect(stored.hardState).toEqual({ term: 3, vote: 1, commit: 180 });
    expect(stored.snapshot).toEqual(snapshotAt(150, 3));
    expect(stored.entries.length).toBe(50);
    expect(stored.entries.at(-1)).toEqual(entry(3, 200, 500));
    await close(second);
  });
}

test("the worker keeps the order of small writes, large ones and looks at the disk", async () => {
  const directory = temporaryDirectory();
  let nowMs = 0;
  const first = openWal(directory, IDENTITY, { ...OPTIONS, now: () => (nowMs += 10_000) });
  const entries = Array.from({ length: 300 }, (_, i) => entry(1, i + 1, i % 7 === 3 ? 100_000 : 10 + i));
  for (const one of entries) {
    const written = append(first, batch({ entries: [one] }));
    // Every call asks the worker, since this clock runs so fast.
    if (one.index % 5 === 0) first.shortOfSpace();
    if (one.index % 3 === 0) await written;
  }
  await append(first, batch({ snapshot: snapshotAt(10, 1, 200_000) }));
  await close(first);
  const second = openWal(directory, IDENTITY, OPTIONS);
  const stored = second.load();
  expect(stored.entries).toEqual(entries.slice(10));
  expect(stored.snapshot).toEqual(snapshotAt(10, 1, 200_000));
  await close(second);
});

test("a second process or opening of the same directory is refused with the holder's pid", async () => {
  const directory = temporaryDirectory();
  const first = openWal(directory, IDENTITY, OPTIONS);
  expect(() => openWal(directory, IDENTITY, OPTIONS)).toThrow(`process ${process.pid}`);
  expect(codeOf(() => openWal(directory, IDENTITY, OPTIONS))).toBe("locked");
  await close(first);
  await close(openWal(directory, IDENTITY, OPTIONS));
});

test("the directory of another cluster or member is refused", async () => {
  const directory = temporaryDirectory();
  await close(openWal(directory, IDENTITY, OPTIONS));
  expect(() => openWal(directory, { ...IDENTITY, clusterId: 1 }, OPTIONS)).toThrow(
    /another cluster.*point raft\.data_dir elsewhere/s,
  );
  expect(() => openWal(directory, { ...IDENTITY, nodeId: 2 }, OPTIONS)).toThrow("another member");
  await close(openWal(directory, IDENTITY, OPTIONS));
});

test("a directory tells whose it is", async () => {
  const directory = temporaryDirectory();
  expect(directoryIdentity(directory)).toBeNull();
  await close(openWal(directory, IDENTITY, OPTIONS));
  expect(directoryIdentity(directory)).toMatchObject(IDENTITY);
});

test("a directory whose log was deleted is refused, not taken for a new one", async () => {
  const directory = temporaryDirectory();
  await close(openWal(directory, IDENTITY, OPTIONS));
  for (const name of fs.readdirSync(join(directory, "wal"))) fs.unlinkSync(join(directory, "wal", name));
  expect(codeOf(() => openWal(directory, IDENTITY, OPTIONS))).toBe("damaged");
});

test("a torn tail is cut off with a warning", async () => {
  const directory = temporaryDirectory();
  const first = openWal(directory, IDENTITY, OPTIONS);
  await append(first, batch({ entries: [entry(1, 1)] }));
  await append(first, batch({ entries: [entry(1, 2, 3000)] }));
  await close(first);
  const path = join(directory, "wal", "00000001.log");
  const bytes = fs.readFileSync(path);
  const end = bytes.findLastIndex((byte) => byte !== 0);
  fs.writeFileSync(path, bytes.fill(0, end - 1000));
  const warnings: string[] = [];
  const second = openWal(directory, IDENTITY, { ...OPTIONS, onWarning: (text) => warnings.push(text) });
  expect(second.load().entries).toEqual([entry(1, 1)]);
  expect(warnings.length).toBe(1);
  await append(second, batch({ entries: [entry(2, 2)] }));
  await close(second);
  const third = openWal(directory, IDENTITY, OPTIONS);
  expect(third.load().entries).toEqual([entry(1, 1), entry(2, 2)]);
  await close(third);
});

test("after a failed write the directory is refused until the host is booted again", async () => {
  const directory = temporaryDirectory();
  const options = { ...OPTIONS, volatileDirectory: temporaryDirectory() };
  const storage = openWal(directory, IDENTITY, options);
  // The worker opens the segment by name after this thread has made it.
  fs.renameSync(join(directory, "wal"), join(directory, "gone"));
  const write = (index: number) =>
    append(storage, batch({ entries: [entry(1, index, 70_000)] })).then(() => null, String);
  const first = await write(1);
  // The worker may have opened the file already; the next segment cannot be made in any case.
  expect(first ?? await write(2)).toContain("cannot be written");
  await close(storage);
  fs.renameSync(join(directory, "gone"), join(directory, "wal"));
  expect(() => openWal(directory, IDENTITY, options)).toThrow("cannot be written");
  expect(codeOf(() => openWal(directory, IDENTITY, options))).toBe("poisoned");
  // The mark does not concern another directory in its place.
  fs.rmSync(directory, { recursive: true });
  await close(openWal(directory, IDENTITY, options));
});

test("one that cannot be made ready when it is opened is not opened again before the next boot either", async () => {
  const directory = temporaryDirectory();
  const options = { ...OPTIONS, volatileDirectory: temporaryDirectory() };
  const storage = openWal(directory, IDENTITY, options);
  await append(storage, batch({ entries: [entry(1, 1)] }));
  await close(storage);
  // The next segment is larger than any file may become for this process.
  const script = `const { openWal } = require(${JSON.stringify(require.resolve("./open_wal.ts"))});
    openWal(${JSON.stringify(directory)}, ${JSON.stringify(IDENTITY)}, {
      now: () => 0, inline: true, volatileDirectory: ${JSON.stringify(options.volatileDirectory)},
    });`;
  const limited = ["-c", 'ulimit -f 256; trap "" XFSZ; exec "$@"', "limited", process.execPath, "-e", script];
  const { exitCode, stderr } = Bun.spawnSync(["bash", ...limited], {
    env: { ...process.env, NO_COLOR: "1" },
  });
  expect(exitCode).not.toBe(0);
  expect(stderr.toString()).toContain("EFBIG");
  expect(codeOf(() => openWal(directory, IDENTITY, options))).toBe("poisoned");
});
