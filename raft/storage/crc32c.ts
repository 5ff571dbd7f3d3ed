/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), table driven. `crc32c(bytes, crc32c(head))` equals the checksum of
 * both pieces together, which is how records and frames are checked without joining buffers.
 */

const TABLE = buildTable();

function buildTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    table[byte] = crc >>> 0;
  }
  return table;
}

/** Checksum of `bytes`, continuing from `previous` (0 to begin). Unsigned 32 bits. */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  let crc = ~previous;
  for (let i = 0; i < bytes.length; i++) crc = TABLE[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
