/**
 * Tools for tests at the borders of the product, where bytes and texts come from others: any input is
 * understood or refused, in bounded time and memory. `npm run fuzz` gives every border inputs for 12 s
 * (`BORDER_SECONDS`), or so many as `INPUTS` says; it prints how many there were and what the worst one cost.
 */
import { test } from "bun:test";
import fc from "fast-check";

/** Number of inputs for each border; null: as many as its test finds enough. */
const ASKED = process.env.INPUTS === undefined ? null : Number(process.env.INPUTS);

/** Time for the inputs of each border, s; null: their number counts. */
const ASKED_SECONDS = ASKED !== null || process.env.BORDER_SECONDS === undefined
  ? null
  : Number(process.env.BORDER_SECONDS);
/** Between two looks at the time. */
const BATCH = 100;
/** Inputs that compile the code and fill memory that is kept once, at most. */
const WARMING = 1000;

/** CPU time that one input may take, unless its border says otherwise, ms. Most take less than one. */
export const INPUT_MS = 100;

/** Largest memory kept after any number of inputs, bytes. */
const MAX_KEPT_BYTES = 64 * 1024 * 1024;

/**
 * Number of tries: a slow input is slow each time, unlike a chance delay (a garbage collection, a compiler
 * thread).
 */
const TRIES = 4;

/** Declares a test under the name that `npm run fuzz` looks for. */
export function borderTest(border: string, usual: number, run: (inputs: Inputs) => unknown): void {
  const count = ASKED ?? usual;
  test(`any input: ${border}`, async () => {
    const inputs = new Inputs(border, count, ASKED_SECONDS);
    await run(inputs);
    inputs.end();
  }, 60_000 + (ASKED_SECONDS === null ? count * 20 : ASKED_SECONDS * 4000));
}

/** Gives the property as many inputs as are wanted. */
export async function assertFor<T>(inputs: Inputs, property: fc.IAsyncProperty<T>): Promise<void> {
  for (let given = 0; inputs.wants(given);) {
    const numRuns = inputs.isTimed ? BATCH : inputs.count;
    await fc.assert(property, { numRuns });
    given += numRuns;
  }
}

export interface BorderOptions {
  /** Number of inputs without INPUTS. @default 1000 */
  readonly usual?: number;
  /** Largest CPU time of one input, ms. @default INPUT_MS */
  readonly limitMs?: number;
}

/**
 * Declares a test that `judge` throws for no input, and takes bounded time and memory. `judge` may be called
 * again with the same input.
 */
export function anyInput<T>(
  border: string,
  arbitrary: fc.Arbitrary<T>,
  judge: (input: T) => unknown,
  { usual = 1000, limitMs = INPUT_MS }: BorderOptions = {},
): void {
  borderTest(border, usual, (inputs) =>
    assertFor(
      inputs,
      fc.asyncProperty(arbitrary, async (input) => {
        const pending = inputs.tried(() => judge(input), limitMs);
        if (pending !== null) await pending;
      }),
    ));
}

/** Any bytes, or one of these samples with some bytes replaced, cut off or added. */
export function spoiled(samples: readonly Uint8Array[], maxLength = 200): fc.Arbitrary<Uint8Array> {
  const change = fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 127, 128, 255)));
  const changed = fc.record({
    sample: fc.constantFrom(...samples),
    changes: fc.array(change, { maxLength: 3 }),
    end: fc.option(fc.nat()),
    more: fc.oneof(
      { weight: 4, arbitrary: fc.constant(new Uint8Array(0)) },
      fc.uint8Array({ maxLength: 20 }),
    ),
  }).map(({ sample, changes, end, more }) => {
    const bytes = sample.slice();
    for (const [at, to] of changes) bytes[at % bytes.length] = to;
    const kept = end === null || end % 4 > 0 ? bytes : bytes.subarray(0, end % bytes.length);
    return more.length === 0 ? kept : new Uint8Array([...kept, ...more]);
  });
  return fc.oneof({ weight: 1, arbitrary: fc.uint8Array({ maxLength }) }, { weight: 4, arbitrary: changed });
}

