/**
 * Keyed checksum of the frames in one direction of one connection. An attacker without the key can neither
 * make, change, repeat, reorder nor leave out a frame that the other side takes: the checksum covers the
 * frame's number, which is not sent.
 */
import { createHmac } from "node:crypto";
import { assert } from "../core/assert.ts";
import { putUint53 } from "../core/integers.ts";

/** Size of the checksum: half of an HMAC-SHA256. */
export const FRAME_MAC_BYTES = 16;
/** Size of the frame's number. The header's eight bytes before the checksum follow it. */
const NUMBER_BYTES = 8;
const COVERED_HEADER_BYTES = 8;

/** Counts and checks frames. Both ends count alike: one instance for each direction at each end. */
export class FrameMac {
  #key: Uint8Array;
  #number = 0;
  #head = new Uint8Array(NUMBER_BYTES + COVERED_HEADER_BYTES);

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /**
   * Writes the checksum of the next frame, from `at`. `header` may go on behind the 8 bytes that are covered.
   */
  write(header: Uint8Array, payload: Uint8Array, at: number): void {
    const mac = this.#next(header, payload);
    for (let i = 0; i < FRAME_MAC_BYTES; i++) header[at + i] = mac[i]!;
  }

  /**
   * Whether `header` holds the checksum of the next frame, from `at`. Takes equally long for every wrong one.
   */
  holds(header: Uint8Array, payload: Uint8Array, at: number): boolean {
    const expected = this.#next(header, payload);
    let difference = 0;
    for (let i = 0; i < FRAME_MAC_BYTES; i++) difference |= expected[i]! ^ header[at + i]!;
    return difference === 0;
  }

  /** Computes the next checksum, which is longer than FRAME_MAC_BYTES: the rest is not used. */
  #next(header: Uint8Array, payload: Uint8Array): Uint8Array {
    assert(this.#number < Number.MAX_SAFE_INTEGER, "frame numbers are used up");
    putUint53(this.#head, 0, this.#number++);
    for (let i = 0; i < COVERED_HEADER_BYTES; i++) this.#head[NUMBER_BYTES + i] = header[i]!;
    return createHmac("sha256", this.#key).update(this.#head).update(payload).digest();
  }
}
