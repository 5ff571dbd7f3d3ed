/**
 * Unsigned integers in byte arrays, read and written by index and not through a DataView. A DataView or
 * `subarray` asks a small Uint8Array for its `buffer`, which moves its contents out of the garbage collected
 * heap; that cost a tenth of a member's computing time for a commit. Little endian unless the name says
 * otherwise. Every offset must lie within the bytes: RangeError otherwise.
 */

const UINT32 = 0x1_0000_0000;

export function getUint32(bytes: Uint8Array, at: number): number {
  assertInside(bytes, at, 4);
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Writes the lowest 32 bits of `value`. */
export function putUint32(bytes: Uint8Array, at: number, value: number): void {
  assertInside(bytes, at, 4);
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/** Reads 32 bits, big endian. */
export function getUint32BE(bytes: Uint8Array, at: number): number {
  assertInside(bytes, at, 4);
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Writes the lowest 32 bits of `value`, big endian. */
export function putUint32BE(bytes: Uint8Array, at: number, value: number): void {
  assertInside(bytes, at, 4);
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Reads 64 bits; exact only up to 2^53. */
export function getUint53(bytes: Uint8Array, at: number): number {
  return getUint32(bytes, at) + getUint32(bytes, at + 4) * UINT32;
}

/** Writes `value` (a safe integer >= 0) as 64 bits. */
export function putUint53(bytes: Uint8Array, at: number, value: number): void {
  putUint32(bytes, at + 4, Math.floor(value / UINT32));
  putUint32(bytes, at, value % UINT32);
}

/** Reads 64 bits, big endian; exact only up to 2^53. */
export function getUint53BE(bytes: Uint8Array, at: number): number {
  return getUint32BE(bytes, at) * UINT32 + getUint32BE(bytes, at + 4);
}

/** Writes `value` (a safe integer >= 0) as 64 bits, big endian. */
export function putUint53BE(bytes: Uint8Array, at: number, value: number): void {
  putUint32BE(bytes, at + 4, value % UINT32);
  putUint32BE(bytes, at, Math.floor(value / UINT32));
}

function assertInside(bytes: Uint8Array, at: number, size: number): void {
  if (at < 0 || at + size > bytes.length) {
    throw new RangeError(`offset ${at} lies outside ${bytes.length} bytes`);
  }
}
