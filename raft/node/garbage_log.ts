/**
 * Logs unusable messages of members: one line a minute for each member, because the sender decides what comes
 * and how often. Pure.
 */
import type { NodeId } from "../core/types.ts";

const EVERY_MS = 60_000;
const MAX_TEXT = 500;

export class GarbageLog {
  readonly #now: () => number;
  readonly #say: (from: NodeId, text: string) => void;
  #saidMs = new Map<NodeId, number>();

  /** `now`: ms of a clock that does not go back. `say`: writes the line. */
  constructor(now: () => number, say: (from: NodeId, text: string) => void) {
    this.#now = now;
    this.#say = say;
  }

  note(from: NodeId, text: string): void {
    const nowMs = this.#now();
    if (nowMs - (this.#saidMs.get(from) ?? -Infinity) < EVERY_MS) return;
    this.#saidMs.set(from, nowMs);
    this.#say(from, text.slice(0, MAX_TEXT));
  }
}
