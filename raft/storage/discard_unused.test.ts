import { afterEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { discardUnused } from "./discard_unused.ts";
import { directoryIdentity, type DirectoryOrigin, identityFile } from "./identity.ts";
import { openWal } from "./open_wal.ts";

const IDENTITY = { clusterId: 1, nodeId: 2 };
const ORIGIN: DirectoryOrigin = { cluster: "x", addr: "a:1", joined: false, members: [], founded: null };
const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true, force: true });
});

/** Makes a directory in which `term` was written, unless it is 0. */
function made(term: number, origin = ORIGIN): string {
  const directory = fs.mkdtempSync(join(tmpdir(), "discard-unused-"));
  directories.push(directory);
  const wal = openWal(directory, IDENTITY, { now: () => 0, inline: true, origin });
  if (term > 0) {
    const hardState = { term, vote: 0, commit: 0 };
    wal.append({ hardState, entries: [], snapshot: null, sync: true }, (error) => expect(error).toBeNull());
  }
  wal.close();
  return directory;
}

test("a directory that never took part is emptied, also where a crash has left half of that", () => {
  const whole = made(0);
  discardUnused(whole);
  expect(directoryIdentity(whole)).toBeNull();
  const half = made(0);
  fs.unlinkSync(identityFile(half));
  discardUnused(half);
  // Another member can use the directory: nothing of the old one is left.
  openWal(half, { clusterId: 3, nodeId: 4 }, { now: () => 0, inline: true }).close();
  expect(directoryIdentity(half)).toMatchObject({ clusterId: 3, nodeId: 4 });
});

test("a directory that holds so much as a term is kept, with and without its identity", () => {
  const used = made(1);
  discardUnused(used);
  expect(directoryIdentity(used)).toMatchObject(IDENTITY);
  fs.unlinkSync(identityFile(used));
  discardUnused(used);
  expect(fs.readdirSync(join(used, "wal"))).not.toBeEmpty();
});

test("an identity that a running cluster gave is kept", () => {
  const joined = made(0, { ...ORIGIN, joined: true });
  discardUnused(joined);
  expect(directoryIdentity(joined)).toMatchObject({ joined: true, addr: "a:1" });
});

test("a directory that does not exist stays so", () => {
  const missing = join(tmpdir(), "discard-unused-missing");
  discardUnused(missing);
  expect(fs.existsSync(missing)).toBe(false);
});
