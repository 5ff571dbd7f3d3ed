import { expect, test } from "bun:test";
import { windowsBefore } from "./same_wal.ts";

const SEGMENT = 16 * 1024 * 1024;

test("the beginning of the last segment and the end of WAL are looked at, within what is there", () => {
  expect(windowsBefore({ end: 3 * SEGMENT + 100, segmentBytes: SEGMENT })).toEqual([{
    offset: 0,
    bytes: 100,
  }]);
  expect(windowsBefore({ end: 3 * SEGMENT + 9000, segmentBytes: SEGMENT })).toEqual([
    { offset: 0, bytes: 8192 },
    { offset: 808, bytes: 8192 },
  ]);
  // At a border it is the segment before that has been written.
  expect(windowsBefore({ end: 4 * SEGMENT, segmentBytes: SEGMENT })).toEqual([
    { offset: 0, bytes: 8192 },
    { offset: SEGMENT - 8192, bytes: 8192 },
  ]);
});
