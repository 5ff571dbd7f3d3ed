/**
 * Links between simulated hosts beside raft: PostgreSQL's replication, and questions over the REST API. Both
 * take the network's paths, but a fault may cut raft alone (a firewall that lost a rule, a certificate that
 * ran out), or REST alone.
 */
import type { Fault, Prng, SimNetwork, SimProcess, World } from "../../raft/sim/mod.ts";
import type { FailsafeAnswer, FailsafeQuestion } from "../lease/failsafe.ts";

type Direction = readonly [from: number, to: number];

/** Requests and answers take this long on the average; some of them much longer. */
const DELAY_MEAN_MS = 2;
const SLOW_MAX_MS = 3000;

/** A host that asks and is asked over REST. */
export interface LinkedHost {
  readonly id: number;
  readonly agent: SimProcess;
  readonly apiUrl: string;
  /** null: no member runs there. */
  readonly member: { readonly failsafe: { answer(question: FailsafeQuestion): FailsafeAnswer } } | null;
}

export class Links {
  /** Share of requests and of answers that are slow. */
  slowRate = 0;
  accepted = 0;
  readonly #random: Prng;
  /** By direction: how many of the network's cuts are of raft alone. */
  readonly #raftOnly = new Map<string, number>();
  readonly #restOnly = new Map<string, number>();

  readonly #world: World;
  readonly #network: SimNetwork;

  constructor(world: World, network: SimNetwork) {
    this.#world = world;
    this.#network = network;
    this.#random = world.random.split("links");
  }

  /** Both ways open to everything but raft and REST. */
  reachable(a: number, b: number): boolean {
    return this.#open([a, b]) && this.#open([b, a]);
  }

  cutRaft(directions: readonly Direction[], durationMs: number): Fault {
    for (const direction of directions) {
      this.#network.cut(...direction);
      count(this.#raftOnly, direction, 1);
    }
    return {
      durationMs,
      text: directions.map((direction) => direction.join(">")).join(" "),
      end: () => {
        for (const direction of directions) {
          count(this.#raftOnly, direction, -1);
          this.#network.heal(...direction);
        }
      },
    };
  }

  cutRest(directions: readonly Direction[], durationMs: number): Fault {
    for (const direction of directions) count(this.#restOnly, direction, 1);
    return {
      durationMs,
      text: directions.map((direction) => direction.join(">")).join(" "),
      end: () => {
        for (const direction of directions) count(this.#restOnly, direction, -1);
      },
    };
  }

  /**
   * POST /failsafe, to the host at that url now. `done` is told once: null, why not, or that no answer came
   * in time.
   */
  ask(
    from: Pick<LinkedHost, "id" | "agent">,
    { url, host: to }: { readonly url: string; readonly host: LinkedHost | undefined },
    question: FailsafeQuestion,
    timeoutMs: number,
    done: (refusal: string | null) => void,
  ): void {
    const asking = from.agent.incarnation;
    let told = false;
    const tell = (refusal: string | null) =>
      from.agent.deliver(asking, () => {
        if (told) return;
        told = true;
        done(refusal);
      });
    this.#world.after(timeoutMs, () => tell("no answer in time"));
    if (to === undefined || to.apiUrl !== url) return;
    this.#carry([from.id, to.id], () => {
      const asked = to.agent.incarnation;
      to.agent.deliver(asked, () => {
        const answer = to.member?.failsafe.answer(question);
        if (answer === undefined) return;
        if (answer.kind === "accepted") this.accepted++;
        const refusal = answer.kind === "accepted"
          ? null
          : answer.kind === "refused"
          ? answer.reason
          : answer.kind;
        this.#carry([to.id, from.id], () => tell(refusal));
      });
    });
  }

  #carry(direction: Direction, arrive: () => void): void {
    const slowMs = this.#random.chance(this.slowRate) ? this.#random.between(0, SLOW_MAX_MS) : 0;
    const open = () => this.#open(direction) && of(this.#restOnly, direction) === 0;
    if (!open()) return;
    this.#world.after(this.#random.exponential(DELAY_MEAN_MS) + slowMs, () => {
      if (open()) arrive();
    });
  }

  #open(direction: Direction): boolean {
    return this.#network.cuts(...direction) <= of(this.#raftOnly, direction);
  }
}

function of(counts: ReadonlyMap<string, number>, direction: Direction): number {
  return counts.get(direction.join(">")) ?? 0;
}

function count(counts: Map<string, number>, direction: Direction, change: number): void {
  counts.set(direction.join(">"), of(counts, direction) + change);
}
