import { expect, test } from "bun:test";
import fc from "fast-check";
import { crc32c } from "./crc32c.ts";

// RFC 3720 appendix B.4, and the usual check value.
for (
  const [what, bytes, expected] of [
    ["32 zeros", new Uint8Array(32), 0x8a9136aa],
    ["32 ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ["32 bytes that rise", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ["32 bytes that fall", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
    ["the digits", new TextEncoder().encode("123456789"), 0xe3069283],
    ["nothing", new Uint8Array(0), 0],
  ] as const
) {
  test(`the checksum of ${what}`, () => {
    expect(crc32c(bytes)).toBe(expected);
  });
}

test("pieces one after another have the checksum of the whole", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), fc.nat(100), (bytes, a, b) => {
    const [from, to] = [Math.min(a, b, bytes.length), Math.min(Math.max(a, b), bytes.length)];
    const head = crc32c(bytes, 0, 0, from);
    expect(crc32c(bytes, crc32c(bytes, head, from, to), to)).toBe(crc32c(bytes));
    expect(crc32c(bytes, 0, from, to)).toBe(crc32c(bytes.slice(from, to)));
  }));
});
