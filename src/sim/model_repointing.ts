/**
 * Changes of a standby's upstream, as in upkeep.ts: one after the other. Where one takes long, a wish that is
 * being fulfilled already is none: asked for at each look, it would never be done.
 */
import type { Prng, SimProcess } from "../../raft/sim/mod.ts";
import type { PostgresMemory } from "../agent/postgres/memory.ts";
import type { Upstream } from "../model/upstream.ts";
import type { ModelServer } from "./model_server.ts";

export interface RepointingOptions {
  readonly server: ModelServer;
  readonly memory: PostgresMemory;
  readonly agent: SimProcess;
  readonly random: Prng;
  /** Runs it in so many ms, if the agent still lives then. */
  readonly later: (delayMs: number, run: () => void) => void;
  readonly changed: () => void;
}

export class ModelRepointing {
  #wish: string | null = null;
  #doneAtMs = 0;
  readonly #options: RepointingOptions;

  constructor(options: RepointingOptions) {
    this.#options = options;
  }

  follow(upstream: Upstream | null): void {
    const { server, memory, random, later, changed, agent: { world } } = this.#options;
    const wish = upstream?.name ?? null;
    const tookMs = random.between(1, 20) + server.repointMs;
    if (server.repointMs > 0 && memory.repointing > 0 && this.#wish === wish) return;
    this.#wish = wish;
    this.#doneAtMs = Math.max(this.#doneAtMs, world.now() + tookMs);
    memory.repointing++;
    later(this.#doneAtMs - world.now(), () => {
      memory.repointing--;
      memory.following = upstream;
      server.follow(wish);
      changed();
    });
  }
}
