/**
 * A host under load: CPU hogs, a disk that is always at fsync, large heaps that are collected again and
 * again, little memory left. Ends with stop(), whatever happens.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";

const HOGS = 4;
const WRITERS = 4;
const HEAPS = 2;
/** What lives in each of them; a collection looks at all of it, in several threads at once. */
const HEAP_BYTES = 768 * 1024 ** 2;
const LEFT_BYTES = 2 * 1024 ** 3;

export class Stress {
  readonly #children: ChildProcess[] = [];
  readonly #writers: Counted[];
  readonly #heaps: Counted[];
  readonly #memory: Counted;
  readonly #beginMs = performance.now();
  readonly #stalledUs = memoryStalledUs();
  readonly #atExit = () => this.stop();
  readonly #loads: number[] = [];
  readonly #loadTimer = setInterval(() => this.#loads.push(loadavg()[0]!), 60_000);
  #most = 0;

  /** `directory`: on the disk that the cluster uses. */
  constructor(directory: string) {
    process.on("exit", this.#atExit);
    for (let i = 0; i < HOGS; i++) this.#start("sh", ["-c", "while :; do :; done"]);
    this.#writers = Array.from(
      { length: WRITERS },
      (_, i) => this.#counted("fsync", join(directory, `storm-${i}`)),
    );
    this.#heaps = Array.from({ length: HEAPS }, () => this.#counted("heap", String(HEAP_BYTES)));
    this.#memory = this.#counted("memory", String(LEFT_BYTES));
  }

  stop(): void {
    process.off("exit", this.#atExit);
    clearInterval(this.#loadTimer);
    for (const child of this.#children) child.kill("SIGKILL");
  }

  /** What it did so far, as a sentence. */
  text(): string {
    const seconds = (performance.now() - this.#beginMs) / 1000;
    const sumOf = (all: readonly Counted[]) => all.reduce((sum, { value }) => sum + value, 0);
    this.#most = Math.max(this.#most, this.#memory.value);
    const stalledS = (memoryStalledUs() - this.#stalledUs) / 1e6;
    const loads = this.#loads.length === 0 ? loadavg().slice(0, 1) : this.#loads;
    return `${HOGS} hogs, ${(sumOf(this.#writers) / seconds).toFixed(0)} fsyncs/s, ${
      (60 * sumOf(this.#heaps) / seconds).toFixed(0)
    } collections a minute of ${HEAPS} heaps of ${HEAP_BYTES / 1024 ** 2} MiB, ${
      (this.#most / 1024 ** 3).toFixed(1)
    } GiB taken to leave ${LEFT_BYTES / 1024 ** 3} GiB (${stalledS.toFixed(1)} s of stalls for memory), ` +
      `load average ${Math.min(...loads).toFixed(0)} to ${Math.max(...loads).toFixed(0)}`;
  }

  #counted(...args: string[]): Counted {
    const counted = { value: 0 };
    const child = this.#start(process.execPath, [join(import.meta.dir, "stress_process.ts"), ...args]);
    child.stdout!.on("data", (chunk: Buffer) => {
      counted.value = Number(chunk.toString().trim().split("\n").at(-1));
    });
    return counted;
  }

  #start(program: string, args: readonly string[]): ChildProcess {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    child.on("error", (error) => {
      throw new Error(`${program} did not start: ${error.message}`);
    });
    this.#children.push(child);
    return child;
  }
}

interface Counted {
  value: number;
}

/** Time in which some process of this machine waited for memory; 0 where the kernel does not say. */
function memoryStalledUs(): number {
  try {
    const text = readFileSync("/proc/pressure/memory", "latin1");
    return Number(/^some .*total=(\d+)/m.exec(text)?.[1] ?? 0);
  } catch {
    return 0; // a kernel without pressure stall information
  }
}
