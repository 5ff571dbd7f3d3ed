import { expect, test } from "bun:test";
import { FREE, lock, postgres } from "../../brain/testing.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import { WalSettling } from "./wal_settling.ts";

function site() {
  const settling = new WalSettling();
  let looks = 0;
  const at = (nowMs: number, view: Partial<PostgresView>, record = lock(FREE)) =>
    settling.look(record, { view: () => postgres(view), refresh: () => looks++ }, nowMs);
  return { settling, at, looks: () => looks };
}

test("a position has settled when two looks since the lock became free agree", () => {
  const { settling, at, looks } = site();
  expect(at(100, { lastLookMs: 90, receivedLsn: 1000 })).toBe(120);
  at(120, { lastLookMs: 110, receivedLsn: 1000 });
  expect(settling.settled).toBe(false);
  at(140, { lastLookMs: 130, receivedLsn: 1010 });
  expect(settling.settled).toBe(false);
  expect(at(160, { lastLookMs: 150, receivedLsn: 1010 })).toBe(Infinity);
  expect(settling.settled).toBe(true);
  expect(looks()).toBe(3);
});

test("the same look seen twice is no second look", () => {
  const { settling, at } = site();
  at(100, { lastLookMs: 90 });
  at(120, { lastLookMs: 110 });
  at(140, { lastLookMs: 110 });
  expect(settling.settled).toBe(false);
});

test("nothing is asked while the lock is held, and the next free epoch begins anew", () => {
  const { settling, at, looks } = site();
  at(100, { lastLookMs: 90 });
  at(120, { lastLookMs: 110 });
  at(140, { lastLookMs: 130 });
  expect(settling.settled).toBe(true);
  at(160, { lastLookMs: 150 }, lock({ ...FREE, epoch: 4 }));
  expect(settling.settled).toBe(false);
  expect(at(180, { lastLookMs: 170 }, lock())).toBe(Infinity);
  expect(looks()).toBe(3);
});
