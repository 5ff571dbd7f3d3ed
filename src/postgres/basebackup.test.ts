import { expect, test } from "bun:test";
import { archiveCommand } from "./archive_ready.ts";
import { basebackupOptions, parseProgress } from "./basebackup.ts";
import { complainedParameters } from "./check_conf.ts";
import { changedAnything } from "./rewind.ts";

test("progress is the last figure that was printed", () => {
  expect(parseProgress("  10/5678 kB (0%), 0/1 tablespace\r 2048/4096 kB (50%), 0/1 tablespace")).toEqual({
    doneBytes: 2048 * 1024,
    totalBytes: 4096 * 1024,
  });
  expect(parseProgress("waiting for checkpoint")).toBeNull();
});

test("options of the configuration are passed on, except those that are ours", () => {
  const warnings: string[] = [];
  expect(basebackupOptions(["verbose", { "max-rate": "100M", format: "t" }], (text) => warnings.push(text)))
    .toEqual(["--verbose", "--max-rate=100M"]);
  expect(warnings[0]).toContain("format");
});

test("pg_rewind has changed nothing until it says what it is going to copy", () => {
  expect(changedAnything({ stdout: "", stderr: "pg_rewind: servers diverged at ..." })).toBe(false);
  expect(changedAnything({ stdout: "", stderr: "pg_rewind: need to copy 53 MB (total ...)" })).toBe(true);
});

test("parameters that postgres complains about are found in its messages", () => {
  const output = 'LOG:  unrecognized configuration parameter "foo" in file "/x" line 8\n' +
    'LOG:  invalid value for parameter "work_mem": "abc"\n' +
    'LOG:  1 is outside the valid range for parameter "shared_buffers" (16 .. 1073741823)\n' +
    'FATAL:  configuration file "/x" contains errors\n';
  expect(complainedParameters(output)).toEqual(["foo", "work_mem", "shared_buffers"]);
});

test("the archive command gets absolute path, name, and a percent sign where one was meant", () => {
  expect(archiveCommand("cp %p /a/%f 100%%", "/d/pg_wal", "000000010000000000000001"))
    .toBe("cp /d/pg_wal/000000010000000000000001 /a/000000010000000000000001 100%");
});
