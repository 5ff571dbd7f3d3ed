/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), eight bytes at a time with eight tables. `crc32c(bytes,
 * crc32c(head))` equals the checksum of both pieces together, which is how records and frames are checked
 * without joining buffers.
 */

const STEP = 8;
const TABLE_SIZE = 256;
/** Change of the checksum by byte `b` with `k` zero bytes behind it, at `k * 256 + b`. */
const TABLES = buildTables();

function buildTables(): Int32Array {
  const tables = new Int32Array(STEP * TABLE_SIZE);
  for (let byte = 0; byte < TABLE_SIZE; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    tables[byte] = crc;
  }
  for (let at = TABLE_SIZE; at < tables.length; at++) {
    const before = tables[at - TABLE_SIZE]!;
    tables[at] = (before >>> 8) ^ tables[before & 0xff]!;
  }
  return tables;
}

/**
 * Checksum of the bytes at `from` and before `to`, continuing from `previous` (0 to begin). Unsigned 32 bits.
 */
export function crc32c(bytes: Uint8Array, previous = 0, from = 0, to = bytes.length): number {
  let crc = ~previous;
  let at = from;
  for (; at + STEP <= to; at += STEP) {
    const first = crc ^
      (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    crc = TABLES[7 * TABLE_SIZE + (first & 0xff)]! ^ TABLES[6 * TABLE_SIZE + ((first >>> 8) & 0xff)]! ^
      TABLES[5 * TABLE_SIZE + ((first >>> 16) & 0xff)]! ^ TABLES[4 * TABLE_SIZE + (first >>> 24)]! ^
      TABLES[3 * TABLE_SIZE + bytes[at + 4]!]! ^ TABLES[2 * TABLE_SIZE + bytes[at + 5]!]! ^
      TABLES[TABLE_SIZE + bytes[at + 6]!]! ^ TABLES[bytes[at + 7]!]!;
  }
  for (; at < to; at++) crc = TABLES[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/**
 * Whether the checksums of two texts of `length` bytes that differ in one bit can differ by `difference`
 * (their XOR). The checksum is linear, so that depends only on the bit's distance from the end.
 */
export function differsByOneBit(difference: number, length: number): boolean {
  const wanted = difference | 0;
  const changes = Array.from({ length: 8 }, (_, bit) => TABLES[1 << bit]!);
  for (let behind = 0; behind < length; behind++) {
    for (let bit = 0; bit < 8; bit++) {
      const change = changes[bit]!;
      if (change === wanted) return true;
      changes[bit] = TABLES[change & 0xff]! ^ (change >>> 8);
    }
  }
  return false;
}
