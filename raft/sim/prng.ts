/**
 * The only source of chance in a simulation: a seeded generator (xoshiro128**) that is split by name, so that
 * one component's draws never shift those of another. Only the run's seed may seed it.
 */

function mix(state: number): number {
  let z = (state + 0x9e3779b9) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

function hashName(name: string, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193) >>> 0;
  return mix(hash);
}

export class Prng {
  readonly seed: number;
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.#a = mix(this.seed);
    this.#b = mix(this.#a);
    this.#c = mix(this.#b);
    this.#d = mix(this.#c) | 1;
  }

  /** Makes an independent generator: the same name and seed always give the same draws. */
  split(name: string): Prng {
    return new Prng(hashName(name, this.seed));
  }

  /** Draws 32 random bits as an unsigned integer. */
  bits(): number {
    const product = Math.imul(this.#b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  /** Draws from [0, 1), like Math.random. A bound method, so that it can serve as a random function. */
  readonly unit = (): number => this.bits() / 0x1_0000_0000;

  /** Draws from [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.unit();
  }

  /** Draws an integer in [0, count). */
  below(count: number): number {
    return Math.floor(this.unit() * count);
  }

  chance(probability: number): boolean {
    return probability > 0 && this.unit() < probability;
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.unit());
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  /** Draws one of the keys, with the probability of its weight. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const keys = Object.keys(weights) as K[];
    let total = 0;
    for (const key of keys) total += weights[key];
    let rest = this.unit() * total;
    for (const key of keys) {
      rest -= weights[key];
      if (rest < 0) return key;
    }
    return this.pick(keys.filter((key) => weights[key] > 0));
  }
}
