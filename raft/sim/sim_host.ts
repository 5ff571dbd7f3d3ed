/**
 * A host and the processes on it. A host has a clock of its own (rate and offset). A process can be killed,
 * and paused: then all input (timers, frames, disk completions) waits, and comes at once when the process
 * goes on.
 */
import type { World } from "./world.ts";

export class SimHost {
  #clockRate: number;
  #offsetMs: number;
  readonly #rateWatchers: (() => void)[] = [];

  readonly world: World;
  readonly name: string;

  constructor(world: World, name: string, rho: number) {
    this.world = world;
    this.name = name;
    const random = world.random.split(`host ${name}`);
    this.#clockRate = 1 + random.between(-rho, rho);
    this.#offsetMs = random.between(0, 1e8);
    this.#rebootOffset = () => random.between(0, 1e6);
  }

  readonly #rebootOffset: () => number;

  /** Clock ms per true ms. */
  get rate(): number {
    return this.#clockRate;
  }

  /** Changes the rate of the clock from now on; the current reading stays. */
  setRate(rate: number): void {
    this.#offsetMs += this.world.now() * (this.#clockRate - rate);
    this.#clockRate = rate;
    for (const watcher of this.#rateWatchers) watcher();
  }

  /** Calls `watcher` after each change of the rate: times of this clock then have other true times. */
  onRate(watcher: () => void): void {
    this.#rateWatchers.push(watcher);
  }

  /** Reading of the clock, for every process of this host. */
  nowMs(): number {
    return this.#offsetMs + this.world.now() * this.rate;
  }

  /** True ms until the clock shows `clockMs`; negative when it is past. */
  trueDelayTo(clockMs: number): number {
    return (clockMs - this.nowMs()) / this.rate;
  }

  /** Reboots the host, which changes the zero point of its clock. */
  reboot(): void {
    this.#offsetMs = this.#rebootOffset() - this.world.now() * this.rate;
  }
}

export class SimProcess {
  alive = false;
  /** Number of the process's current life: input for an earlier one is dropped. */
  incarnation = 0;
  /** True time of the process's start, or of the end of its last pause. */
  awakeSinceMs = 0;
  #paused = false;
  #resumeAtMs = 0;
  readonly #waiting: (() => void)[] = [];

  readonly host: SimHost;
  readonly name: string;

  constructor(host: SimHost, name: string) {
    this.host = host;
    this.name = name;
  }

  get world(): World {
    return this.host.world;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  start(): void {
    if (this.alive) throw new Error(`${this.name} is running already`);
    this.alive = true;
    this.awakeSinceMs = this.world.now();
    this.incarnation++;
  }

  kill(): void {
    this.alive = false;
    this.#paused = false;
    this.#waiting.length = 0;
  }

  /** Runs the input now; later when the process is paused; never when the life it was meant for is over. */
  deliver(incarnation: number, run: () => void): void {
    if (!this.alive || incarnation !== this.incarnation) return;
    if (this.#paused) {
      this.#waiting.push(run);
      return;
    }
    this.world.ran.add(this);
    run();
  }

  /** Pauses the process for `durationMs`; an overlapping pause prolongs it. */
  pause(durationMs: number): void {
    if (!this.alive) return;
    const until = this.world.now() + durationMs;
    if (this.#paused && until <= this.#resumeAtMs) return;
    this.#paused = true;
    this.#resumeAtMs = until;
    const incarnation = this.incarnation;
    this.world.after(durationMs, () => {
      if (this.alive && incarnation === this.incarnation && this.#paused && this.#resumeAtMs <= until) {
        this.resume();
      }
    });
  }

  /** Runs the waiting input in the order of arrival; that may kill the process. */
  resume(): void {
    this.#paused = false;
    this.awakeSinceMs = this.world.now();
    const incarnation = this.incarnation;
    this.world.ran.add(this);
    while (this.alive && this.incarnation === incarnation && !this.#paused) {
      const run = this.#waiting.shift();
      if (run === undefined) return;
      run();
    }
  }
}
