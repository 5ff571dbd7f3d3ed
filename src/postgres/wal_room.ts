/**
 * Keeps WAL that a rejoin is about to destroy: copied beside the data directory, as `<dir>.lost-wal-<time>`.
 * Never by hard links, although they would cost nothing: pg_rewind truncates files in place, and a server
 * writes new WAL into old files. Bounded, so that a keepsake does not fill the disk that the database needs.
 */
import { constants, copyFile, statfs } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { type JsonBounds, parseBounded } from "../model/bounded_json.ts";
import type { WalStretch } from "../model/lost_wal.ts";
import { isFields } from "../model/shape.ts";
import {
  basename,
  dirname,
  fileBytes,
  isDirectory,
  join,
  list,
  makeDirectory,
  move,
  readText,
  syncPath,
  writeDurably,
} from "./disk.ts";
import { listAside, nextStamp, placeOf } from "./set_aside.ts";
import { walFileName } from "./source_wal.ts";
import { removeTree } from "./staging.ts";

/** All rooms together, and one alone. */
export const MAX_ROOM_BYTES = 2 ** 30;
export const MAX_ROOMS = 8;
/** One room takes at most this part of what the file system has free: the rejoin needs room as well. */
const SHARE_OF_FREE = 0.25;
const NOTE = "lost_wal.json";
const UNFINISHED = ".unfinished";
const NOTE_BOUNDS: JsonBounds = { maxBytes: 64 * 1024, maxDepth: 8, maxValues: 2000, maxText: 4096 };

/** What was found, as the room itself says it. */
export interface RoomNote {
  readonly found: string;
  readonly member: string;
  readonly system_id: string;
  readonly ranges: readonly { readonly timeline: number; readonly start: string; readonly end: string }[];
  readonly bytes: number;
  readonly transactions: number | null;
  /** A command for each range, to be run in the room. */
  readonly read_with: readonly string[];
}

export interface KeepInput {
  readonly dataDir: string;
  readonly stretches: readonly WalStretch[];
  readonly segmentBytes: number;
  readonly note: RoomNote;
  readonly now: Date;
  /** It is not waited for any more, or was cancelled. */
  readonly isOver: () => boolean;
  readonly info: (text: string) => void;
}

export interface Kept {
  /** null: nothing is kept. */
  readonly directory: string | null;
  /** Why nothing is kept, or not all of it; null: all of it is. */
  readonly lacks: string | null;
}

interface WalFile {
  readonly name: string;
  readonly bytes: number;
}

/** Names of the segment files that these stretches lie in, in order. */
export function filesOf(stretches: readonly WalStretch[], segmentBytes: number): readonly string[] {
  const names = stretches.flatMap(({ timeline, from, to }) => {
    const first = Math.floor(from / segmentBytes);
    const count = Math.floor((to - 1) / segmentBytes) - first + 1;
    return Array.from(
      { length: Math.max(0, Math.min(count, MAX_ROOM_BYTES / segmentBytes + 1)) },
      (_, at) => walFileName(timeline, (first + at) * segmentBytes, segmentBytes),
    );
  });
  return [...new Set(names)];
}

/** As many of the first files as fit: WAL is read from the beginning on. */
export function thatFit(files: readonly WalFile[], freeBytes: number): readonly WalFile[] {
  const limit = Math.min(MAX_ROOM_BYTES, SHARE_OF_FREE * freeBytes);
  let taken = 0;
  const beyond = files.findIndex(({ bytes }) => (taken += bytes) > limit);
  return beyond === -1 ? files : files.slice(0, beyond);
}

/** Which rooms go, of all of them, the newest first. That one stays in any case. */
export function tooMany(bytes: readonly number[]): readonly number[] {
  let taken = 0;
  return bytes.flatMap((each, at) => {
    taken += each;
    return at > 0 && (at >= MAX_ROOMS || taken > MAX_ROOM_BYTES) ? [at] : [];
  });
}