/** Keys of a map with a meaning in the language. */
export const ODD_KEYS: readonly string[] = [
  "__proto__",
  "constructor",
  "toString",
  "valueOf",
  "toJSON",
  "length",
];

/** Counts and times the inputs of one border. */
export class Inputs {
  #done = 0;
  #slowestMs = 0;
  #startBytes: number | null = null;
  #startResident = 0;
  #mostResident = 0;
  readonly #begunMs = performance.now();

  readonly border: string;
  readonly count: number;

  readonly #seconds: number | null;

  /** `seconds`: their time, in place of their number; null: their number counts. */
  constructor(border: string, count: number, seconds: number | null = null) {
    this.border = border;
    this.count = count;
    this.#seconds = seconds;
  }

  get isTimed(): boolean {
    return this.#seconds !== null;
  }

  /** Number of inputs so far. */
  get done(): number {
    return this.#done;
  }

  /** Whether there are to be more inputs than `given`. */
  wants(given: number): boolean {
    if (this.#seconds === null) return given < this.count;
    return performance.now() - this.#begunMs < this.#seconds * 1000;
  }

  /**
   * Judges an input; throws when `judge` does, or takes too long each time. Returns null, or the promise of
   * the rest.
   */
  tried(judge: () => unknown, limitMs = INPUT_MS): Promise<void> | null {
    const beganMs = cpuMs();
    const result = judge();
    if (result instanceof Promise) return result.then(() => this.#took(cpuMs() - beganMs, judge, limitMs));
    const tookMs = cpuMs() - beganMs;
    return tookMs > limitMs ? this.#took(tookMs, judge, limitMs) : this.#counted(tookMs);
  }

  async #took(firstMs: number, judge: () => unknown, limitMs: number): Promise<void> {
    let tookMs = firstMs;
    for (let again = 1; again < TRIES && tookMs > limitMs; again++) {
      const beganMs = cpuMs();
      await judge();
      tookMs = Math.min(tookMs, cpuMs() - beganMs);
    }
    this.#counted(tookMs);
    if (tookMs > limitMs) {
      throw new Error(`an input took ${tookMs} ms of CPU time: at most ${limitMs} are allowed`);
    }
  }

  #counted(tookMs: number): null {
    this.#slowestMs = Math.max(this.#slowestMs, tookMs);
    if (++this.#done === (this.isTimed ? BATCH : Math.min(WARMING, this.count >> 1))) {
      this.#startBytes = keptBytes();
      this.#startResident = process.memoryUsage.rss();
    }
    if (this.#done % 1024 === 0) this.#mostResident = Math.max(this.#mostResident, process.memoryUsage.rss());
    return null;
  }

  /** Ends the test; throws when more memory is kept than at the beginning. */
  end(): void {
    const grown = keptBytes() - (this.#startBytes ?? Infinity);
    if (ASKED !== null || this.isTimed) {
      const mib = (bytes: number) => `${(Math.max(0, bytes) / 1024 / 1024).toFixed(1)} MiB`;
      const seconds = ((performance.now() - this.#begunMs) / 1000).toFixed(0);
      console.log(
        `${this.border}: ${this.#done} inputs in ${seconds} s; the slowest took ${
          this.#slowestMs.toFixed(1)
        } ms; ` +
          `memory kept +${mib(grown)}, resident at most +${mib(this.#mostResident - this.#startResident)}`,
      );
    }
    if (grown > MAX_KEPT_BYTES) throw new Error(`${grown} bytes more are kept than before the inputs`);
  }
}

function keptBytes(): number {
  Bun.gc(true);
  return process.memoryUsage().heapUsed;
}

/** CPU time of this process so far, ms. Wall time would include the host's other work. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
