import { Violation, type World } from "../../raft/sim/mod.ts";
import type { SimMember } from "./sim_member.ts";

/** How long something has been true of each member, without a break. */
export class Lasting {
  /** The longest time of all members. */
  longestMs = 0;
  readonly #sinceMs = new Map<SimMember, number>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Called often. Returns how long it has been true by now; 0 where it is not. */
  look(member: SimMember, isTrue: boolean): number {
    if (!isTrue) {
      this.#sinceMs.delete(member);
      return 0;
    }
    const nowMs = this.#world.now();
    const sinceMs = this.#sinceMs.get(member) ?? nowMs;
    this.#sinceMs.set(member, sinceMs);
    this.longestMs = Math.max(this.longestMs, nowMs - sinceMs);
    return nowMs - sinceMs;
  }

  /** Called often. Throws a Violation of `invariant` once it lasts for longer; null: it is not true. */
  limit(member: SimMember, limitMs: number | null, invariant: string, what: string): void {
    const lastsMs = this.look(member, limitMs !== null);
    if (limitMs === null || lastsMs <= limitMs) return;
    throw new Violation(invariant, `${member.name} has ${what} for ${(lastsMs / 1000).toFixed(1)} s`);
  }
}
