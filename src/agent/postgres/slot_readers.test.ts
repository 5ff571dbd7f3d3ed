import { expect, test } from "bun:test";
import type { SlotState } from "../../postgres/slot_state.ts";
import { SlotReaders } from "./slot_readers.ts";

const BEGAN = 1000;
const slot = (other: Partial<SlotState> = {}): SlotState => ({
  name: "cdc",
  active: false,
  temporary: false,
  plugin: "pgoutput",
  database: "app",
  useless: false,
  synced: false,
  restartLsn: 800,
  confirmedLsn: 900,
  readFrom: null,
  holdsXmin: false,
  heldBytes: 0,
  walStatus: "reserved",
  safeBytes: null,
  ...other,
});

function promoted(): SlotReaders {
  const readers = new SlotReaders();
  readers.asStandby(["cdc"], { cdc: 900, node_2: 950 });
  expect(readers.waiting).toBe(true);
  return readers;
}

test("a slot that a promoted member has no copy of is told of once, and one that was half made too", () => {
  for (const existing of [[], [slot({ temporary: true })]]) {
    const readers = promoted();
    expect(readers.asPrimary(existing, null)[0]).toStartWith(
      "logical replication slot cdc was not copied to this member before its promotion, and is made anew. " +
        "Its reader, which stood at 0/384 or later",
    );
    expect(readers.asPrimary([slot()], BEGAN)).toEqual([]);
    expect(readers.waiting).toBe(false);
  }
});

test("a first reader that was ahead of the new timeline is told of once", () => {
  const readers = promoted();
  expect(readers.asPrimary([slot()], null)).toEqual([]);
  expect(readers.asPrimary([slot()], BEGAN)).toEqual([]);
  expect(readers.waiting).toBe(true);
  expect(readers.asPrimary([slot({ active: true, readFrom: BEGAN + 16 })], BEGAN)[0]).toStartWith(
    "the reader of logical replication slot cdc had read up to 0/3F8 before the failover, " +
      "and this member goes on from 0/3E8",
  );
  expect(readers.waiting).toBe(false);
  expect(readers.asPrimary([slot({ active: true, readFrom: BEGAN + 16 })], BEGAN)).toEqual([]);
});

test("a first reader that was not ahead is none to tell of, and neither are those after it", () => {
  const readers = promoted();
  readers.asPrimary([slot()], BEGAN);
  expect(readers.asPrimary([slot({ active: true, readFrom: BEGAN })], BEGAN)).toEqual([]);
  expect(readers.asPrimary([slot({ active: true, readFrom: BEGAN + 500 })], BEGAN)).toEqual([]);
});

test("a reader that has come and gone between two looks hides where it began: nothing is said", () => {
  const readers = promoted();
  readers.asPrimary([slot()], BEGAN);
  expect(readers.asPrimary([slot({ confirmedLsn: BEGAN + 300 })], BEGAN)).toEqual([]);
  expect(readers.asPrimary([slot({ active: true, readFrom: BEGAN + 300 })], BEGAN)).toEqual([]);
});

test("a slot that the configuration has no more, or that is new on a standing primary, is nothing to tell of", () => {
  const readers = promoted();
  readers.asStandby([], {});
  expect(readers.asPrimary([], BEGAN)).toEqual([]);
  expect(new SlotReaders().asPrimary([], BEGAN)).toEqual([]);
});
