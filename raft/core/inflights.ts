/** The window of append messages that were sent and not yet acknowledged, by the last index of each. */
import { assert } from "./assert.ts";
import type { Index } from "./types.ts";

export class Inflights {
  readonly #capacity: number;
  /** Ascending; first sent first. */
  #lastIndexes: Index[] = [];

  constructor(capacity: number) {
    assert(capacity > 0, "an inflight window needs room for one message");
    this.#capacity = capacity;
  }

  get count(): number {
    return this.#lastIndexes.length;
  }

  get full(): boolean {
    return this.#lastIndexes.length >= this.#capacity;
  }

  add(lastIndex: Index): void {
    assert(!this.full, "a message was sent although the inflight window is full");
    this.#lastIndexes.push(lastIndex);
  }

  /** An acknowledgement of `index` covers every message that ended at or below it. */
  freeUpTo(index: Index): void {
    const kept = this.#lastIndexes.findIndex((last) => last > index);
    this.#lastIndexes = kept === -1 ? [] : this.#lastIndexes.slice(kept);
  }

  reset(): void {
    this.#lastIndexes = [];
  }
}
