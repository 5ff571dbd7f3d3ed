/**
 * Bounds-checked reading and writing of the core's binary forms, big-endian. Reading never trusts a length:
 * it is compared with what is really there before anything is allocated.
 */
import { assertCount } from "./assert.ts";
import { getUint32BE, getUint53BE, putUint32BE, putUint53BE } from "./integers.ts";

/** The bytes are not what they claim to be. The sender or the file is at fault, never this node's state. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
}

export const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  /** `sizeHint`: total number of bytes expected; more is allowed. */
  constructor(sizeHint = 64) {
    this.#bytes = new Uint8Array(Math.max(16, sizeHint));
  }

  u8(value: number): void {
    const at = this.#claim(1);
    this.#bytes[at] = value;
  }

  u16(value: number): void {
    const at = this.#claim(2);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
  }

  u32(value: number): void {
    const at = this.#claim(4);
    putUint32BE(this.#bytes, at, value);
  }

  /** A safe non-negative integer, in eight bytes. */
  count(value: number): void {
    assertCount(value, "encoded number");
    const at = this.#claim(8);
    putUint53BE(this.#bytes, at, value);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#claim(bytes.length);
    this.#bytes.set(bytes, at);
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #claim(size: number): number {
    const at = this.#length;
    const needed = at + size;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#length = needed;
    return at;
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  u16(): number {
    const at = this.#take(2);
    return (this.#bytes[at]! << 8) | this.#bytes[at + 1]!;
  }

  u32(): number {
    return getUint32BE(this.#bytes, this.#take(4));
  }

  count(): number {
    const value = getUint53BE(this.#bytes, this.#take(8));
    if (!Number.isSafeInteger(value)) throw new DecodeError("a number exceeds 2^53");
    return value;
  }

  /** Copies the bytes, because the owner of the buffer may reuse it. */
  raw(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.slice(at, at + length);
  }

  /** Throws on trailing bytes: they mean that the two sides disagree about the format. */
  end(): void {
    if (this.remaining !== 0) throw new DecodeError(`${this.remaining} bytes too many`);
  }

  #take(size: number): number {
    if (size > this.remaining) {
      throw new DecodeError(`truncated: ${size} bytes wanted, ${this.remaining} there`);
    }
    const at = this.#at;
    this.#at += size;
    return at;
  }
}
