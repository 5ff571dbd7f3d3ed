/**
 * A recorded directory of the first format: members of earlier releases have this on their disks. A change
 * that breaks it breaks upgrading. It is never recorded anew: another format is another version, recorded
 * beside it with `RECORD_LOG=1 bun test raft/storage/recorded_log.test.ts`.
 */
import { afterAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { crc32c } from "./crc32c.ts";
import { putUint32, putUint53 } from "../core/integers.ts";
import { directoryIdentity, type DirectoryOrigin, identityFile, writeIdentity } from "./identity.ts";
import { openWal } from "./open_wal.ts";
import { recover } from "./recover.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { snapshotIndexOf } from "./snapshot_format.ts";
import { StorageError } from "./storage_error.ts";
import {
  batch,
  entry,
  histories,
  IDENTITY,
  live,
  openSim,
  snapshotAt,
  story,
  STORY_SEGMENT_BYTES,
} from "./testing.ts";
import { decodeRecord, readRaw, RECORD_HEADER_BYTES, RecordType, segmentSequence } from "./wal_format.ts";
import type { StoredLog } from "../node/ports.ts";

type Files = Map<string, Uint8Array>;

const RECORDED = join(import.meta.dir, "recorded_log.txt");
const INSTANCE = "00112233445566ff";
const ORIGIN: DirectoryOrigin = {
  cluster: "/db/main",
  addr: "10.0.0.1:7800",
  joined: false,
  members: [{ id: 1, name: "node1", addr: "10.0.0.1:7800" }, { id: 2, name: null, addr: "10.0.0.2:7800" }],
  founded: null,
};

const base = fs.mkdtempSync(join(tmpdir(), "raft-recorded-"));
afterAll(() => fs.rmSync(base, { recursive: true, force: true }));

/** Prints each file as `== name`, then its bytes in hex, `00*n` for repeated ones. */
function textOf(files: Files): string {
  const lines = ["# A raft directory of format 1: the story of testing.ts. See recorded_log.test.ts."];
  for (const [name, bytes] of [...files].sort()) {
    lines.push(`== ${name}`);
    const runs = Buffer.from(bytes).toString("hex").match(/(..)\1{15,}|(?:(?!(..)\2{15}).{2}){1,48}/g) ?? [];
    for (const run of runs) {
      const alike = run.length > 32 && run === run.slice(0, 2).repeat(run.length / 2);
      lines.push(alike ? `${run.slice(0, 2)}*${run.length / 2}` : run);
    }
  }
  return `${lines.join("\n")}\n`;
}

function filesIn(text: string): Files {
  const files: Files = new Map();
  for (const part of text.split(/^== /m).slice(1)) {
    const [name, ...runs] = part.trim().split("\n");
    const hex = runs.map((run) =>
      run.replace(/^(..)\*(\d+)$/, (_, byte, times) => byte.repeat(Number(times)))
    );
    files.set(name!, new Uint8Array(Buffer.from(hex.join(""), "hex")));
  }
  return files;
}

/** Contents of the disk after each batch of the story. */
function written(): Files[] {
  const disk = new MemoryDisk();
  const storage = openSim(disk, STORY_SEGMENT_BYTES);
  return story().map((one) => {
    live(storage, [one]);
    return new Map(disk.list().map((name) => [name, disk.read(name)]));
  });
}

function directoryOfToday(): Files {
  const directory = fs.mkdtempSync(join(base, "today-"));
  const { instance } = writeIdentity(directory, IDENTITY, ORIGIN);
  const identity = fs.readFileSync(identityFile(directory), "utf8").replace(instance, INSTANCE);
  const log = [...written().at(-1)!].map(([name, bytes]) => [`wal/${name}`, bytes] as const);
  return new Map([["identity.json", new TextEncoder().encode(identity)], ...log]);
}

if (process.env.RECORD_LOG === "1") fs.writeFileSync(RECORDED, textOf(directoryOfToday()), { flag: "wx" });
const recorded = filesIn(fs.readFileSync(RECORDED, "utf8"));

/** The log's files alone, by the names that recovery knows. */
const log: Files = new Map(
  [...recorded].flatMap(([name, bytes]) =>
    name.startsWith("wal/") ? [[name.slice("wal/".length), bytes.slice()]] : []
  ),
);

/** Writes the recorded directory to a real disk. */
function directory(change: (files: Files) => void = () => {}): string {
  const files: Files = new Map([...recorded].map(([name, bytes]) => [name, bytes.slice()]));
  change(files);
  const made = fs.mkdtempSync(join(base, "recorded-"));
  fs.mkdirSync(join(made, "wal"));
  for (const [name, bytes] of files) fs.writeFileSync(join(made, name), bytes);
  return made;
}

const open = (where: string) =>
  openWal(where, IDENTITY, {
    now: () => 0,
    segmentBytes: STORY_SEGMENT_BYTES,
    inline: true,
    ballastBytes: 0,
  });

const VOTERS = [1, 2, 0x8bad_f00d_5eed];
const CONTENTS: StoredLog = {
  hardState: { term: 5, vote: 2, commit: 19 },
  snapshot: { ...snapshotAt(16, 4), configuration: { voters: VOTERS, learners: [7] } },
  entries: [entry(5, 17, 500), entry(5, 18, 300), entry(5, 19, 0), entry(5, 20, 450)],
  empty: false,
};

function usedBytes(bytes: Uint8Array | undefined): number {
  return (bytes?.findLastIndex((byte) => byte !== 0) ?? -1) + 1;
}

test("the recorded log holds every kind of record, several segments and a snapshot", () => {
  const kinds = new Set<string>();
  for (const [name, bytes] of log) {
    if (segmentSequence(name) === null) continue;
    for (let offset = 0;;) {
      const raw = readRaw(bytes, offset);
      if (raw === null) break;
      const record = decodeRecord(raw.type, raw.payload)!;
      kinds.add(record.kind);
      if (record.kind === "entry") kinds.add(record.entry.kind);
      if (record.kind === "snapshotMark") kinds.add(record.reset ? "in place of the log" : "of the log");
      offset += raw.totalBytes;
    }
  }
  const all = [...Object.keys(RecordType), "normal", "config", "in place of the log", "of the log"];
  expect([...kinds].sort()).toEqual(all.sort());
  const segments = [...log.keys()].filter((name) => segmentSequence(name) !== null).sort();
  // The first segment is gone: the header of the second says where the log begins.
  expect(segments.length).toBeGreaterThan(5);
  expect(segments[0]).toBe("00000002.log");
  expect([...log.keys()].filter((name) => snapshotIndexOf(name) !== null).length).toBe(1);
});

test("a recorded directory is opened with all that it holds, and written to", () => {
  const where = directory();
  expect(directoryIdentity(where)).toEqual({ ...IDENTITY, ...ORIGIN, instance: INSTANCE, log: "wal" });
  const first = open(where);
  expect(first.instance).toBe(0x001122334455);
  expect(first.load()).toEqual(CONTENTS);
  const outcomes: (Error | null)[] = [];
  const added = Array.from({ length: 9 }, (_, i) => entry(6, 20 + i, 400));
  for (const one of added) first.append(batch({ entries: [one] }), (error) => outcomes.push(error));
  const hardState = { term: 6, vote: 1, commit: 22 };
  first.append(batch({ hardState, snapshot: snapshotAt(21, 6) }), (error) => outcomes.push(error));
  first.close();
  expect(outcomes).toEqual(Array(10).fill(null));
  const second = open(where);
  expect(second.load()).toEqual({
    hardState,
    snapshot: snapshotAt(21, 6),
    entries: added.slice(2),
    empty: false,
  });
  second.close();
});

test("what is written today is what was recorded, so that an earlier release can read it", () => {
  expect(textOf(directoryOfToday())).toBe(fs.readFileSync(RECORDED, "utf8"));
});

/** Changes numbers of the payload of the record at `offset`, and seals it again. */
function rewrite(
  bytes: Uint8Array,
  offset: number,
  change: { type?: number; field?: number; value?: number },
) {
  const { totalBytes } = readRaw(bytes, offset)!;
  if (change.type !== undefined) bytes[offset + 8] = change.type;
  if (change.field !== undefined) {
    putUint53(bytes, offset + RECORD_HEADER_BYTES + 8 * change.field, change.value!);
  }
  putUint32(bytes, offset + 4, crc32c(bytes, 0, offset + 8, offset + totalBytes));
}

const LAST_SEGMENT = "wal/00000009.log";
for (
  const [what, change, text] of [
    [
      "segment",
      (files) => rewrite(files.get(LAST_SEGMENT)!, 0, { field: 1, value: 2 }),
      "00000009.log, byte 0: format 2, and this program knows 1",
    ],
    [
      "record",
      (files) => rewrite(files.get(LAST_SEGMENT)!, 120, { type: 6 }),
      "00000009.log, byte 120: a record of the unknown type 6",
    ],
    [
      "snapshot",
      (files) => putUint32(files.get("wal/snap-0000000000000016")!, 4, 2),
      "snap-0000000000000016, byte 4: format 2, and this program knows 1",
    ],
    [
      "directory",
      (files) => {
        const text = new TextDecoder().decode(files.get("identity.json")!);
        files.set("identity.json", new TextEncoder().encode(text.replace('"version":1', '"version":2')));
      },
      "identity.json: format 2, and this program knows 1",
    ],
  ] satisfies [string, (files: Files) => void, string][]
) {
  test(`a ${what} of a later version is refused as that, and not as damage`, () => {
    const where = directory(change);
    let refusal: unknown;
    try {
      open(where);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(StorageError);
    expect((refusal as StorageError).code).toBe("version");
    expect(String(refusal)).toContain(text);
    expect(String(refusal)).toContain("install the version that has run here last");
  });
}

/** Recovers the files; null: refused. */
function recovered(files: Files): StoredLog | null {
  try {
    const recovery = recover(files, IDENTITY, true);
    return recovery.ok ? recovery.log.stored : null;
  } catch (error) {
    if (error instanceof StorageError && error.code === "version") return null;
    throw error;
  }
}

const images = written();
const reached = histories(story()).map((states) => states.at(-1)!);

/** Bytes that a batch has written, file by file. */
function changedBy(i: number): { name: string; from: number; to: number }[] {
  return [...images[i]!].flatMap(([name, bytes]) => {
    const from = usedBytes(images[i - 1]?.get(name));
    const to = usedBytes(bytes);
    return to > from ? [{ name, from, to }] : [];
  });
}

/** Calls `judge` with each bit of a part of a file inverted. */
function eachFlip(bytes: Uint8Array, from: number, to: number, judge: (bit: number) => void): void {
  for (let bit = from * 8; bit < to * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    judge(bit);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
}

test("B33: every single flipped bit of what was written is refused, behind it it is refused or harmless", () => {
  const wrong: unknown[] = [];
  for (const [name, bytes] of log) {
    const used = usedBytes(bytes);
    eachFlip(bytes, 0, used, (bit) => {
      if (recovered(log) !== null) wrong.push({ name, bit });
    });
    eachFlip(bytes, used, bytes.length, (bit) => {
      const found = recovered(log);
      if (found !== null && !isDeepStrictEqual(found, CONTENTS)) wrong.push({ name, bit });
    });
  }
  expect(wrong).toEqual([]);
});

test("B33: every single flipped bit of the last write is refused, whatever that was", () => {
  const wrong: unknown[] = [];
  for (const [i, files] of images.entries()) {
    for (const { name, from, to } of changedBy(i)) {
      eachFlip(files.get(name)!, from, to, (bit) => {
        if (recovered(files) !== null) wrong.push({ i, name, bit });
      });
    }
  }
  expect(wrong).toEqual([]);
});

test("B32: every truncation is refused, but for that of the segment that was made in advance", () => {
  const wrong: unknown[] = [];
  for (const [i, files] of images.entries()) {
    // Bytes before the last write are looked at when it is the last one of all.
    const names = i === images.length - 1 ? [...files.keys()] : changedBy(i).map(({ name }) => name);
    for (const name of names) {
      const whole = files.get(name)!;
      const begun = usedBytes(whole) > 0;
      for (let bytes = 0; bytes < whole.length; bytes++) {
        files.set(name, whole.subarray(0, bytes));
        const found = recovered(files);
        if (begun ? found !== null : !isDeepStrictEqual(found, reached[i])) wrong.push({ i, name, bytes });
      }
      files.set(name, whole);
    }
  }
  expect(wrong).toEqual([]);
});

test("every missing file is refused, unless a snapshot covers it or nothing was written to it", () => {
  const harmless: string[] = [];
  for (const name of log.keys()) {
    const files = new Map(log);
    files.delete(name);
    const found = recovered(files);
    if (found === null) continue;
    expect(found).toEqual(CONTENTS);
    harmless.push(name);
  }
  expect(harmless.sort()).toEqual(["00000002.log", "00000010.log"]);
});
