/** Visits between simulated hosts: the questions of one that looks for its cluster, by address, over the paths that raft takes. */
import type { Prng, SimNetwork, World } from "../../raft/sim/mod.ts";
import type { SearchNetwork } from "../../raft/mod.ts";
import type { SimMember } from "./sim_member.ts";

const DELAY_MEAN_MS = 2;
/** A host that says nothing is given up, and an answer that does not come, as by the production visitor. */
const SILENCE_MS = 3000;
const PATIENCE_MS = 20_000;

export class Visiting {
  private readonly random: Prng;

  constructor(
    private readonly world: World,
    private readonly network: SimNetwork,
    private readonly hosts: () => readonly SimMember[],
  ) {
    this.random = world.random.split("visits");
  }

  /** As SearchNetwork.ask, of the host with that name. */
  ask(from: string, ...[addr, question, done]: Parameters<SearchNetwork["ask"]>): () => void {
    const visitor = this.hosts().find(({ name }) => name === from)!;
    const { incarnation } = visitor.agent;
    let over = false;
    const end = (outcome: Parameters<typeof done>[0]) =>
      visitor.agent.deliver(incarnation, () => {
        if (over) return;
        over = true;
        done(outcome);
      });
    const fail = (afterMs: number) =>
      this.world.after(afterMs, () => end({ kind: "failed", reason: "no answer", refused: false }));
    fail(PATIENCE_MS);
    const host = this.hosts().find(({ place }) => place.addr === addr);
    if (!host?.agent.alive || !this.open(visitor, host)) {
      fail(SILENCE_MS);
    } else {
      const { agent, place } = host;
      const asked = agent.incarnation;
      this.carry(visitor, host, () =>
        agent.deliver(asked, () => {
          if (!place.door?.onVisit) return void fail(0);
          const answer = (bytes: Uint8Array) =>
            this.carry(host, visitor, () => end({ kind: "answer", bytes }));
          place.door.onVisit(question, answer, () => null);
        }));
    }
    return () => {
      over = true;
    };
  }

  private carry(from: SimMember, to: SimMember, arrive: () => void): void {
    this.world.after(this.random.exponential(DELAY_MEAN_MS), () => {
      if (this.open(from, to)) arrive();
    });
  }

  private open(a: SimMember, b: SimMember): boolean {
    return this.network.reachable(a.id, b.id);
  }
}
