/** The wall clock of a simulated host. No decision may depend on it: it is stepped at will, and by days. */
import type { World } from "../../raft/sim/mod.ts";

/** The time at the beginning of a run. */
const EPOCH_MS = 1_700_000_000_000;

export class WallClock {
  #steppedMs = 0;

  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  readonly nowMs = (): number => EPOCH_MS + this.#world.now() + this.#steppedMs;

  step(byMs: number): void {
    this.#steppedMs += byMs;
  }
}
