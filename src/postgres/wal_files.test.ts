import { expect, test } from "bun:test";
import { lastRecordEnd, recordEnd, runOfFiles } from "./wal_end.ts";

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
