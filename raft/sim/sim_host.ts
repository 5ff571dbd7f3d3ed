/**
 * A host and the processes on it. A host has a clock of its own (rate and offset); a process can be killed,
 * and paused: while it is, what reaches it (timers, frames, disk completions) waits, and comes at once when
 * it goes on.
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

  /** From now on the clock runs at another rate; what it has shown stays. */
  setRate(rate: number): void {
    this.#offsetMs += this.world.now() * (this.#clockRate - rate);
    this.#clockRate = rate;
    for (const watcher of this.#rateWatchers) watcher();
  }

  /**
   * Calls `watcher` after each change of the rate: what was to happen at a time of this clock has another
   * true time.
   */
  onRate(watcher: () => void): void {
    this.#rateWatchers.push(watcher);
  }

  /** The clock that every process of this host reads. */
  nowMs(): number {
    return this.#offsetMs + this.world.now() * this.rate;
  }

  /** True ms until the clock shows `clockMs`; negative when it is past. */
  trueDelayTo(clockMs: number): number {
    return (clockMs - this.nowMs()) / this.rate;
  }

  /** The zero point of the clock changes with a reboot. */
  reboot(): void {
    this.#offsetMs = this.#rebootOffset() - this.world.now() * this.rate;
  }
}

export class SimProcess {
  alive = false;
  /** Of this process's life: what was meant for an earlier one is dropped. */
  incarnation = 0;
  /** True time of its start, or of the end of its last pause. */
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

  /** Runs now; later when paused; never when the life it was meant for is over. */
  deliver(incarnation: number, run: () => void): void {
    if (!this.alive || incarnation !== this.incarnation) return;
    if (this.#paused) {
      this.#waiting.push(run);
      return;
    }
    this.world.ran.add(this);
    run();
  }

  /** Stops the process for that long; an overlapping pause prolongs it. */
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

  /** What waited runs in the order of arrival; it may be killed by it. */
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
