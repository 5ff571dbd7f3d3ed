/**
 * Limits one peer's share of the event loop. The runtime reads a socket for as long as there is something to
 * read: a peer that sends without end would take all of the loop that renews leases. So the time is checked
 * after each frame: the cost of a peer's frames between two turns of everything else is bounded, and then the
 * peer rests. Meanwhile its sockets are not read: TCP holds it back, and nothing is dropped, reordered or
 * kept in memory beyond what the runtime had read already. Raft takes that for a slow network.
 *
 * All connections of a peer have one share. The measure is time, not bytes or frames: a frame costs from 2 µs
 * (a ping) to some ms (a snapshot), and 5 ms of appends are as long as 5 ms of votes. The rest is short. It
 * gives the others their turn and is no penalty: a member that catches up is at its limit for seconds, and a
 * shared core makes any frame look long. With a rest as long as the stretch, catching up took half as long
 * again.
 *
 * Frames of no use are the exception: more than a member may send, or frames that no healthy member sends.
 * Besides time they take memory, since the garbage collector gives the runtime's buffers back late: a mad
 * member sent 100 MB a second, all of it dropped, and the process grew by 86 MiB. So after them the peer
 * rests for as long as they would have taken at 4 MB a second. This does not affect honest members: they send
 * few such frames, or none.
 */

/** Longest time for which frames of one peer may hold the loop at a stretch; the last one may exceed it. */
const STRETCH_MS = 5;
/** Length of a rest: timers and the sockets of all others have their turn within it. */
const REST_MS = 1;
/**
 * Rate at which frames of no use are paid for with rest, with some bytes more for the work of having read
 * them.
 */
const WASTED_BYTES_PER_MS = 4096;
const WASTED_FRAME_BYTES = 1024;
/** Longest rest, well below the silence after which a connection is given up. */
const MOST_REST_MS = 1000;

/** Share of one peer. */
export class LoopShare {
  readonly #now: () => number;
  #usedMs = 0;
  #lookedMs = -Infinity;
  /** Least length of the next rest. */
  #owedMs = 0;
  /** Work to resume after the rest; not null while the peer rests. */
  #waiting: (() => void)[] | null = null;

  /** `now`: ms of a clock that does not go back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether nothing of this peer is to be read: see `rest`. */
  get resting(): boolean {
    return this.#waiting !== null;
  }

  /**
   * Called before something of the peer is read. A new stretch begins when everything else had its turn since
   * the last time.
   */
  begin(): void {
    const now = this.#now();
    if (now - this.#lookedMs >= 1) this.#usedMs = 0;
    this.#lookedMs = now;
  }

  /** Called after a frame. True: the stretch is over. */
  spend(): boolean {
    const now = this.#now();
    this.#usedMs += now - this.#lookedMs;
    this.#lookedMs = now;
    return this.#usedMs >= STRETCH_MS || this.#owedMs >= REST_MS;
  }

  /** Notes that the current frame was of no use; its payload had so many bytes. */
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
