/**
 * For how long a member's agent has run and taken part in its cluster. Without that nobody takes a standby's
 * upstream away, and PostgreSQL connects again as it sees fit (docs/guarantees.md).
 */
import type { SimMember } from "./sim_member.ts";

export class Guided {
  readonly #sinceMs = new Map<string, number>();

  /** Called often. */
  look({ name, agent, member }: SimMember, nowMs: number): void {
    if (!agent.alive || agent.isPaused || member?.isJoined !== true) this.#sinceMs.delete(name);
    else if (!this.#sinceMs.has(name)) this.#sinceMs.set(name, nowMs);
  }

  forMs(name: string, nowMs: number): number {
    const sinceMs = this.#sinceMs.get(name);
    return sinceMs === undefined ? 0 : nowMs - sinceMs;
  }
}
