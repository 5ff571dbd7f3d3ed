/**
 * Measures how long the answers of the other members take, on the leader: from the first heartbeat of a round
 * of reads to the answer that names the round. Heartbeats without a round are not measured, since their
 * answers cannot be told apart. For people only: nothing is decided by it.
 */
import type { NodeId } from "../core/types.ts";

/** A member that has not answered for so long has no present round trip. */
const FRESH_MS = 10_000;

export class RoundTrips {
  readonly #now: () => number;
  readonly #asked = new Map<NodeId, { readonly round: number; readonly atMs: number }>();
  readonly #last = new Map<NodeId, { readonly tookMs: number; readonly atMs: number }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** `round`: of the heartbeat; null: it has none. The same round goes out again until it is answered. */
  asked(to: NodeId, round: number | null): void {
    if (round === null || this.#asked.get(to)?.round === round) return;
    this.#asked.set(to, { round, atMs: this.#now() });
  }

  answered(from: NodeId, round: number | null): void {
    const asked = this.#asked.get(from);
    if (asked === undefined || asked.round !== round) return;
    this.#asked.delete(from);
    this.#last.set(from, { tookMs: this.#now() - asked.atMs, atMs: this.#now() });
  }

  /** null: this node does not lead, or the member has not answered lately. */
  lastMs(of: NodeId): number | null {
    const last = this.#last.get(of);
    return last === undefined || this.#now() - last.atMs > FRESH_MS ? null : last.tookMs;
  }
}
