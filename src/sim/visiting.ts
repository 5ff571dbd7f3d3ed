/**
 * Visits between simulated hosts: the questions of a host that looks for its cluster, by address, over the
 * paths that raft takes.
 */
import type { Prng, SimNetwork, SimProcess, World } from "../../raft/sim/mod.ts";
import type { SearchNetwork, TransportHandlers } from "../../raft/mod.ts";

const DELAY_MEAN_MS = 2;
/** A silent host is given up, and so is a missing answer, as by the production visitor. */
const SILENCE_MS = 3000;
const PATIENCE_MS = 20_000;

/** A host that visits and is visited. */
export interface VisitHost {
  readonly id: number;
  readonly name: string;
  readonly agent: SimProcess;
  /** `door`: of the agent that runs there; null: none listens. */
  readonly place: { readonly addr: string; readonly door: TransportHandlers | null };
}

export class Visiting {
  readonly #random: Prng;

  readonly #world: World;
  readonly #network: SimNetwork;
  readonly #hosts: () => readonly VisitHost[];

  constructor(
    world: World,
    network: SimNetwork,
    hosts: () => readonly VisitHost[],
  ) {
    this.#world = world;
    this.#network = network;
    this.#hosts = hosts;
    this.#random = world.random.split("visits");
  }

  /** As SearchNetwork.ask, of the host with that name. */
  ask(from: string, ...[addr, question, done]: Parameters<SearchNetwork["ask"]>): () => void {
    const visitor = this.#hosts().find(({ name }) => name === from)!;
    const { incarnation } = visitor.agent;
    let over = false;
    const end = (outcome: Parameters<typeof done>[0]) =>
      visitor.agent.deliver(incarnation, () => {
        if (over) return;
        over = true;
        done(outcome);
      });
    const fail = (afterMs: number) =>
      this.#world.after(afterMs, () => end({ kind: "failed", reason: "no answer", refused: false }));
    fail(PATIENCE_MS);
    const host = this.#hosts().find(({ place }) => place.addr === addr);
    if (!host?.agent.alive || !this.#open(visitor, host)) {
      fail(SILENCE_MS);
    } else {
      const { agent, place } = host;
      const asked = agent.incarnation;
      this.#carry(visitor, host, () =>
        agent.deliver(asked, () => {
          if (!place.door?.onVisit) return void fail(0);
          const answer = (bytes: Uint8Array) =>
            this.#carry(host, visitor, () => end({ kind: "answer", bytes }));
          place.door.onVisit(question, answer, () => null);
        }));
    }
    return () => {
      over = true;
    };
  }

  #carry(from: VisitHost, to: VisitHost, arrive: () => void): void {
    this.#world.after(this.#random.exponential(DELAY_MEAN_MS), () => {
      if (this.#open(from, to)) arrive();
    });
  }

  #open(a: VisitHost, b: VisitHost): boolean {
    return this.#network.reachable(a.id, b.id);
  }
}