/** Rejects where the disk or the rights do not let it, and leaves nothing behind then. */
export async function keepWal(input: KeepInput): Promise<Kept> {
  const { segmentBytes, stretches, info } = input;
  const place = placeOf(input.dataDir);
  const rooms = listAside(place, "lost-wal");
  for (const directory of rooms) {
    // A rejoin that was tried before, by an agent that has ended since.
    const known = sameNote(directory, input.note);
    if (known !== null) return { directory, lacks: known.lacks };
  }
  const walDir = join(input.dataDir, "pg_wal");
  const wanted = filesOf(stretches, segmentBytes);
  const there = wanted.flatMap((name) => {
    const bytes = fileBytes(join(walDir, name));
    return bytes === null ? [] : [{ name, bytes }];
  });
  if (there.length === 0) return { directory: null, lacks: "its files are not there any more" };
  const { bavail, bsize } = await statfs(dirname(place));
  const files = thatFit(there, bavail * bsize);
  const lacks = files.length === 0
    ? `nothing of it fits (at most 1 GiB, and a quarter of what ${dirname(place)} has free)`
    : files.length < there.length
    ? `only the first ${files.length} files fit (at most 1 GiB, and a quarter of what ${
      dirname(place)
    } has free)`
    : there.length < wanted.length
    ? `${wanted.length - there.length} of its files are not there any more`
    : null;
  if (files.length === 0) return { directory: null, lacks };
  const directory = `${place}.lost-wal-${nextStamp(input.now, rooms)}`;
  await removeLeftovers(place);
  try {
    await fill(directory + UNFINISHED, files.map(({ name }) => join(walDir, name)), lacks, input);
    move(directory + UNFINISHED, directory);
    await syncPath(dirname(place));
  } catch (error) {
    await removeTree(directory + UNFINISHED);
    throw error;
  }
  await prune([...rooms, directory], info);
  return { directory, lacks };
}

async function fill(
  room: string,
  paths: readonly string[],
  lacks: string | null,
  { note, isOver }: KeepInput,
): Promise<void> {
  const check = () => {
    if (isOver()) throw new Error("it took too long, or was cancelled");
  };
  makeDirectory(room, 0o700);
  for (const path of paths) {
    check();
    const copy = join(room, basename(path));
    // Shares the blocks where the file system can.
    await copyFile(path, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await syncPath(copy);
  }
  // The rejoin may have begun to change the last file while it was copied.
  check();
  // Also syncs the directory.
  await writeDurably(join(room, NOTE), `${JSON.stringify({ ...note, lacks }, null, 2)}\n`, 0o600);
}

/** What an interrupted copy has left. */
async function removeLeftovers(place: string): Promise<void> {
  const prefix = `${basename(place)}.lost-wal-`;
  for (const name of list(dirname(place)) ?? []) {
    const path = join(dirname(place), name);
    if (name.startsWith(prefix) && name.endsWith(UNFINISHED) && isDirectory(path)) await removeTree(path);
  }
}

async function prune(rooms: readonly string[], info: (text: string) => void): Promise<void> {
  const newestFirst = rooms.toReversed();
  for (const at of tooMany(newestFirst.map(bytesIn))) {
    info(`removing WAL that was kept after an earlier failover: ${newestFirst[at]}`);
    await removeTree(newestFirst[at]!);
  }
}

function bytesIn(room: string): number {
  return (list(room) ?? []).reduce((sum, name) => sum + (fileBytes(join(room, name)) ?? 0), 0);
}

/** null: there is no such note, or it is of other WAL. A text on a disk may say anything. */
function sameNote(room: string, { system_id: systemId, ranges }: RoomNote): { lacks: string | null } | null {
  const read = parseBounded(readText(join(room, NOTE)) ?? "", NOTE_BOUNDS);
  if (!read.ok || !isFields(read.value)) return null;
  const { system_id: other, ranges: others, lacks } = read.value;
  if (other !== systemId || !isDeepStrictEqual(others, ranges)) return null;
  return { lacks: typeof lacks === "string" ? lacks : null };
}
