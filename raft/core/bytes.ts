/**
 * Bounds-checked reading and writing of the core's binary forms, big-endian. Reading never trusts a length:
 * it is compared with what is really there before anything is allocated.
 */
import { assertCount } from "./assert.ts";

/** The bytes are not what they claim to be. The sender or the file is at fault, never this node's state. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
}

export const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

const UINT32 = 0x1_0000_0000;

export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  /** `sizeHint`: bytes expected in all; more is allowed. */
  constructor(sizeHint = 64) {
    this.#bytes = new Uint8Array(Math.max(16, sizeHint));
    this.#view = new DataView(this.#bytes.buffer);
  }

  u8(value: number): void {
    const at = this.#claim(1);
    this.#view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.#claim(2);
    this.#view.setUint16(at, value);
  }

  u32(value: number): void {
    const at = this.#claim(4);
    this.#view.setUint32(at, value);
  }

  /** A safe non-negative integer, in eight bytes. */
  count(value: number): void {
    assertCount(value, "encoded number");
    const at = this.#claim(8);
    this.#view.setUint32(at, Math.floor(value / UINT32));
    this.#view.setUint32(at + 4, value % UINT32);
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
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = needed;
    return at;
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  count(): number {
    const at = this.#take(8);
    const value = this.#view.getUint32(at) * UINT32 + this.#view.getUint32(at + 4);
    if (!Number.isSafeInteger(value)) throw new DecodeError("a number exceeds 2^53");
    return value;
  }

  /** A copy: the buffer that is read from may be reused by its owner. */
  raw(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.slice(at, at + length);
  }

  /** Trailing bytes mean that the two sides disagree about the format. */
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
