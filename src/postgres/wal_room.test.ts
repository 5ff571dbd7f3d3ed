import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { filesOf, type KeepInput, keepWal, MAX_ROOM_BYTES, MAX_ROOMS, thatFit, tooMany } from "./wal_room.ts";

const MIB = 2 ** 20;
const SEGMENT = 16 * MIB;
const FILES = ["000000010000000000000002", "000000010000000000000003"];

let base = "";
let dataDir = "";
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "wal-room-"));
  dataDir = join(base, "data");
  mkdirSync(join(dataDir, "pg_wal"), { recursive: true });
  for (const name of FILES) writeFileSync(join(dataDir, "pg_wal", name), `WAL ${name}`);
});
afterEach(() => rmSync(base, { recursive: true }));

function input(part: Partial<KeepInput> = {}, end = "0/3000100"): KeepInput {
  return {
    dataDir,
    stretches: [{ timeline: 1, from: 2 * SEGMENT + 100, to: 3 * SEGMENT + 100 }],
    segmentBytes: SEGMENT,
    note: {
      found: "2026-01-01T00:00:00.000Z",
      member: "a",
      system_id: "7",
      ranges: [{ timeline: 1, start: "0/2000064", end }],
      bytes: SEGMENT,
      transactions: 2,
      read_with: ["pg_waldump"],
    },
    now: new Date(2026, 0, 1),
    isOver: () => false,
    info: () => {},
    ...part,
  };
}
const rooms = () => readdirSync(base).filter((name) => name !== "data");

test("the files of a stretch are those that its bytes lie in", () => {
  const files = (from: number, to: number) => filesOf([{ timeline: 1, from, to }], SEGMENT);
  expect(files(2 * SEGMENT + 1, 3 * SEGMENT)).toEqual(FILES.slice(0, 1));
  expect(files(2 * SEGMENT, 3 * SEGMENT + 1)).toEqual(FILES);
  const two = [{ timeline: 1, from: 0, to: 9 }, { timeline: 2, from: 9, to: 12 }];
  expect(filesOf(two, SEGMENT)).toEqual(["000000010000000000000000", "000000020000000000000000"]);
  // However much it says: the names of a room that is full, and one more.
  expect(files(0, 2 ** 50)).toHaveLength(65);
});

test("as many files are kept, from the beginning on, as a quarter of the free space and 1 GiB hold", () => {
  const many = Array.from({ length: 100 }, (_, at) => ({ name: String(at), bytes: SEGMENT }));
  expect(thatFit(many, 2 ** 50)).toEqual(many.slice(0, 64));
  expect(thatFit(many, 4 * 3 * SEGMENT)).toEqual(many.slice(0, 3));
  expect(thatFit(many.slice(0, 2), 4 * 3 * SEGMENT)).toHaveLength(2);
  expect(thatFit(many, 4 * SEGMENT - 1)).toEqual([]);
});

test("the newest rooms stay, as long as they are few and take 1 GiB together; the last one in any case", () => {
  expect(tooMany([1, 1, 1])).toEqual([]);
  expect(tooMany(Array.from({ length: MAX_ROOMS + 2 }, () => 1))).toEqual([MAX_ROOMS, MAX_ROOMS + 1]);
  expect(tooMany([MAX_ROOM_BYTES / 2, MAX_ROOM_BYTES / 2, 1, 1])).toEqual([2, 3]);
  expect(tooMany([2 * MAX_ROOM_BYTES, 1])).toEqual([1]);
});

test("WAL is copied, not linked, beside the directory, with a note of what it is", async () => {
  const { directory, lacks } = await keepWal(input());
  expect([directory, lacks]).toEqual([`${dataDir}.lost-wal-20260101000000`, null]);
  expect(readdirSync(directory!).sort()).toEqual([...FILES, "lost_wal.json"]);
  // As pg_rewind and a server that reuses the file do.
  for (const name of FILES) writeFileSync(join(dataDir, "pg_wal", name), "other WAL", { flag: "r+" });
  for (const name of FILES) expect(readFileSync(join(directory!, name), "utf8")).toBe(`WAL ${name}`);
  expect(JSON.parse(readFileSync(join(directory!, "lost_wal.json"), "utf8"))).toEqual({
    ...input().note,
    lacks: null,
  });
});

test("the same WAL is kept once, other WAL in a room of its own", async () => {
  rmSync(join(dataDir, "pg_wal", FILES[1]!));
  const first = await keepWal(input());
  expect(first.lacks).toBe("1 of its files are not there any more");
  expect(await keepWal(input())).toEqual(first);
  const second = await keepWal(input({}, "0/3000200"));
  expect(second.directory).toBe(`${dataDir}.lost-wal-20260101000001`);
  writeFileSync(join(first.directory!, "lost_wal.json"), "{ no JSON");
  expect((await keepWal(input())).directory).toBe(`${dataDir}.lost-wal-20260101000002`);
});

test("old rooms go, and nothing else that has such a name", async () => {
  for (let at = 0; at < MAX_ROOMS; at++) mkdirSync(`${dataDir}.lost-wal-2025010100000${at}`);
  for (const name of ["lost-wal-mine", "lost-wal-20250101000000.tar"]) {
    writeFileSync(`${dataDir}.${name}`, "");
  }
  await keepWal(input());
  expect(existsSync(`${dataDir}.lost-wal-20250101000000`)).toBe(false);
  expect(rooms()).toHaveLength(MAX_ROOMS + 2);
});

test("a copy that is cut short leaves nothing, and one whose agent was killed goes with the next", async () => {
  let looks = 0;
  await expect(keepWal(input({ isOver: () => ++looks > 1 }))).rejects.toThrow("took too long");
  expect(rooms()).toEqual([]);
  // After the last file as well: it may have been changed under the copy.
  looks = 0;
  await expect(keepWal(input({ isOver: () => ++looks > FILES.length }))).rejects.toThrow("took too long");
  expect(rooms()).toEqual([]);
  mkdirSync(`${dataDir}.lost-wal-20250101000000.unfinished`);
  await keepWal(input());
  expect(rooms()).toEqual(["data.lost-wal-20260101000000"]);
});

test("where there is nothing to copy, nothing is made", async () => {
  for (const name of FILES) rmSync(join(dataDir, "pg_wal", name));
  expect(await keepWal(input())).toEqual({
    directory: null,
    lacks: "its files are not there any more",
  });
  expect(rooms()).toEqual([]);
});
