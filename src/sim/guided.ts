/**
 * For how long a member's agent has run and taken part in its cluster. Without that nobody takes a standby's
 * upstream away, and PostgreSQL connects again as it sees fit (docs/guarantees.md).
 */
import type { World } from "../../raft/sim/mod.ts";
import type { SimMember } from "./sim_member.ts";

export class Guided {
  readonly #sinceMs = new Map<string, number>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Called often. */
  look({ name, agent, member }: SimMember): void {
    if (!agent.alive || agent.isPaused || member?.isJoined !== true) this.#sinceMs.delete(name);
    else if (!this.#sinceMs.has(name)) this.#sinceMs.set(name, this.#world.now());
  }

  forMs(name: string): number {
    const sinceMs = this.#sinceMs.get(name);
    return sinceMs === undefined ? 0 : this.#world.now() - sinceMs;
  }
}
