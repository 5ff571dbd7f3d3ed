/**
 * Faults of a run, as in swarm testing: a seed draws the kinds of faults, their frequency and their strength,
 * so that some runs concentrate on one kind. Each fault has an end; calm() ends all of them at once, for the
 * phase that asks for recovery.
 */
import type { NodeId } from "../core/types.ts";
import type { SimEvent } from "./event_queue.ts";
import type { Prng } from "./prng.ts";
import type { NetworkSettings, SimNetwork } from "./sim_network.ts";
import type { DiskSettings } from "./sim_storage.ts";
import type { World } from "./world.ts";

/** Fault that has begun; `end` undoes it. */
export interface Fault {
  readonly durationMs: number;
  readonly text: string;
  end(): void;
}

/** Begins a fault, or says that it makes no sense now. */
export type FaultMaker = (random: Prng) => Fault | null;

export class FaultInjector<K extends string> {
  readonly counts = new Map<K, number>();
  readonly #random: Prng;
  readonly #going = new Set<{ readonly event: SimEvent; readonly fault: Fault }>();
  #next: SimEvent | null = null;
  #started = false;

  readonly #world: World;
  readonly #makers: Readonly<Record<K, FaultMaker>>;
  /** Kinds of faults of this run, with their weights. */
  readonly #weights: Readonly<Record<K, number>>;
  readonly #gapMeanMs: number;

  constructor(
    world: World,
    makers: Readonly<Record<K, FaultMaker>>,
    weights: Readonly<Record<K, number>>,
    gapMeanMs: number,
  ) {
    this.#world = world;
    this.#makers = makers;
    this.#weights = weights;
    this.#gapMeanMs = gapMeanMs;
    this.#random = world.random.split("faults");
  }

  /** Whether faults may begin: true between start and calm. */
  get active(): boolean {
    return this.#started;
  }

  start(): void {
    this.#started = true;
    if (Object.values<number>(this.#weights).every((weight) => weight === 0)) return;
    this.#next = this.#world.after(this.#random.exponential(this.#gapMeanMs), () => {
      this.inject(this.#random.weighted(this.#weights));
      this.start();
    });
  }

  inject(kind: K): void {
    const fault = this.#makers[kind](this.#random);
    if (fault !== null) this.begun(kind, fault);
  }

  /** Counts a fault that has begun, and ends it in time. */
  begun(kind: K, fault: Fault): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    this.#world.log.add("fault", `${kind}: ${fault.text}, for ${(fault.durationMs / 1000).toFixed(2)} s`);
    const event = this.#world.after(fault.durationMs, () => {
      this.#going.delete(item);
      this.#world.log.add("fault", `${kind} ends: ${fault.text}`);
      fault.end();
    });
    const item = { event, fault };
    this.#going.add(item);
  }

  /** Stops making faults, and ends the current ones. */
  calm(): void {
    this.#started = false;
    this.#next?.cancel();
    for (const { event, fault } of this.#going) {
      event.cancel();
      fault.end();
    }
    this.#going.clear();
    this.#world.log.add("fault", "all faults end");
  }
}

export type NetworkFault = "isolate" | "one-way" | "pair";

/** Cuts directions between nodes, each a pair of sender and receiver. */
export function cutFault(
  network: SimNetwork,
  directions: readonly (readonly [NodeId, NodeId])[],
  durationMs: number,
): Fault {
  for (const [from, to] of directions) network.cut(from, to);
  return {
    durationMs,
    text: directions.map(([from, to]) => `${from}>${to}`).join(" "),
    end: () => {
      for (const [from, to] of directions) network.heal(from, to);
    },
  };
}

/** All directions to and from a node. */
export function directionsOf(node: NodeId, ids: readonly NodeId[]): (readonly [NodeId, NodeId])[] {
  return ids.filter((other) => other !== node).flatMap((other) => [[node, other], [other, node]] as const);
}

/** Makers of cuts: a node from all others, single directions, a pair of nodes. `pick` draws the node. */
export function networkFaults(
  network: SimNetwork,
  ids: readonly NodeId[],
  maxMs: number,
  pick: (random: Prng) => NodeId = (random) => random.pick(ids),
): Record<NetworkFault, FaultMaker> {
  const directions = ids.flatMap((a) => ids.filter((b) => b !== a).map((b) => [a, b] as const));
  const cut = (random: Prng, which: readonly (readonly [NodeId, NodeId])[]) =>
    cutFault(network, which, random.between(maxMs / 50, maxMs));
  return {
    isolate: (random) => cut(random, directionsOf(pick(random), ids)),
    "one-way": (random) => cut(random, directions.filter(() => random.chance(0.3))),
    pair: (random) => {
      const [a, b] = random.pick(directions);
      return cut(random, [[a, b], [b, a]]);
    },
  };
}

/** Draws the kinds of a run: each is in it with the given probability, with a weight of its own. */
export function drawWeights<K extends string>(
  random: Prng,
  kinds: readonly K[],
  probability: number,
): Record<K, number> {
  const weights = {} as Record<K, number>;
  for (const kind of kinds) weights[kind] = random.chance(probability) ? random.between(0.2, 1) : 0;
  return weights;
}

/** Makes the network as bad as this run's seed wants it. */
export function drawNetwork(random: Prng, settings: NetworkSettings): void {
  settings.lossRate = random.chance(0.5) ? random.between(0, 0.1) : 0;
  settings.delayMeanMs = random.chance(0.3) ? random.between(1, 10) : 0.5;
  settings.longDelayRate = random.chance(0.5) ? random.between(0, 0.05) : 0;
  settings.longDelayMaxMs = random.between(50, 3000);
  settings.duplicateRate = random.chance(0.3) ? random.between(0, 0.1) : 0;
  settings.replayMaxMs = random.chance(0.5) ? random.between(10, 30_000) : 10;
  settings.ordered = random.chance(0.5);
  settings.heldByCut = random.chance(0.7);
  settings.silenceMs = random.between(1000, 5000);
}

export function drawDisk(random: Prng, settings: DiskSettings): void {
  settings.syncMeanMs = random.chance(0.3) ? random.between(1, 20) : 1;
  settings.slowRate = random.chance(0.3) ? random.between(0, 0.05) : 0;
  settings.slowMaxMs = random.between(10, 1500);
}
