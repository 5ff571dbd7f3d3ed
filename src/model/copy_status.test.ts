/** What is said of a copy. */
import { expect, test } from "bun:test";
import { beginCopy, type CopyStatus, describeCopy, secondsLeft } from "./copy_status.ts";

const MIB = 2 ** 20;
const copy = (change: Partial<CopyStatus>): CopyStatus => ({ ...beginCopy("b", true), ...change });

const CASES: readonly (readonly [Partial<CopyStatus>, string])[] = [
  [{}, "from b"],
  [{ doneBytes: 0, totalBytes: 40 * MIB }, "from b, 0 %, 0 of 40 MiB"],
  [
    { doneBytes: 10 * MIB, totalBytes: 40 * MIB, bytesPerSecond: 2.5 * MIB },
    "from b, 25 %, 10 of 40 MiB, 2.5 MiB/s, 12 s left",
  ],
  [
    { doneBytes: 4 * 1024 * MIB, totalBytes: 16 * 1024 * MIB, bytesPerSecond: 100 * MIB },
    "from b, 25 %, 4.0 of 16.0 GiB, 100.0 MiB/s, 3 min left",
  ],
  [
    { doneBytes: 0, totalBytes: 2 ** 40, bytesPerSecond: 100 * MIB },
    "from b, 0 %, 0.0 of 1024.0 GiB, 100.0 MiB/s, 2.9 h left",
  ],
  // The estimate was too small, or nothing comes.
  [
    { doneBytes: 50 * MIB, totalBytes: 40 * MIB, bytesPerSecond: MIB },
    "from b, 100 %, 50 of 40 MiB, 1.0 MiB/s, 0 s left",
  ],
  [{ doneBytes: MIB, totalBytes: 2 * MIB, bytesPerSecond: 0 }, "from b, 50 %, 1 of 2 MiB, 0.0 MiB/s"],
  [{ totalBytes: 0 }, "from b, 0 %, 0 of 0 MiB"],
];

for (const [change, text] of CASES) test(text, () => expect(describeCopy(copy(change))).toBe(text));

test("the time left is not known without an estimate or a rate", () => {
  expect(secondsLeft(copy({ totalBytes: 10, doneBytes: 5 }))).toBeNull();
  expect(secondsLeft(copy({ bytesPerSecond: 5 }))).toBeNull();
  expect(secondsLeft(copy({ totalBytes: 10, doneBytes: 5, bytesPerSecond: 2 }))).toBe(2.5);
});
