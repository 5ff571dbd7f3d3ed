/** Where the WAL that came with a copy ends. */
import { expect, test } from "bun:test";
import { lastSegment } from "./copy_wal.ts";

const MIB = 2 ** 20;
const CASES: readonly (readonly [string, readonly string[], number, number | null])[] = [
  ["no segment", ["archive_status"], 16 * MIB, null],
  ["the first segment", ["000000010000000000000001"], 16 * MIB, 16 * MIB],
  [
    "the last of several, in any order, beside other files",
    [
      "00000001000000000000000A",
      "000000010000000000000009",
      "00000002.history",
      "000000010000000000000003.partial",
    ],
    16 * MIB,
    160 * MIB,
  ],
  [
    "the position counts, not the timeline",
    ["000000020000000000000003", "000000010000000000000004"],
    16 * MIB,
    64 * MIB,
  ],
  ["beyond 4 GiB", ["000000010000000200000003"], 16 * MIB, 2 * 2 ** 32 + 48 * MIB],
  ["segments of another size", ["000000010000000100000003"], 64 * MIB, 2 ** 32 + 192 * MIB],
];

for (const [name, names, segmentBytes, start] of CASES) {
  test(name, () => expect(lastSegment(names, segmentBytes)).toBe(start));
}
