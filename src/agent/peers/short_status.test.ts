import { expect, test } from "bun:test";
import { status as bare } from "../../brain/testing.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { decodeShort, encodeShort, isShort, lengthen } from "./short_status.ts";

const status = (change: Partial<MemberStatus> = {}) =>
  bare("b", { holderLsn: 7, lookAgeMs: 3, wallMs: 1_700_000_000_000, seq: 5, ...change });
const base = status();
const MOVED: Partial<MemberStatus> = {
  seq: 9,
  walLsn: 2000,
  receivedLsn: null,
  replayedLsn: 2 ** 52,
  holderLsn: null,
  lookAgeMs: null,
  lateMs: 12,
  wallMs: 1_700_000_000_500.25,
};

test("what moves is told in a few bytes, and the whole status comes out of it", () => {
  const moved = status(MOVED);
  expect(isShort(base, moved)).toBe(true);
  const bytes = encodeShort(base, moved);
  expect(bytes.length).toBeLessThan(120);
  expect(lengthen(base, decodeShort(bytes)!)).toEqual(moved);
});

test("any other field that differs, comes or goes takes a full status", () => {
  for (const field of Object.keys(base) as (keyof MemberStatus)[]) {
    if (field in MOVED) continue;
    expect([field, isShort(base, { ...base, [field]: "other" as never })]).toEqual([field, false]);
  }
  expect(isShort(base, { ...base, endsSoon: true })).toBe(false);
  expect(isShort({ ...base, endsSoon: true }, base)).toBe(false);
  expect(isShort(base, { ...base, slots: { one: 1 } })).toBe(false);
  const { wallMs: _wallMs, ...older } = base;
  expect(isShort(older, base)).toBe(false);
  expect(isShort(base, older)).toBe(false);
});

test("it belongs to one status of one start of the sender's agent", () => {
  const short = decodeShort(encodeShort(base, status(MOVED)))!;
  expect(lengthen(status({ seq: 6 }), short)).toBeNull();
  expect(lengthen(status({ incarnation: 2 }), short)).toBeNull();
});

test("garbage is no short status", () => {
  const whole = [1, 5, 9, 1, 2, 3, 4, 5, 6, 7];
  const decoded = (value: unknown) => decodeShort(new TextEncoder().encode(JSON.stringify(value)));
  expect(decoded(whole)).not.toBeNull();
  expect(decoded([...whole, 1])).toBeNull();
  expect(decoded(whole.slice(1))).toBeNull();
  expect(decoded({ ...whole })).toBeNull();
  for (const at of whole.keys()) {
    for (const wrong of ["1", [1], {}, true, 1e300, -(2 ** 60)]) {
      expect([at, wrong, decoded(whole.with(at, wrong as never))]).toEqual([at, wrong, null]);
    }
  }
  for (const at of [0, 1, 2, 8, 9]) expect(decoded(whole.with(at, null as never))).toBeNull();
  expect(decodeShort(new TextEncoder().encode(`${" ".repeat(600)}${JSON.stringify(whole)}`))).toBeNull();
  expect(decodeShort(new Uint8Array([0xff, 0, 1]))).toBeNull();
});
