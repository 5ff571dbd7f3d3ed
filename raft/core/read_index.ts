/**
 * Reads that a leader has promised to confirm (thesis 6.4). Each waits until a majority has answered a round
 * of heartbeats that began after the read was asked for.
 *
 * The leader numbers the rounds and reuses none in its term. A heartbeat carries the newest round, and its
 * answer means "answered up to N". The asker's own token never travels in heartbeats: if a retry reused it,
 * late answers to the first try would confirm the second one, on a leader that has been deposed in between.
 */
import { EMPTY_BYTES } from "./bytes.ts";
import { numberContext } from "./message.ts";
import { majorityIndex } from "./quorum.ts";
import type { Index, NodeId } from "./types.ts";

export interface ReadRequest {
  /** Member that asked; this node's own id for its own reads. */
  readonly from: NodeId;
  /** Mark of the asker, returned to it unchanged. */
  readonly context: Uint8Array;
}

interface PendingRead {
  readonly request: ReadRequest;
  readonly round: number;
  readonly index: Index;
}

export interface ConfirmedRead {
  readonly request: ReadRequest;
  readonly index: Index;
}

export class ReadIndexQueue {
  #held: ReadRequest[] = [];
  /** Waiting reads, by ascending rounds. */
  #pending: PendingRead[] = [];
  #lastRound = 0;
  readonly #answered = new Map<NodeId, number>();

  get size(): number {
    return this.#held.length + this.#pending.length;
  }

  /** Round that heartbeats carry; 0 when no read waits. */
  get round(): number {
    return this.#pending.at(-1)?.round ?? 0;
  }

  /** What heartbeats carry: that round, or nothing. */
  get context(): Uint8Array {
    return this.round === 0 ? EMPTY_BYTES : numberContext(this.round);
  }

  /** Holds a read until `begin`, while the commit index or the leadership cannot be relied on. */
  hold(request: ReadRequest): void {
    this.#held.push(request);
  }

  /** Starts a round for all held reads, to be confirmed at `index`. False when none is held. */
  begin(index: Index): boolean {
    if (this.#held.length === 0) return false;
    const round = ++this.#lastRound;
    for (const request of this.#held) this.#pending.push({ request, round, index });
    this.#held = [];
    return true;
  }

  /** Voids the answers given so far; waiting reads are held until a new round begins. */
  invalidate(): void {
    this.#held = [...this.#pending.map(({ request }) => request), ...this.#held];
    this.#pending = [];
  }

  /** Notes that `from` has answered a heartbeat with `round`. */
  answered(from: NodeId, round: number): void {
    if (round > this.#lastRound) return;
    this.#answered.set(from, Math.max(this.#answered.get(from) ?? 0, round));
  }

  /**
   * Takes out the reads that a majority of `voters`, `self` included if it is one, has confirmed. Rounds
   * ascend, so the newest round that a majority has answered confirms all before it: the cost does not grow
   * with the number of waiting reads.
   */
  takeConfirmed(voters: readonly NodeId[], self: NodeId): ConfirmedRead[] {
    const confirmed = majorityIndex(voters, (id) => id === self ? Infinity : this.#answered.get(id) ?? 0);
    const waits = this.#pending.findIndex(({ round }) => round > confirmed);
    return this.#pending.splice(0, waits < 0 ? this.#pending.length : waits);
  }

  /** Takes out all reads without any round, as a broken leader would. */
  takeUnconfirmed(): ConfirmedRead[] {
    const taken = this.#pending;
    this.#pending = [];
    return taken;
  }
}
