import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ControlFile } from "./control_file.ts";
import type { Programs } from "./programs.ts";
import { findWalEnd, lastRecordEnd, recordEnd, runOfFiles } from "./wal_end.ts";

const MB16 = 16 * 1024 * 1024;

test("the run of segment files ends before the first one that is missing", () => {
  const names = ["000000010000000000000002", "000000010000000000000003", "000000010000000000000005"];
  expect(runOfFiles(names, { timeline: 1, lsn: 2 * MB16 + 40 }, MB16)).toEqual({
    first: names[0]!,
    last: names[1]!,
  });
  expect(runOfFiles(names, { timeline: 1, lsn: 4 * MB16 }, MB16)).toBeNull();
  expect(runOfFiles(names, { timeline: 2, lsn: 2 * MB16 }, MB16)).toBeNull();
});

test("segment numbers go on behind the last one of a log id", () => {
  const names = ["0000000A00000001000000FF", "0000000A0000000200000000"];
  expect(runOfFiles(names, { timeline: 10, lsn: 2 * 2 ** 32 - MB16 }, MB16)).toEqual({
    first: names[0]!,
    last: names[1]!,
  });
});

test("a record that crosses a page goes on behind that page's header", () => {
  expect(recordEnd(MB16 + 40, 100, MB16)).toBe(MB16 + 40 + 104);
  expect(recordEnd(MB16 + 8192 - 16, 100, MB16)).toBe(MB16 + 8192 + 24 + 104 - 16);
});

test("the last record of a cut output counts", () => {
  const output =
    "ecord\nrmgr: Heap len (rec/tot):     54/    54, tx: 7, lsn: 0/01000028, prev 0/0, desc: INSERT\n" +
    "rmgr: XLOG len (rec/tot):    114/   114, tx: 0, lsn: 0/01000060, prev 0/01000028, desc: CHECKPOINT_SHUTDOWN\n";
  expect(lastRecordEnd(output, MB16)).toBe(0x1000060 + 120);
  expect(lastRecordEnd("nothing", MB16)).toBeNull();
});

const directory = mkdtempSync(join(tmpdir(), "wal-end-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Reads one record of 114 bytes at 1/60, and then does what `then` says. */
async function endRead(then: string, timeoutMs = 10_000) {
  const dataDir = mkdtempSync(join(directory, "data-"));
  mkdirSync(join(dataDir, "pg_wal"));
  writeFileSync(join(dataDir, "pg_wal", "000000010000000000000001"), "");
  const program = join(dataDir, "pg_waldump");
  const record =
    "rmgr: XLOG len (rec/tot):    114/   114, tx: 0, lsn: 0/01000060, prev 0/01000028, desc: NOOP";
  writeFileSync(program, `#!/bin/sh\necho "$4" >&2\necho "${record}"\n${then}\n`);
  chmodSync(program, 0o700);
  const control = { timeline: 1, checkpointLsn: MB16, minRecoveryLsn: 0, segmentBytes: MB16 } as ControlFile;
  return await findWalEnd({ path: () => program } as unknown as Programs, dataDir, control, timeoutMs);
}

const FOUND = { timeline: 1, lsn: MB16 + 0x60 + 120 };

test("WAL ends with its first invalid record, or with its last file", async () => {
  const invalid = 'echo "pg_waldump: error: error in WAL record at 0/60: invalid record length" >&2; exit 1';
  expect(await endRead(invalid)).toEqual(FOUND);
  expect(await endRead("exit 0")).toEqual(FOUND);
});

test("a directory that a rewind has left holds what it copied, and not all that it needs", async () => {
  const dataDir = mkdtempSync(join(directory, "data-"));
  const control = { timeline: 1, checkpointLsn: MB16, minRecoveryLsn: MB16 + 8192, segmentBytes: MB16 };
  const end = () => findWalEnd({} as Programs, dataDir, control as ControlFile, 1000);
  expect(await end()).toEqual({ timeline: 1, lsn: MB16 + 8192 });
  writeFileSync(join(dataDir, "backup_label"), "");
  expect(await end()).toEqual({ timeline: 1, lsn: MB16 });
});

test("what was read until time was over, or an error of the disk came, is a part", async () => {
  expect(await endRead("exec sleep 60", 2000)).toEqual({ ...FOUND, isPart: true });
  const failed = 'echo "pg_waldump: fatal: could not read from file 1: Input/output error" >&2; exit 1';
  expect(await endRead(failed)).toEqual({ ...FOUND, isPart: true });
  expect(await endRead("kill -9 $$")).toEqual({ ...FOUND, isPart: true });
});
