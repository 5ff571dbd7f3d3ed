import type { SimHost, World } from "../../raft/sim/mod.ts";
import type { OwnAilment } from "../brain/health/course.ts";
import type { AilmentCause } from "../model/ailment.ts";

/** What ails a host, as the probes of production would find it at once. */
export class HostAilments {
  readonly #world: World;
  /** By true time. */
  readonly #sinceMs = new Map<AilmentCause, number>();

  constructor(world: World) {
    this.#world = world;
  }

  begin(cause: AilmentCause): void {
    if (!this.#sinceMs.has(cause)) this.#sinceMs.set(cause, this.#world.now());
  }

  end(cause: AilmentCause): void {
    this.#sinceMs.delete(cause);
  }

  /** On the clock of the host, which begins anew with each boot. */
  on(host: SimHost): OwnAilment[] {
    return [...this.#sinceMs].map(([cause, sinceMs]) => ({
      cause,
      severity: "critical",
      since: "",
      detail: "",
      sinceMs: host.nowMs() - (this.#world.now() - sinceMs),
    }));
  }
}
