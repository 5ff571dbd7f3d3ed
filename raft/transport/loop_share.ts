/**
 * How much of the event loop one peer may have. The runtime reads a socket for as long as there is something
 * to read, so a peer that sends without end would be all that is ever heard, and the loop renews leases. So
 * after each frame the time is looked at: what a peer's frames cost between two turns of everything else is
 * bounded, and after that the peer rests. Meanwhile its sockets are not read: TCP holds it back, and nothing
 * is dropped, reordered or kept in memory beyond what the runtime had read already. Raft takes that for a
 * slow network.
 *
 * All connections of a peer have one share. The measure is time and neither bytes nor frames: a frame costs
 * from 2 us (a ping) to some ms (a snapshot), and 5 ms of appends are as long as 5 ms of votes. The rest is
 * short: it is there for the others' turns and not as a penalty, since a member that catches up is at its
 * limit for seconds, and a core that is shared makes any frame look long. With a rest as long as the stretch,
 * catching up took half as long again.
 *
 * Frames of no use are the exception: too many for what a member may say, or nothing that one in good order
 * sends. What they take besides time is memory, since the runtime's buffers are given back late, by the
 * garbage collector: a member that had gone mad sent 100 MB a second, all of it dropped, and the process grew
 * by 86 MiB. So after them the peer rests for as long as they would have taken at 4 MB a second. Honest
 * members are not concerned: they send few such frames, or none.
 */

/** Frames of one peer may hold the loop for so long at a stretch; the last one may exceed it. */
const STRETCH_MS = 5;
/** Timers and the sockets of all others have their turn within it. */
const REST_MS = 1;
/**
 * A frame of no use is paid for with as long a rest as so many bytes take, and some for the work of having
 * read it.
 */
const WASTED_BYTES_PER_MS = 4096;
const WASTED_FRAME_BYTES = 1024;
/** Well below the silence after which a connection is given up. */
const MOST_REST_MS = 1000;

/** One for each peer. */
export class LoopShare {
  readonly #now: () => number;
  #usedMs = 0;
  #lookedMs = -Infinity;
  /** The next rest lasts for so long at least. */
  #owedMs = 0;
  /** Not null while the peer rests: what goes on after it. */
  #waiting: (() => void)[] | null = null;

  /** `now`: ms of a clock that does not go back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Nothing of this peer is to be read: see `rest`. */
  get resting(): boolean {
    return this.#waiting !== null;
  }

  /**
   * Something of the peer is about to be read. A new stretch begins when everything else had its turn since
   * the last time.
   */
  begin(): void {
    const now = this.#now();
    if (now - this.#lookedMs >= 1) this.#usedMs = 0;
    this.#lookedMs = now;
  }

  /** A frame is done with. True: that was the end of the stretch. */
  spend(): boolean {
    const now = this.#now();
    this.#usedMs += now - this.#lookedMs;
    this.#lookedMs = now;
    return this.#usedMs >= STRETCH_MS || this.#owedMs >= REST_MS;
  }

  /** The frame that is being read was of no use; its payload had so many bytes. */
  wasted(bytes: number): void {
    const owedMs = this.#owedMs + (WASTED_FRAME_BYTES + bytes) / WASTED_BYTES_PER_MS;
    this.#owedMs = Math.min(MOST_REST_MS, owedMs);
  }

  /** Calls `resume` once, when the peer has rested. */
  rest(resume: () => void): void {
    if (this.#waiting === null) {
      this.#waiting = [];
      setTimeout(() => this.#rested(), Math.max(REST_MS, this.#owedMs));
      this.#usedMs = 0;
      this.#owedMs = 0;
    }
    this.#waiting.push(resume);
  }

  #rested(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const resume of waiting) resume();
  }
}
