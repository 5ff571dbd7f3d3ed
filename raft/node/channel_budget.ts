/**
 * How much a member may say on the opaque channels. What is beyond it is dropped unread: nothing that is said there has to
 * arrive, and reading it is work for the loop that renews the lease. A member in good order needs a tenth of it. Pure.
 */
import type { NodeId } from "../core/types.ts";

/** Messages; one of more than 4 kB counts as several. */
const PER_SECOND = 250;
const BURST = 500;
const UNIT_BYTES = 4096;

export class ChannelBudget {
  readonly #now: () => number;
  readonly #left = new Map<NodeId, { messages: number; filledMs: number }>();

  /** `now`: ms of a clock that does not go back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** False: this one is too much. Only members are asked about, so that what is remembered is bounded. */
  take(from: NodeId, bytes: number): boolean {
    const nowMs = this.#now();
    const left = this.#left.get(from) ?? { messages: BURST, filledMs: nowMs };
    this.#left.set(from, left);
    left.messages = Math.min(BURST, left.messages + (nowMs - left.filledMs) / 1000 * PER_SECOND);
    left.filledMs = nowMs;
    const cost = 1 + Math.floor(bytes / UNIT_BYTES);
    if (left.messages < cost) return false;
    left.messages -= cost;
    return true;
  }
}
