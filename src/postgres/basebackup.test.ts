import { expect, test } from "bun:test";
import { archiveCommand } from "./archive_ready.ts";
import { basebackupOptions, parseProgress } from "./basebackup.ts";
import { complaintsIn } from "./check_conf.ts";
import { changedAnything, needsWalFrom } from "./rewind.ts";

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
  expect(complaintsIn(output)).toEqual([
    { name: "foo", bound: null },
    { name: "work_mem", bound: null },
    { name: "shared_buffers", bound: "16" },
  ]);
});

const OUTSIDE: readonly (readonly [found: string, range: string, bound: string])[] = [
  ["1 kB", "64 .. 2147483647", "64kB"],
  ["90000 s", "30 .. 86400", "86400s"],
  ["-3", "0 .. 1.79769e+308", "0"],
  ["1000", "0 .. 100", "100"],
  ["-2 ms", "0 .. 100", "0ms"],
  ["1 kB", "64 kB .. 2147483647 kB", "64kB"],
];
for (const [found, range, bound] of OUTSIDE) {
  test(`${found} outside of ${range} becomes ${bound}`, () => {
    const line = `LOG:  ${found} is outside the valid range for parameter "p" (${range})`;
    expect(complaintsIn(line)).toEqual([{ name: "p", bound }]);
  });
}

test("the archive command gets absolute path, name, and a percent sign where one was meant", () => {
  expect(archiveCommand("cp %p /a/%f 100%%", "/d/pg_wal", "000000010000000000000001"))
    .toBe("cp /d/pg_wal/000000010000000000000001 /a/000000010000000000000001 100%");
});

test("a rewind needs the source's WAL from where the histories part; before 14, from the common checkpoint", () => {
  const output = "pg_rewind: servers diverged at WAL location 0/3000148 on timeline 1\n" +
    "pg_rewind: rewinding from last common checkpoint at 0/2000060 on timeline 1\n";
  expect([needsWalFrom(output, 17), needsWalFrom(output, 14), needsWalFrom(output, 13)]).toEqual([
    0x3000148,
    0x3000148,
    0x2000060,
  ]);
  expect(needsWalFrom("pg_rewind: no rewind required", 15)).toBeNull();
});
