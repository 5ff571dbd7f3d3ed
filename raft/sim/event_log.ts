/** The last events of a run, kept in a ring and printed when it fails; every line at once when traced. */

const KEPT = 4000;

export class EventLog {
  readonly #ring: string[] = [];
  #next = 0;

  readonly #nowMs: () => number;
  readonly #trace: ((line: string) => void) | null;

  constructor(
    nowMs: () => number,
    trace: ((line: string) => void) | null,
  ) {
    this.#nowMs = nowMs;
    this.#trace = trace;
  }

  /** True when lines are printed as they come: then even lines too frequent to be kept are worth making. */
  get traced(): boolean {
    return this.#trace !== null;
  }

  add(who: string, text: string): void {
    const line = `${(this.#nowMs() / 1000).toFixed(4).padStart(10)} ${who.padEnd(8)} ${text}`;
    this.#ring[this.#next] = line;
    this.#next = (this.#next + 1) % KEPT;
    this.#trace?.(line);
  }

  /** Last `count` lines, oldest first. */
  tail(count: number): string[] {
    const ordered = [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
    return ordered.slice(-count);
  }
}
