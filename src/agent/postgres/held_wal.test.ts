import { expect, test } from "bun:test";
import { HeldWal } from "./held_wal.ts";

const GIB = 2 ** 30;
const slot = (gib: number, active = false) => ({ name: "theirs", active, heldBytes: gib * GIB });

test("a slot that keeps much WAL is named once, and with each doubling", () => {
  const held = new HeldWal();
  const lines = (gib: number) => held.note([slot(gib), { name: "small", active: true, heldBytes: 5 }]).length;
  expect([0.9, 1, 1.5, 1.9, 2, 3, 9, 15, 16].map(lines)).toEqual([0, 1, 0, 0, 1, 0, 1, 0, 1]);
  expect(held.note([slot(40)])[0]).toStartWith(
    "replication slot theirs, which nobody uses, keeps 40.0 GiB of WAL here",
  );
});

test("one that was used, or is another one of that name, is told of anew", () => {
  const held = new HeldWal();
  expect(held.note([slot(1)]).length).toBe(1);
  expect(held.note([slot(0.1)])).toEqual([]);
  expect(held.note([slot(1, true)])[0]).toContain("whose user is behind");
  expect(held.note([])).toEqual([]);
  expect(held.note([slot(1)]).length).toBe(1);
});
