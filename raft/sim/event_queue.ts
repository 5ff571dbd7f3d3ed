/** The one queue of all future events: a binary heap by time, ties in the order of scheduling. */

export class SimEvent {
  readonly atMs: number;
  readonly seq: number;
  run: (() => void) | null;

  constructor(atMs: number, seq: number, run: (() => void) | null) {
    this.atMs = atMs;
    this.seq = seq;
    this.run = run;
  }

  /** Cancels the event, which stays in the heap and is skipped when its time comes. */
  cancel(): void {
    this.run = null;
  }
}

export class EventQueue {
  readonly #heap: SimEvent[] = [];
  #seq = 0;

  get size(): number {
    return this.#heap.length;
  }

  push(atMs: number, run: () => void): SimEvent {
    const event = new SimEvent(atMs, this.#seq++, run);
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent]!;
      if (above.atMs <= atMs) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
    return event;
  }

  peek(): SimEvent | undefined {
    return this.#heap[0];
  }

  pop(): SimEvent | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = child + 1;
      if (right < heap.length && isBefore(heap[right]!, heap[child]!)) child = right;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq);
}
