import { expect, test } from "bun:test";
import { segmentName } from "./source_wal.ts";

const MIB = 1024 * 1024;

test("a segment is named by the position, as PostgreSQL does for every size of segments", () => {
  expect(segmentName(0x3000148, 16 * MIB)).toBe("0000000000000003");
  expect(segmentName(2 * 2 ** 32 + 0xff000000, 16 * MIB)).toBe("00000002000000FF");
  expect(segmentName(2 ** 32 + 0x40000000, 1024 * MIB)).toBe("0000000100000001");
});
