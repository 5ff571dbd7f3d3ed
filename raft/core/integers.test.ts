import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  getUint32,
  getUint32BE,
  getUint53,
  getUint53BE,
  putUint32,
  putUint32BE,
  putUint53,
  putUint53BE,
} from "./integers.ts";

test("numbers are laid out as a DataView lays them out, and come back", () => {
  const value = fc.integer({ min: 0, max: 0xffff_ffff });
  fc.assert(fc.property(value, fc.nat(8), (number, at) => {
    const bytes = new Uint8Array(12);
    const view = new DataView(bytes.buffer);
    putUint32(bytes, at, number);
    expect(view.getUint32(at, true)).toBe(number);
    expect(getUint32(bytes, at)).toBe(number);
    putUint32BE(bytes, at, number);
    expect(view.getUint32(at)).toBe(number);
    expect(getUint32BE(bytes, at)).toBe(number);
  }));
  fc.assert(fc.property(fc.maxSafeNat(), fc.nat(4), (number, at) => {
    const bytes = new Uint8Array(12);
    putUint53(bytes, at, number);
    expect(new DataView(bytes.buffer).getBigUint64(at, true)).toBe(BigInt(number));
    expect(getUint53(bytes, at)).toBe(number);
    putUint53BE(bytes, at, number);
    expect(new DataView(bytes.buffer).getBigUint64(at)).toBe(BigInt(number));
    expect(getUint53BE(bytes, at)).toBe(number);
  }));
});

test("nothing is read or written outside of the bytes", () => {
  const bytes = new Uint8Array(7);
  for (const at of [-1, 4, 7]) {
    expect(() => getUint32(bytes, at)).toThrow(RangeError);
    expect(() => getUint32BE(bytes, at)).toThrow(RangeError);
    expect(() => putUint32(bytes, at, 1)).toThrow(RangeError);
    expect(() => putUint32BE(bytes, at, 1)).toThrow(RangeError);
  }
  expect(() => getUint53(bytes, 0)).toThrow(RangeError);
  expect(() => putUint53(bytes, 0, 1)).toThrow(RangeError);
  expect(() => getUint53BE(bytes, 0)).toThrow(RangeError);
  expect(() => putUint53BE(bytes, 0, 1)).toThrow(RangeError);
  expect(bytes).toEqual(new Uint8Array(7));
});
