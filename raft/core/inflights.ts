/** Window of append messages that were sent and not yet acknowledged, each by its last index. */
import { assert } from "./assert.ts";
import type { Index } from "./types.ts";

export class Inflights {
  readonly #capacity: number;
  readonly #capacityBytes: number;
  /** Messages in the order in which they were sent; indexes ascend. */
  #messages: { readonly last: Index; readonly bytes: number }[] = [];
  #bytes = 0;

  /**
   * `capacityBytes`: limit on the bytes of entries. The message that exceeds it is the last one that is sent.
   */
  constructor(capacity: number, capacityBytes: number) {
    assert(capacity > 0 && capacityBytes > 0, "an inflight window needs room for one message");
    this.#capacity = capacity;
    this.#capacityBytes = capacityBytes;
  }

  get count(): number {
    return this.#messages.length;
  }

  get full(): boolean {
    return this.#messages.length >= this.#capacity || this.#bytes >= this.#capacityBytes;
  }

  add(last: Index, bytes: number): void {
    assert(!this.full, "a message was sent although the inflight window is full");
    this.#messages.push({ last, bytes });
    this.#bytes += bytes;
  }

  /** An acknowledgement of `index` covers every message that ended at or below it. */
  freeUpTo(index: Index): void {
    const kept = this.#messages.findIndex(({ last }) => last > index);
    const freed = this.#messages.splice(0, kept === -1 ? this.#messages.length : kept);
    for (const { bytes } of freed) this.#bytes -= bytes;
  }

  reset(): void {
    this.#messages = [];
    this.#bytes = 0;
  }
}
