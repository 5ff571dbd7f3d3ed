import { expect, test } from "bun:test";
import { describeLoss, type LostWal } from "./lost_wal.ts";

const LOST: LostWal = {
  atMs: 1,
  stretches: [{ timeline: 1, from: 0x3000148, to: 0x3000200 }],
  transactions: 3,
  kept: "/data.lost-wal-20260101000000",
  notKept: null,
};

test("one line says what was lost, and where it is kept", () => {
  const text = (part: Partial<LostWal>) => describeLoss({ ...LOST, ...part });
  const had = "it had WAL that the cluster does not have";
  const range = `${had}: timeline 1 from 0/3000148 to 0/3000200`;
  const kept = "kept in /data.lost-wal-20260101000000";
  expect(text({})).toBe(`${range}, 184 bytes, 3 transactions; ${kept}`);
  expect(text({ transactions: 1 })).toBe(`${range}, 184 bytes, 1 transaction; ${kept}`);
  expect(text({ transactions: "no pg_waldump", notKept: "only 2 files" })).toBe(
    `${range}, 184 bytes, the number of transactions is not known (no pg_waldump); ${kept}, but not all of it: only 2 files`,
  );
  expect(text({ kept: null, notKept: "the disk is full" })).toBe(
    `${range}, 184 bytes, 3 transactions; not kept: the disk is full`,
  );
  const both = [...LOST.stretches!, { timeline: 2, from: 0x3000200, to: 0x3000300 }];
  expect(text({ stretches: both })).toContain(", timeline 2 from 0/3000200 to 0/3000300, 440 bytes, ");
  expect(text({ stretches: null, kept: null })).toBe(`${had}, from a position on that is not known`);
});
