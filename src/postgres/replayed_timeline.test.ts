/** The timeline of a standby that has no WAL receiver, by what is in its pg_wal. */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { replayedTimeline, timelinesAhead } from "./replayed_timeline.ts";

const root = mkdtempSync(join(tmpdir(), "agent-timeline-"));
afterAll(() => rmSync(root, { recursive: true }));

const SEGMENT = 16 * 1024 * 1024;
const FORK = 5 * SEGMENT + 1000;
const HISTORY = "1\t0/50003E8\tno recovery target specified\n";
let made = 0;

type Files = { readonly [name: string]: string };

function directory(files: Files): string {
  const dataDir = join(root, String(++made));
  mkdirSync(join(dataDir, "pg_wal"), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dataDir, "pg_wal", name), text);
  return dataDir;
}

function reached(files: Files, lsn: number, timeline = 1): number {
  return replayedTimeline(directory(files), { timeline, lsn }, SEGMENT);
}

const SECOND = { "00000002.history": HISTORY, "000000020000000000000005": "" };

test("WAL of a later timeline, beyond the place where that begins, was replayed on it", () => {
  expect(reached(SECOND, FORK + 1)).toBe(2);
  expect(reached({}, FORK + 1)).toBe(1);
});

test("up to that place nothing of it was replayed, though its file begins with a copy of what was before", () => {
  expect(reached(SECOND, FORK)).toBe(1);
});

test("a history file alone shows nothing: PostgreSQL has refused to go there", () => {
  expect(reached({ "00000002.history": HISTORY }, FORK + 1)).toBe(1);
  expect(reached({ "000000020000000000000005": "" }, FORK + 1)).toBe(1);
});

test("at the end of a segment the file before counts: the next one is not there yet", () => {
  expect(reached(SECOND, 6 * SEGMENT)).toBe(2);
  expect(reached(SECOND, 6 * SEGMENT + 1)).toBe(1);
});

test("of several later timelines the last that was reached counts", () => {
  const third = { "00000003.history": `${HISTORY}2\t0/6000000\tno recovery target specified\n` };
  const files = { ...SECOND, ...third, "000000030000000000000006": "" };
  expect(reached(files, 6 * SEGMENT)).toBe(2);
  expect(reached(files, 6 * SEGMENT + 1)).toBe(3);
  expect(reached(files, 6 * SEGMENT + 1, 2)).toBe(3);
  // It began elsewhere.
  expect(reached(files, 6 * SEGMENT + 1, 4)).toBe(4);
});

test("a later timeline that begins beyond the end of all WAL is ahead: it has only been heard of", () => {
  const third = { "00000003.history": `${HISTORY}2\t0/6000000\tno recovery target specified\n` };
  const ahead = (files: Files, timeline: number, lsn: number) =>
    timelinesAhead(directory(files), { timeline, lsn });
  expect(ahead({ ...SECOND, ...third }, 1, FORK - 8)).toEqual([2, 3]);
  expect(ahead({ ...SECOND, ...third }, 1, FORK)).toEqual([]);
  expect(ahead({ ...SECOND, ...third }, 2, FORK + 8)).toEqual([3]);
  // A server goes to no timeline that its own is no part of.
  expect(ahead({ "00000004.history": "2\t0/6000000\t\n" }, 1, FORK)).toEqual([]);
});
