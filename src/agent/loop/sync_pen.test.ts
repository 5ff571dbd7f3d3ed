import { expect, test } from "bun:test";
import { SyncPen } from "./sync_pen.ts";

const at = (revision: number, change: Partial<Parameters<SyncPen["look"]>[0]> = {}) => ({
  epoch: 3,
  revision,
  joined: true,
  grantedHere: true,
  ...change,
});

test("an epoch that began in this start: nothing else can be proposed under it", () => {
  const pen = new SyncPen();
  pen.look(at(10));
  expect(pen.isFrozen(10)).toBe(false);
});

test("a proposal may be applied late, until the record has changed", () => {
  const pen = new SyncPen();
  pen.look(at(10));
  pen.proposed(10);
  expect(pen.isFrozen(10)).toBe(true);
  pen.look(at(10));
  expect(pen.isFrozen(10)).toBe(true);
  pen.look(at(11));
  expect(pen.isFrozen(11)).toBe(false);
  pen.proposed(10);
  expect(pen.isFrozen(11)).toBe(false);
});

test("an epoch from an earlier start of the agent: that one may have proposed something", () => {
  const pen = new SyncPen();
  pen.look(at(10, { grantedHere: false }));
  expect(pen.isFrozen(10)).toBe(true);
  pen.look(at(12, { grantedHere: false }));
  expect(pen.isFrozen(12)).toBe(false);
});

test("records that are older than this start say nothing", () => {
  const pen = new SyncPen();
  pen.look(at(8, { grantedHere: false, joined: false }));
  pen.look(at(10, { grantedHere: false }));
  expect(pen.isFrozen(10)).toBe(true);
});

test("a later epoch in the same start begins anew", () => {
  const pen = new SyncPen();
  pen.look(at(10));
  pen.proposed(10);
  pen.look(at(10, { epoch: 4 }));
  expect(pen.isFrozen(10)).toBe(false);
});
