/** Whether a position goes on, as seen from time to time. */
export class Movement {
  #last: number | null = null;
  #movedMs = -Infinity;

  /** null: it is not known at this moment. */
  see(position: number | null, nowMs: number): void {
    if (position === null) return;
    if (this.#last !== null && position > this.#last) this.#movedMs = nowMs;
    this.#last = position;
  }

  /** It was seen to have moved. */
  movedWithin(ms: number, nowMs: number): boolean {
    return nowMs - this.#movedMs < ms;
  }
}
